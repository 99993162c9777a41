// Time as values. Inside, time is monotonic (Instant); deadlines, bans and waits that must outlive
// the process are wall time and are converted when they are loaded. Only Clock reads a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace blobd {

using Duration = std::chrono::nanoseconds;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A point of the monotonic clock; the epoch means nothing beyond the process.
struct Instant {
  Duration since_epoch{0};

  static constexpr Instant FromNanos(uint64_t nanos) {
    return Instant{Duration(static_cast<int64_t>(nanos))};
  }
  static constexpr Instant Max() { return Instant{Duration::max()}; }
  constexpr uint64_t nanos() const { return static_cast<uint64_t>(since_epoch.count()); }

  constexpr auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant a, Duration d) {
    // Saturates, so that "forever" stays forever.
    if (d > Duration::zero() && a.since_epoch > Duration::max() - d) return Max();
    return Instant{a.since_epoch + d};
  }
  friend constexpr Instant operator-(Instant a, Duration d) { return Instant{a.since_epoch - d}; }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return a.since_epoch - b.since_epoch;
  }
};

// Milliseconds since 1970, as stored in databases and sent in messages. 0 stands for "none".
struct WallTime {
  int64_t unix_ms = 0;

  constexpr auto operator<=>(const WallTime&) const = default;
  friend constexpr WallTime operator+(WallTime a, Duration d) {
    return WallTime{a.unix_ms + std::chrono::duration_cast<milliseconds>(d).count()};
  }
  // Saturates at what a Duration holds (292 years).
  friend constexpr Duration operator-(WallTime a, WallTime b) {
    constexpr int64_t kMost = Duration::max().count() / 1'000'000;
    int64_t ms = 0;
    if (__builtin_sub_overflow(a.unix_ms, b.unix_ms, &ms))
      ms = a.unix_ms < b.unix_ms ? -kMost : kMost;
    return milliseconds(ms < -kMost ? -kMost : ms > kMost ? kMost : ms);
  }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). Any thread.
const Clock& SystemClock();

}  // namespace blobd
