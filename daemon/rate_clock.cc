#include "daemon/rate_clock.h"

#include <algorithm>
#include <utility>

namespace blobd::daemon {

RateClock::RateClock(Timers& timers, const Clock& clock, std::function<void()> changed,
                     LocalTime local_time)
    : timers_(timers),
      clock_(clock),
      changed_(std::move(changed)),
      local_time_(std::move(local_time)) {}

RateClock::~RateClock() {
  if (timer_ != 0) timers_.CancelTimer(timer_);
}

void RateClock::Set(RateConfig config) {
  config_ = std::move(config);
  if (timer_ != 0) timers_.CancelTimer(std::exchange(timer_, 0));
  Arm();
}

RatesNow RateClock::Now() const { return RatesAt(config_, local_time_(clock_.WallNow())); }

void RateClock::Fill(engine::LiveLimits& limits) const {
  RatesNow now = Now();
  limits.download_rate = now.download;
  limits.upload_rate = now.upload;
  limits.download_rule = std::move(now.download_rule);
  limits.upload_rule = std::move(now.upload_rule);
  limits.rules_until = now.lasts ? clock_.WallNow() + *now.lasts : WallTime{};
}

void RateClock::Arm() {
  const auto lasts = Now().lasts;
  if (!lasts) return;
  timer_ = timers_.AddTimer(timers_.Now() + std::min(*lasts, kLook), [this] {
    timer_ = 0;
    Arm();
    changed_();
  });
}

}  // namespace blobd::daemon
