#include "base/rng.h"

#include <bit>

#include "base/check.h"

namespace blobd {

Rng::Rng(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    word = z ^ (z >> 31);
  }
}

uint64_t Rng::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Rng::Below(uint64_t bound) {
  BLOBD_CHECK(bound > 0);
  // Numbers below 2^64 mod bound are drawn again, so that every residue is equally likely.
  const uint64_t reject_below = (0 - bound) % bound;
  for (;;) {
    const uint64_t value = Next();
    if (value >= reject_below) return value % bound;
  }
}

Duration Rng::Between(Duration low, Duration high) {
  BLOBD_CHECK(low <= high);
  const auto width = static_cast<uint64_t>((high - low).count()) + 1;
  return low + Duration(static_cast<int64_t>(Below(width)));
}

bool Rng::Chance(double probability) {
  return static_cast<double>(Next() >> 11) * 0x1.0p-53 < probability;
}

}  // namespace blobd
