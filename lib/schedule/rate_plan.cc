#include "schedule/rate_plan.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace blobd::schedule {
namespace {

constexpr int kDayMinutes = 24 * 60;
constexpr int kWeekMinutes = 7 * kDayMinutes;
constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

std::optional<int> ParseTwoDigits(std::string_view text, int most) {
  int number = -1;
  if (text.size() != 2) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 2, number);
  if (error != std::errc() || end != text.data() + 2 || number < 0 || number > most)
    return std::nullopt;
  return number;
}

// "08:30" in minutes; "24:00" is the end of the day.
std::optional<int> ParseMinute(std::string_view text) {
  if (text == "24:00") return kDayMinutes;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = ParseTwoDigits(text.substr(0, 2), 23);
  const auto minute = ParseTwoDigits(text.substr(3), 59);
  if (!hour || !minute) return std::nullopt;
  return *hour * 60 + *minute;
}

std::optional<size_t> ParseDay(std::string_view text) {
  const auto* found = std::find(kDays.begin(), kDays.end(), text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<size_t>(found - kDays.begin());
}

// "mon-fri,sun" as bits.
std::optional<uint8_t> ParseDays(std::string_view text) {
  uint8_t days = 0;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    const size_t dash = std::min(item.find('-'), item.size());
    const auto first = ParseDay(item.substr(0, dash));
    const auto last = dash == item.size() ? first : ParseDay(item.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    // "fri-mon" goes over the end of the week.
    for (size_t day = *first;; day = (day + 1) % kDays.size()) {
      days = static_cast<uint8_t>(days | 1u << day);
      if (day == *last) break;
    }
    if (comma == text.size()) return days;
    text.remove_prefix(comma + 1);
  }
}

int Length(const RateWindow& window) {
  const int length = window.end_minute - window.begin_minute;
  return length > 0 ? length : length + kDayMinutes;
}

}  // namespace

StatusOr<RateWindow> RateWindow::Parse(std::string_view text) {
  RateWindow window;
  if (const size_t space = text.find(' '); space != std::string_view::npos) {
    const auto days = ParseDays(text.substr(0, space));
    if (!days) return InvalidArgument("days are mon, tue, wed, thu, fri, sat, sun, as mon-fri,sun");
    window.weekdays = *days;
    text.remove_prefix(space + 1);
  }
  const size_t dash = text.find('-');
  const auto begin = ParseMinute(text.substr(0, std::min(dash, text.size())));
  const auto end =
      dash == std::string_view::npos ? std::nullopt : ParseMinute(text.substr(dash + 1));
  if (!begin || !end || *begin == kDayMinutes) {
    return InvalidArgument("hours are written as 08:00-18:00");
  }
  window.begin_minute = *begin;
  window.end_minute = *end;
  return window;
}

bool RateWindow::Contains(WeekTime at) const {
  const int now = at.weekday * kDayMinutes + at.second_of_day / 60;
  for (int day = 0; day < 7; ++day) {
    if ((weekdays >> day & 1) == 0) continue;
    const int begin = day * kDayMinutes + begin_minute;
    const int since = (now - begin + kWeekMinutes) % kWeekMinutes;
    if (since < Length(*this)) return true;
  }
  return false;
}

StatusOr<RatePlan> RatePlan::Make(std::vector<RateWindow> windows,
                                  std::optional<uint64_t> otherwise) {
  if (windows.size() > kMaxWindows) {
    return InvalidArgument("{} windows in one plan, at most {}", windows.size(), kMaxWindows);
  }
  const auto is_zero = [](const RateWindow& window) { return window.bytes_per_second == 0; };
  if (otherwise == 0 || std::any_of(windows.begin(), windows.end(), is_zero)) {
    return InvalidArgument("a limit of 0 is refused");
  }
  for (const RateWindow& window : windows) {
    if (window.begin_minute < 0 || window.begin_minute >= kDayMinutes || window.end_minute < 0 ||
        window.end_minute > kDayMinutes || (window.weekdays & 0x7f) == 0) {
      return InvalidArgument("a window has hours and days that do not exist");
    }
  }
  RatePlan plan;
  plan.windows_ = std::move(windows);
  plan.otherwise_ = otherwise;
  return plan;
}

std::optional<uint64_t> RatePlan::RateAt(WeekTime at) const {
  for (const RateWindow& window : windows_) {
    if (window.Contains(at)) return window.bytes_per_second;
  }
  return otherwise_;
}

std::optional<Duration> RatePlan::NextChange(WeekTime at) const {
  const int now = at.weekday * kDayMinutes * 60 + at.second_of_day;
  std::optional<Duration> next;
  for (const RateWindow& window : windows_) {
    for (int day = 0; day < 7; ++day) {
      if ((window.weekdays >> day & 1) == 0) continue;
      const int begin = day * kDayMinutes + window.begin_minute;
      for (const int minute : {begin, begin + Length(window)}) {
        const int week = kWeekMinutes * 60;
        int wait = (minute * 60 - now % week + 2 * week) % week;
        if (wait == 0) wait = week;  // that one is now
        next = std::min<Duration>(next.value_or(Duration::max()), seconds(wait));
      }
    }
  }
  return next;
}

}  // namespace blobd::schedule
