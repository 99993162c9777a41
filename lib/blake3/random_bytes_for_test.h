// Content for tests: bytes without a pattern, the same for the same seed. They come out of the hash
// as a stream (the BLAKE3 paper, section 2.6), which is fast in a build without an optimiser, too.
#pragma once

#include <blake3.h>

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace blobd::blake3 {

inline Bytes RandomBytes(size_t size, uint64_t seed) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, &seed, sizeof(seed));
  Bytes bytes(size);
  blake3_hasher_finalize(&hasher, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace blobd::blake3
