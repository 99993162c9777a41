// RateClock: watches the time of day for the configuration's schedule of bandwidths, and says when
// another rate is configured. Looks every half minute at least, so that a clock that is set,
// another zone or summer time put nothing off for longer.
//
// Thread:    the control loop's.
// Ownership: borrows the loop's timers and the clock, which outlive it.
#pragma once

#include <functional>

#include "base/time.h"
#include "base/timers.h"
#include "daemon/rate_config.h"

namespace blobd::daemon {

class RateClock {
 public:
  static constexpr Duration kLook = seconds(30);
  using LocalTime = std::function<schedule::WeekTime(WallTime)>;

  // `changed` is called from a timer, when what Now says may be another.
  RateClock(Timers& timers, const Clock& clock, std::function<void()> changed,
            LocalTime local_time = LocalWeekTime);
  ~RateClock();
  RateClock(const RateClock&) = delete;
  RateClock& operator=(const RateClock&) = delete;

  void Set(RateConfig config);
  // Puts what holds now into `limits`.
  void Fill(engine::LiveLimits& limits) const;

 private:
  RatesNow Now() const;
  void Arm();

  Timers& timers_;
  const Clock& clock_;
  const std::function<void()> changed_;
  const LocalTime local_time_;
  RateConfig config_;
  TimerId timer_ = 0;
};

}  // namespace blobd::daemon
