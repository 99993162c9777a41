// Rng: a small seeded generator (xoshiro256**, seeded by splitmix64; Blackman and Vigna, "Scrambled
// linear pseudorandom number generators", 2018). Same seed, same numbers, on every machine. Not for
// secrets.
//
// Thread: one owner.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace blobd {

class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t Next();
  // Uniform in [0, bound). REQUIRES: bound > 0
  uint64_t Below(uint64_t bound);
  // Uniform in [low, high]. REQUIRES: low <= high
  Duration Between(Duration low, Duration high);
  // True with probability `probability` (0 to 1).
  bool Chance(double probability);

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace blobd
