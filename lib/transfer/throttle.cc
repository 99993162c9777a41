#include "transfer/throttle.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {

using schedule::AskId;
using schedule::Grant;

Throttle::~Throttle() {
  if (timer_ != 0) timers_.CancelTimer(timer_);
}

void Throttle::SetRate(std::optional<uint64_t> bytes_per_second) {
  BLOBD_CHECK(bytes_per_second != 0);
  if (rate_ == bytes_per_second) return;
  rate_ = bytes_per_second;
  auto payload = rate_;
  if (payload) *payload -= *payload / kHeaders;
  BLOBD_CHECK(limiter_.SetRate(timers_.Now(), payload).ok());
  for (auto& changed : watchers_) changed();
  Arm();
}

uint64_t Throttle::window() const {
  BLOBD_CHECK(rate_.has_value());
  constexpr uint64_t kPerSecond = seconds(1) / kWindow;
  return std::clamp(*rate_ / kPerSecond, kLeastWindow, kMostWindow);
}

AskId Throttle::Ask(uint64_t owner, uint64_t bytes, Granted granted) {
  const AskId ask = limiter_.Ask(owner, bytes);
  asks_[ask] = {owner, bytes, std::make_shared<Granted>(std::move(granted))};
  Arm();
  return ask;
}

void Throttle::Cancel(AskId ask) {
  if (asks_.erase(ask) == 0) return;
  limiter_.Cancel(ask);
  Arm();
}

void Throttle::Release(uint64_t owner) {
  std::vector<AskId> of_owner;
  for (const auto& [ask, waiting] : asks_)
    if (waiting.owner == owner) of_owner.push_back(ask);
  for (const AskId ask : of_owner) {
    auto node = asks_.extract(ask);
    if (node.empty()) continue;  // cancelled by a callback
    limiter_.Cancel(ask);
    (*node.mapped().granted)(node.mapped().left);
  }
  Arm();
}

void Throttle::Step() {
  std::vector<Grant> grants;
  limiter_.Step(timers_.Now(), grants);
  for (const Grant& grant : grants) {
    // A callback may have cancelled or released it.
    const auto it = asks_.find(grant.ask);
    if (it == asks_.end()) continue;
    const std::shared_ptr<Granted> granted = it->second.granted;
    it->second.left -= grant.bytes;
    if (grant.complete) asks_.erase(it);
    (*granted)(grant.bytes);
  }
  Arm();
}

Throttle::Effect Throttle::effect() const {
  Effect effect;
  for (const auto& [ask, waiting] : asks_) effect.held_back_bytes += waiting.left;
  effect.limited = limited_;
  if (limited_since_) effect.limited += timers_.Now() - *limited_since_;
  return effect;
}

void Throttle::Arm() {
  if (asks_.empty() && limited_since_) {
    limited_ += timers_.Now() - *std::exchange(limited_since_, std::nullopt);
  } else if (!asks_.empty() && !limited_since_) {
    limited_since_ = timers_.Now();
  }
  const auto next = limiter_.NextDeadline();
  if (timer_ != 0) {
    if (next && *next == timer_at_) return;
    timers_.CancelTimer(std::exchange(timer_, 0));
  }
  if (!next) return;
  timer_at_ = *next;
  timer_ = timers_.AddTimer(std::max(*next, timers_.Now()), [this] {
    timer_ = 0;
    Step();
  });
}

}  // namespace blobd::transfer
