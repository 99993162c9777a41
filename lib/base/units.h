// Sizes and rates, and their text for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace blobd {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;
inline constexpr uint64_t kTiB = 1024 * kGiB;

// "512 B", "1.5 KiB", "64 MiB": at most three significant digits, binary units.
std::string FormatSize(uint64_t bytes);
// "12.3 MB/s": decimal units, as networks are rated.
std::string FormatRate(double bytes_per_second);
// What people write for bytes per second: "10M", "10MB/s", "1.5 MiB/s", "800000": a number, a
// decimal or (with an i) binary prefix, "B" and "/s" as they like, in any case. nullopt: it is no
// such text, or not at least 1.
std::optional<uint64_t> ParseRate(std::string_view text);
// "850 ms", "42 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
std::string FormatDuration(Duration duration);

}  // namespace blobd
