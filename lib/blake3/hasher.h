// blake3: the hash function, bound to the BLAKE3 C implementation (default mode, 32 bytes of
// output). Hasher hashes a whole blob; the values of its subtrees are in chaining_value.h.
//
// Thread: one owner per Hasher; different Hashers on different threads are independent.
// Errors: none.
#pragma once

#include <blake3.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace blobd::blake3 {

// The name of the blob `data`.
Hash HashOf(ByteView data);

// BLAKE3's key derivation: 32 bytes of key from `material`, for the one use that `context` names.
// REQUIRES: `context` ends with a NUL byte (a literal)
Hash DeriveKey(const char* context, ByteView material);

// Hashes a blob that arrives in pieces. Value type, about 2 KiB; its copy continues where the
// original is.
class Hasher {
 public:
  Hasher();

  void Update(ByteView data);
  // The hash of everything given so far. More may be added afterwards.
  Hash Finish() const;
  void Reset();

 private:
  blake3_hasher state_;
};

}  // namespace blobd::blake3
