#include "schedule/rate_limiter.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace blobd::schedule {
namespace {

// A slice is a part of the bucket: small enough that others come soon, large enough to be rare.
constexpr double kSlicesPerBucket = 8;
constexpr uint64_t kLeastSlice = 16 * 1024;
constexpr uint64_t kLargestSlice = 1024 * 1024;

double InSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

double RateLimiter::Capacity() const {
  return std::max(static_cast<double>(kLeastBucket),
                  static_cast<double>(*rate_) * InSeconds(kBucket));
}

uint64_t RateLimiter::SliceOf(const Waiting& waiting) const {
  const auto slice = static_cast<uint64_t>(Capacity() / kSlicesPerBucket);
  return std::min(waiting.left, std::clamp(slice, kLeastSlice, kLargestSlice));
}

void RateLimiter::Fill(Instant now) {
  const double seconds = InSeconds(std::max(Duration::zero(), now - filled_));
  tokens_ = std::min(Capacity(), tokens_ + seconds * static_cast<double>(*rate_));
  filled_ = now;
}

Status RateLimiter::SetRate(Instant now, std::optional<uint64_t> bytes_per_second) {
  if (bytes_per_second == 0) return InvalidArgument("a limit of 0 is refused: remove it, or pause");
  if (rate_ && bytes_per_second) {
    Fill(now);  // what came until now came at the old rate
    rate_ = bytes_per_second;
    tokens_ = std::min(tokens_, Capacity());
    return OkStatus();
  }
  rate_ = bytes_per_second;
  filled_ = now;
  tokens_ = 0;
  return OkStatus();
}

AskId RateLimiter::Ask(uint64_t owner, uint64_t bytes) {
  BLOBD_CHECK(bytes > 0);
  const AskId ask{next_ask_++};
  asks_[ask] = {owner, bytes};
  Owner& of = owners_[owner];
  of.asks.insert(ask);
  if (of.asks.size() == 1) Enqueue(of);
  return ask;
}

// Puts the owner's first ask in the queue, at the place where it is, but not before the line.
void RateLimiter::Enqueue(Owner& owner) {
  owner.place = std::max(owner.place, line_);
  queue_.insert({owner.place, *owner.asks.begin()});
}

bool RateLimiter::Waits(uint64_t owner) const {
  const auto it = owners_.find(owner);
  return it != owners_.end() && !it->second.asks.empty();
}

void RateLimiter::Cancel(AskId ask) {
  const auto found = asks_.find(ask);
  if (found == asks_.end()) return;
  Owner& owner = owners_.at(found->second.owner);
  const bool was_first = *owner.asks.begin() == ask;
  owner.asks.erase(ask);
  asks_.erase(found);
  if (was_first) {
    queue_.erase({owner.place, ask});
    if (!owner.asks.empty()) queue_.insert({owner.place, *owner.asks.begin()});
  }
  Forget();
}

void RateLimiter::Take(uint64_t bytes, std::vector<Grant>& grants,
                       std::unordered_map<AskId, size_t>& at) {
  const Turn turn = *queue_.begin();
  queue_.erase(queue_.begin());
  line_ = turn.start;
  Waiting& waiting = asks_.at(turn.ask);
  Owner& owner = owners_.at(waiting.owner);
  waiting.left -= bytes;
  owner.place += static_cast<double>(bytes);
  const auto [place, is_new] = at.emplace(turn.ask, grants.size());
  if (is_new) grants.push_back({turn.ask, 0, false});
  Grant& grant = grants[place->second];
  grant.bytes += bytes;
  if (waiting.left == 0) {
    grant.complete = true;
    owner.asks.erase(turn.ask);
    asks_.erase(turn.ask);
  }
  if (!owner.asks.empty()) queue_.insert({owner.place, *owner.asks.begin()});
}

// Owners that want nothing and are not ahead of the line are like those that were never there. With
// nothing waiting nobody is ahead of anybody.
void RateLimiter::Forget() {
  const bool rests = asks_.empty();
  std::erase_if(owners_, [&](const auto& entry) {
    const Owner& owner = entry.second;
    return owner.asks.empty() && (rests || owner.place <= line_);
  });
  if (rests) line_ = 0;
}

void RateLimiter::Step(Instant now, std::vector<Grant>& grants) {
  std::unordered_map<AskId, size_t> at;
  if (!rate_) {
    while (!queue_.empty()) Take(asks_.at(queue_.begin()->ask).left, grants, at);
    Forget();
    return;
  }
  Fill(now);
  bool any = false;
  while (!queue_.empty()) {
    const uint64_t slice = SliceOf(asks_.at(queue_.begin()->ask));
    // Deadlines are rounded to nanoseconds.
    if (tokens_ + 0.5 < static_cast<double>(slice)) break;
    tokens_ -= static_cast<double>(slice);
    Take(slice, grants, at);
    any = true;
  }
  if (any) Forget();
}

std::optional<Instant> RateLimiter::NextDeadline() const {
  if (queue_.empty()) return std::nullopt;
  if (!rate_) return filled_;
  const double lacks = static_cast<double>(SliceOf(asks_.at(queue_.begin()->ask))) - tokens_;
  if (lacks <= 0) return filled_;
  const double seconds = lacks / static_cast<double>(*rate_);
  return filled_ + Duration(static_cast<int64_t>(std::ceil(seconds * 1e9)));
}

void RateLimiter::CheckInvariants() const {
  size_t owners_with_asks = 0;
  size_t asks = 0;
  for (const auto& [id, owner] : owners_) {
    if (owner.asks.empty()) continue;
    ++owners_with_asks;
    asks += owner.asks.size();
    BLOBD_CHECK(queue_.contains({owner.place, *owner.asks.begin()}));
    for (const AskId ask : owner.asks) {
      BLOBD_CHECK(asks_.at(ask).owner == id && asks_.at(ask).left > 0);
    }
  }
  BLOBD_CHECK(owners_with_asks == queue_.size() && asks == asks_.size());
  BLOBD_CHECK(!rate_ || tokens_ <= Capacity());
}

}  // namespace blobd::schedule
