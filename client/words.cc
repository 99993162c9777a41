#include "client/words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/units.h"

namespace blobd::client {

std::optional<int64_t> ParseTime(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  double number = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (parsed.ec != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  for (const auto& [unit, ms] : kUnits) {
    if (text != unit) continue;
    const double total = number * ms;
    // As much as a date can be moved by and still be one, in nanoseconds too: 63 years.
    if (!(total <= 2e12)) return std::nullopt;
    return std::llround(total);
  }
  return std::nullopt;
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  const bool has_unit = !text.empty() && (text.back() < '0' || text.back() > '9');
  if (!has_unit || text.find('/') != std::string_view::npos) return std::nullopt;
  return ParseRate(text);
}

std::string Counted(uint64_t count, std::string_view noun) {
  std::string text = std::to_string(count) + " ";
  text += noun;
  return count == 1 ? text : text + "s";
}

std::string_view WasOrWere(uint64_t count) { return count == 1 ? "was" : "were"; }

}  // namespace blobd::client
