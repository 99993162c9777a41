#include "base/time.h"

#include <ctime>

namespace blobd {
namespace {

Duration Read(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return seconds(now.tv_sec) + Duration(now.tv_nsec);
}

class RealClock final : public Clock {
 public:
  Instant Now() const override { return Instant{Read(CLOCK_MONOTONIC)}; }
  WallTime WallNow() const override {
    return WallTime{std::chrono::duration_cast<milliseconds>(Read(CLOCK_REALTIME)).count()};
  }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

}  // namespace blobd
