// What people write on a command line: times and sizes; and numbers of things as they read them.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace blobd::client {

// "500ms", "30s", "1.5m", "24h", "7d", in milliseconds. nullopt: no such text, or too much. A
// number without a unit is none: is it seconds?
std::optional<int64_t> ParseTime(std::string_view text);

// "800B", "10MB", "1.5 GiB", "10G": as ParseRate has it (base/units.h), without "/s" and not
// without a unit.
std::optional<uint64_t> ParseSize(std::string_view text);

// "1 blob", "2 blobs"; `noun` takes an s where there are several.
std::string Counted(uint64_t count, std::string_view noun);
// The verb of so many.
std::string_view WasOrWere(uint64_t count);

}  // namespace blobd::client
