// GetPlan: the next request of a transfer: what is sent, and which blobs answer it in which order
// (protocol/blobs.md, sections 3.2 and 4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "transfer/inventory.h"
#include "wire/chunk_ranges.h"

namespace blobd::transfer {

// One blob of the answer.
struct GetTarget {
  Hash hash;
  wire::ChunkRanges wanted;
  bool whole = false;         // nothing of it is held: all its chunks are wanted
  uint64_t known_size = 0;    // proven size, or 0
  uint64_t claimed_size = 0;  // what an earlier provider said
};

struct GetPlan {
  Bytes request;
  std::vector<GetTarget> targets;
};

// Requests stay below the smallest limit of any provider (1 MiB); what does not fit is asked for
// next time.
inline constexpr size_t kMaxRequestBytes = 512 * 1024;

// Of a hash sequence whose root is missing, the root comes first and alone: only then is known
// which children are missing, and held ones are never asked for. nullopt: no chunk is missing.
std::optional<GetPlan> NextGetPlan(const Inventory& inventory);

// Blobs of which every group is held but which were not finished (the process ended in between).
std::vector<Hash> BlobsToFinish(const Inventory& inventory);

}  // namespace blobd::transfer
