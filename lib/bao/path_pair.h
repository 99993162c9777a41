// PathPair: a pair of hashes with its place in the outboard.
//
// Value.
#pragma once

#include <array>
#include <cstdint>

namespace blobd::bao {

struct PathPair {
  uint64_t index = 0;  // in the outboard, counted in pairs
  std::array<uint8_t, 64> hashes{};

  bool operator==(const PathPair&) const = default;
};

}  // namespace blobd::bao
