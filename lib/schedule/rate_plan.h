// RatePlan: a limit that depends on the time of day: "10 MB/s on working days from 8 to 18, else
// none". Times are those of the machine's clock on the wall; who asks converts them.
//
// Values, pure. Errors: kInvalidArgument with a sentence for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace blobd::schedule {

// A moment of the week. Monday is 0.
struct WeekTime {
  int weekday = 0;        // 0 to 6
  int second_of_day = 0;  // 0 to 86,399
};

// The same hours on some days of the week.
struct RateWindow {
  uint8_t weekdays = 0x7f;                   // bit 0: Monday; the days on which it begins
  int begin_minute = 0;                      // of the day, 0 to 1439
  int end_minute = 0;                        // not after begin: on the next day; 1440: midnight
  std::optional<uint64_t> bytes_per_second;  // nullopt: no limit

  // "08:00-18:00", "mon-fri 08:00-18:00", "sat,sun 22:00-06:00". The rate is not part of it.
  static StatusOr<RateWindow> Parse(std::string_view text);
  bool Contains(WeekTime at) const;
};

class RatePlan {
 public:
  static constexpr size_t kMaxWindows = 64;

  RatePlan() = default;
  // The first window that contains a moment decides; outside of all of them, `otherwise`.
  // Refuses a rate of 0, and more windows than kMaxWindows.
  static StatusOr<RatePlan> Make(std::vector<RateWindow> windows,
                                 std::optional<uint64_t> otherwise);

  std::optional<uint64_t> RateAt(WeekTime at) const;
  // How long it stays so at most: until a window begins or ends. Whoever waits asks again then, and
  // when the clock was set or its zone changed. nullopt: for ever.
  std::optional<Duration> NextChange(WeekTime at) const;

 private:
  std::vector<RateWindow> windows_;
  std::optional<uint64_t> otherwise_;
};

}  // namespace blobd::schedule
