#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace blobd {
namespace {

template <size_t N>
std::string Scaled(double value, double step, const std::array<std::string_view, N>& names) {
  size_t unit = 0;
  while (unit + 1 < N && value >= step) {
    value /= step;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f} {}", value, names[0]);
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  if (decimals > 0) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return fmt::format("{} {}", digits, names[unit]);
}

}  // namespace

std::string FormatSize(uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> kNames = {"B",   "KiB", "MiB",
                                                             "GiB", "TiB", "PiB"};
  return Scaled(static_cast<double>(bytes), 1024, kNames);
}

std::string FormatRate(double bytes_per_second) {
  static constexpr std::array<std::string_view, 4> kNames = {"B/s", "kB/s", "MB/s", "GB/s"};
  return Scaled(bytes_per_second, 1000, kNames);
}

std::optional<uint64_t> ParseRate(std::string_view text) {
  constexpr std::string_view kPrefixes = "kmgt";
  constexpr double kMost = 1e15;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string lower;
  for (const char c : text) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view rest = lower;
  const auto take = [&rest](std::string_view what) {
    if (!rest.starts_with(what)) return false;
    rest.remove_prefix(what.size());
    return true;
  };
  double value = 0;
  double place = 1;
  bool any = false;
  for (bool fraction = false; !rest.empty(); rest.remove_prefix(1)) {
    if (rest.front() == '.' && any && !fraction) {
      fraction = true;
    } else if (is_digit(rest.front())) {
      any = true;
      if (fraction) place /= 10;
      value = fraction ? value + place * (rest.front() - '0') : value * 10 + (rest.front() - '0');
      if (value > kMost) return std::nullopt;
    } else {
      break;
    }
  }
  if (!any) return std::nullopt;
  take(" ");
  const size_t prefix = rest.empty() ? std::string_view::npos : kPrefixes.find(rest.front());
  if (prefix != std::string_view::npos) {
    rest.remove_prefix(1);
    const double step = take("i") ? 1024 : 1000;
    for (size_t i = 0; i <= prefix; ++i) value *= step;
  }
  take("b");
  take("/s");
  if (!rest.empty() || value < 1 || value > kMost) return std::nullopt;
  return static_cast<uint64_t>(std::llround(value));
}

std::string FormatDuration(Duration duration) {
  const int64_t ms = std::chrono::duration_cast<milliseconds>(duration).count();
  if (ms < 1000) return fmt::format("{} ms", ms);
  const int64_t s = ms / 1000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

}  // namespace blobd
