// Quantities as people write them: a number and its unit.
//
// Thread: any; pure.
// Errors: kInvalidArgument that quotes the text. Numbers are decimal, finite and not negative.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace blobd::link {

// "25ms", "1.5s", "200us", "10ns", "0"; at most an hour.
StatusOr<Duration> ParseDuration(std::string_view text);
// "0.1%" or "0.001"; from 0 to 1.
StatusOr<double> ParseProbability(std::string_view text);
// "20MB/s", "400Mbit/s", "64KiB/s", "1GB/s", or "none" for 0; otherwise 1 kB/s to 100 GB/s.
StatusOr<uint64_t> ParseRate(std::string_view text);
// "64KB", "1MiB", "1500B"; at most 512 MiB.
StatusOr<uint64_t> ParseSize(std::string_view text);

}  // namespace blobd::link
