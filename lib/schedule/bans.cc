#include "schedule/bans.h"

#include <algorithm>

#include "schedule/retry.h"

namespace blobd::schedule {
namespace {
constexpr size_t kMostHashes = 1024;
}  // namespace

Bans::Verdict Bans::Add(const ProviderId& provider, Instant now, std::string reason,
                        std::optional<Duration> wanted) {
  const Ban* before = Find(provider);
  // A restored count may be anything; beyond the cap of the length it carries no more information.
  const uint32_t times =
      before == nullptr ? 1 : (before->times < UINT32_MAX ? before->times + 1 : UINT32_MAX);
  const Duration length = wanted ? *wanted : Doubled(first_, times, longest_);
  Restore(provider, Ban{now + length, times, std::move(reason)});
  return Verdict{length, times};
}

void Bans::Restore(const ProviderId& provider, Ban ban) {
  const auto [it, is_new] = bans_.try_emplace(provider);
  if (!is_new) {
    by_end_.erase({it->second.until, provider});
    wanted_.erase({it->second.until, provider});
    if (ban.hashes.empty()) ban.hashes = std::move(it->second.hashes);
  }
  by_end_.insert({ban.until, provider});
  if (!ban.hashes.empty()) wanted_.insert({ban.until, provider});
  it->second = std::move(ban);
  if (bans_.size() > most_) {
    wanted_.erase(*by_end_.begin());
    bans_.erase(by_end_.begin()->second);
    by_end_.erase(by_end_.begin());
  }
}

void Bans::Remember(const ProviderId& provider, const Hash& hash) {
  const auto it = bans_.find(provider);
  if (it == bans_.end() || it->second.hashes.size() >= kMostHashes) return;
  Ban& ban = it->second;
  if (std::find(ban.hashes.begin(), ban.hashes.end(), hash) != ban.hashes.end()) return;
  ban.hashes.push_back(hash);
  wanted_.insert({ban.until, provider});
}

std::vector<Hash> Bans::Lift(const ProviderId& provider) {
  const auto it = bans_.find(provider);
  if (it == bans_.end()) return {};
  std::vector<Hash> hashes = std::move(it->second.hashes);
  by_end_.erase({it->second.until, provider});
  wanted_.erase({it->second.until, provider});
  bans_.erase(it);
  return hashes;
}

std::optional<std::pair<ProviderId, std::vector<Hash>>> Bans::PopOver(Instant now) {
  if (wanted_.empty() || wanted_.begin()->first > now) return std::nullopt;
  const ProviderId provider = wanted_.begin()->second;
  wanted_.erase(wanted_.begin());
  return std::make_pair(provider, std::exchange(bans_.at(provider).hashes, {}));
}

std::optional<Instant> Bans::next() const {
  if (wanted_.empty()) return std::nullopt;
  return wanted_.begin()->first;
}

bool Bans::Banned(const ProviderId& provider, Instant now) const {
  const Ban* ban = Find(provider);
  return ban != nullptr && now < ban->until;
}

std::vector<BanView> Bans::List(const std::optional<ProviderId>& after, size_t limit,
                                Instant now) const {
  std::vector<ProviderId> banned;
  for (auto it = by_end_.upper_bound({now, ProviderId()}); it != by_end_.end(); ++it) {
    if (it->first > now && (!after || *after < it->second)) banned.push_back(it->second);
  }
  std::sort(banned.begin(), banned.end());
  if (banned.size() > limit) banned.resize(limit);
  std::vector<BanView> views;
  for (const ProviderId& provider : banned) {
    const Ban& ban = bans_.at(provider);
    views.push_back({provider, ban.until, ban.times, ban.reason});
  }
  return views;
}

std::vector<ProviderId> Bans::Ended(Instant after, Instant now) const {
  std::vector<ProviderId> ended;
  const auto first = by_end_.lower_bound({after, ProviderId()});
  for (auto it = first; it != by_end_.end() && it->first <= now; ++it) {
    if (it->first > after) ended.push_back(it->second);
  }
  return ended;
}

const Ban* Bans::Find(const ProviderId& provider) const {
  const auto it = bans_.find(provider);
  return it == bans_.end() ? nullptr : &it->second;
}

}  // namespace blobd::schedule
