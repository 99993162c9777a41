#include "quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "base/units.h"

namespace blobd::link {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kTimeUnits = {Unit{"ns", 1}, Unit{"us", 1e3}, Unit{"ms", 1e6}, Unit{"s", 1e9},
                                   Unit{"min", 60e9}};
constexpr std::array kProbabilityUnits = {Unit{"", 1}, Unit{"%", 0.01}};
constexpr std::array kSizeUnits = {Unit{"B", 1},         Unit{"KB", 1e3},     Unit{"kB", 1e3},
                                   Unit{"MB", 1e6},      Unit{"GB", 1e9},     Unit{"KiB", 1024},
                                   Unit{"MiB", 1 << 20}, Unit{"GiB", 1 << 30}};
constexpr std::array kRateUnits = {
    Unit{"B/s", 1},      Unit{"KB/s", 1e3},     Unit{"kB/s", 1e3},      Unit{"MB/s", 1e6},
    Unit{"GB/s", 1e9},   Unit{"KiB/s", 1024},   Unit{"MiB/s", 1 << 20}, Unit{"GiB/s", 1 << 30},
    Unit{"kbit/s", 125}, Unit{"Mbit/s", 125e3}, Unit{"Gbit/s", 125e6}};

constexpr double kDurationMax = 3600e9;
constexpr double kRateMin = 1e3;
constexpr double kRateMax = 100e9;
constexpr double kSizeMax = 512.0 * kMiB;

StatusOr<double> Parse(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  // Otherwise it would take "inf", "nan" and "-0".
  const bool is_number = error == std::errc() && !text.empty() &&
                         (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
  if (!is_number || !std::isfinite(number)) return InvalidArgument("not a quantity: {}", text);
  const std::string_view name(rest, static_cast<size_t>(end - rest));
  for (const Unit& unit : units) {
    if (unit.name == name) return number * unit.factor;
  }
  if (number == 0 && name.empty()) return 0.0;
  return InvalidArgument("no unit that fits here: {}", text);
}

}  // namespace

StatusOr<Duration> ParseDuration(std::string_view text) {
  BLOBD_ASSIGN_OR_RETURN(const double nanos, Parse(text, kTimeUnits));
  if (nanos > kDurationMax) return InvalidArgument("more than an hour: {}", text);
  return Duration(std::llround(nanos));
}

StatusOr<double> ParseProbability(std::string_view text) {
  BLOBD_ASSIGN_OR_RETURN(const double probability, Parse(text, kProbabilityUnits));
  if (probability > 1) return InvalidArgument("more than 100%: {}", text);
  return probability;
}

StatusOr<uint64_t> ParseRate(std::string_view text) {
  if (text == "none") return 0;
  BLOBD_ASSIGN_OR_RETURN(const double rate, Parse(text, kRateUnits));
  if (rate < kRateMin || rate > kRateMax)
    return InvalidArgument("not from 1kB/s to 100GB/s: {}", text);
  return static_cast<uint64_t>(std::llround(rate));
}

StatusOr<uint64_t> ParseSize(std::string_view text) {
  BLOBD_ASSIGN_OR_RETURN(const double size, Parse(text, kSizeUnits));
  if (size > kSizeMax) return InvalidArgument("more than 512MiB: {}", text);
  return static_cast<uint64_t>(std::llround(size));
}

}  // namespace blobd::link
