// Inventory: what the store holds of a kind, and so what is missing. A hash sequence whose root is
// not complete has no known children yet.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "base/task.h"
#include "store/blob_store.h"

namespace blobd::transfer {

// What is taken on at most (design/transfers.md, "Bounds").
struct SizeLimits {
  uint64_t max_blob_size = uint64_t{1} << 44;  // 16 TiB
  uint64_t max_children = 10'000'000;          // of one hash sequence
};

struct Inventory {
  struct Child {
    uint64_t blob_index = 0;  // as requests count: the root is 0, the first child 1
    store::BlobInfo blob;
    size_t place = 0;  // among the distinct children, from 0
  };

  Kind kind;
  store::BlobInfo root;
  // Of a hash sequence with a complete root: every distinct hash once, at its first place.
  bool children_known = false;
  std::vector<Child> children;

  bool complete() const;
  // A hash sequence whose children nobody can know yet.
  bool needs_root() const;
  // The root is complete, so its children could be known, and they are not.
  bool needs_children() const;
  uint64_t verified_bytes() const;
  uint64_t total_bytes() const;  // 0: some size is not proven yet
  uint64_t total_blobs() const;  // 0: children not known yet
  uint64_t complete_blobs() const;
};

// kFailedPrecondition: a root of this size is no hash sequence, or has too many children.
Status CheckHashSeqSize(const Hash& root, uint64_t size, const SizeLimits& limits);

// What is held, as far as the root alone says it: of a hash sequence whose root is complete,
// children_known is false and TakeInventory has more to say. Errors as there.
StatusOr<Inventory> InventoryOfRoot(const Kind& kind, store::BlobInfo root,
                                    const SizeLimits& limits = {});

// The distinct children that are asked about: [first, end) of their places.
struct Places {
  size_t first = 0;
  size_t end = SIZE_MAX;
};

// Asks the store; `done` is called on `strand`. Children outside of `places` are left out. A root
// that is no hash sequence, or has too many children, and a blob still to be got that is proven to
// be larger than the maximum, are kFailedPrecondition: nobody can ever satisfy that kind. Thread:
// any; blocks the strand only to read the root.
void TakeInventory(store::BlobStore& store, std::shared_ptr<Executor> strand, const Kind& kind,
                   UniqueFunction<void(StatusOr<Inventory>)> done, const SizeLimits& limits = {},
                   Places places = {});

}  // namespace blobd::transfer
