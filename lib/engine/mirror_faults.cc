#include "engine/mirror_faults.h"

#include "http/url.h"

namespace blobd::engine {
namespace {

std::string OriginOf(const std::string& url) {
  if (http::UrlTemplate::IsTemplate(url)) {
    const auto any = http::UrlTemplate::Parse(url);
    return any.ok() ? any->origin().ToString() : url;
  }
  const auto parsed = http::Url::Parse(url);
  return parsed.ok() ? parsed->origin().ToString() : url;
}

}  // namespace

bool MirrorFaults::Add(const std::string& url, const Hash& hash, const std::string& reason,
                       Instant now) {
  Expire(now);
  const auto [it, is_new] = faults_.try_emplace({url, hash});
  const std::string origin = OriginOf(url);
  it->second = {now + kLength, "it sent wrong bytes of this before: " + reason};
  if (is_new) {
    order_.push_back(it->first);
    wrong_[origin].insert(hash);
  }
  const auto& hashes = wrong_[origin];
  size_t different = 0;
  for (auto at = hashes.begin(); at != hashes.end() && different < kMostWrong; ++different) {
    at = hashes.upper_bound(*at);
  }
  return different >= kMostWrong;
}

const std::string* MirrorFaults::Refused(const std::string& url, const Hash& hash,
                                         Instant now) const {
  const auto it = faults_.find({url, hash});
  return it == faults_.end() || it->second.until <= now ? nullptr : &it->second.reason;
}

void MirrorFaults::Expire(Instant now) {
  while (!order_.empty()) {
    const auto it = faults_.find(order_.front());
    if (it->second.until > now && order_.size() < kMostEntries) return;
    const std::string origin = OriginOf(it->first.first);
    auto& hashes = wrong_[origin];
    if (const auto one = hashes.find(it->first.second); one != hashes.end()) hashes.erase(one);
    if (hashes.empty()) wrong_.erase(origin);
    faults_.erase(it);
    order_.pop_front();
  }
}

}  // namespace blobd::engine
