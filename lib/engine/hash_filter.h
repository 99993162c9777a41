// HashFilter: a set of hashes that never forgets one, in a memory that does not grow. It may have
// one that was never added: after 10 million that is so of about one other in 40,000, and of more
// the more are added.
//
// A value without IO; one thread at a time. Takes 64 MiB from the first hash on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace blobd::engine {

class HashFilter {
 public:
  void Add(const Hash& hash) {
    if (words_.empty()) words_.resize(kBits / 64);
    for (const size_t bit : BitsOf(hash)) words_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  bool MayHave(const Hash& hash) const {
    if (words_.empty()) return false;
    for (const size_t bit : BitsOf(hash)) {
      if ((words_[bit / 64] >> (bit % 64) & 1) == 0) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kBits = size_t{1} << 29;
  static constexpr size_t kBitsOfEach = 4;

  // Hashes are as good as random, so their own bytes say where their bits are. Who makes up a list
  // of others gains nothing: each sets four bits at most.
  static std::array<size_t, kBitsOfEach> BitsOf(const Hash& hash) {
    std::array<size_t, kBitsOfEach> bits{};
    for (size_t i = 0; i < kBitsOfEach; ++i) {
      uint32_t word = 0;
      for (size_t k = 0; k < 4; ++k) word = word << 8 | hash.bytes[i * 4 + k];
      bits[i] = word % kBits;
    }
    return bits;
  }

  std::vector<uint64_t> words_;
};

}  // namespace blobd::engine
