// What garbage collection asks of a blob: how long ago was it used, and what would its going free.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "base/time.h"

namespace blobd::store {

enum class BlobState { kAbsent, kPartial, kComplete };

// A place in the order of use; blobs used in the same millisecond are in the order of their hashes.
struct UseCursor {
  WallTime last_use;
  Hash hash;
};

struct BlobUse {
  Hash hash;
  BlobState state = BlobState::kPartial;
  uint64_t size = 0;  // a claim of some provider until size_proven
  bool size_proven = false;
  uint64_t disk_bytes = 0;  // data and outboard, about what Remove would free
  bool is_pinned = false;   // somebody writes it: Remove would be refused
  bool is_private = false;
  WallTime last_use;

  UseCursor cursor() const { return {last_use, hash}; }  // from which the next page goes on
};

}  // namespace blobd::store
