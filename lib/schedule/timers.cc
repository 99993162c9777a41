#include "schedule/timers.h"

#include "base/check.h"

namespace blobd::schedule {

void Timers::Arm(const Timer& timer) {
  if (timer.at == Instant::Max()) return;
  BLOBD_CHECK(timers_.insert(timer).second);
}

void Timers::Disarm(const Timer& timer) { timers_.erase(timer); }

std::optional<Timer> Timers::PopDue(Instant now) {
  if (timers_.empty() || timers_.begin()->at > now) return std::nullopt;
  const Timer timer = *timers_.begin();
  timers_.erase(timers_.begin());
  return timer;
}

std::optional<Instant> Timers::next() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->at;
}

}  // namespace blobd::schedule
