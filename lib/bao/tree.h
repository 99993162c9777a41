// bao: the hash tree of a blob, and parts of the blob with the proof that they belong to it.
//
// This header is the tree's geometry; no hashing. Leaves of the tree are chunks of 1024 bytes. A
// subtree of n > 1 chunks has the largest power of two less than n in its left part, and its pair
// is the chaining values of both parts. Proofs are kept per group of 16 chunks: the outboard holds
// the pairs of all subtrees larger than a group, in pre-order. (protocol/blobs.md, section 5;
// protocol/formats.md, section 8.)
//
// Thread: any; values and pure functions.
// Units:  sizes and offsets in bytes, places in chunks or groups as named.
// Errors: none. Every size up to kMaxBlobSize is computed without overflow; more is a caller's bug.
#pragma once

#include <cstdint>

#include "blake3/chaining_value.h"

namespace blobd::bao {

using blake3::ChainingValue;
using blake3::kChunkSize;
using blake3::kGroupChunks;
using blake3::kGroupSize;

inline constexpr uint64_t kMaxBlobSize = uint64_t{1} << 63;
inline constexpr uint64_t kSizeHeaderSize = 8;
inline constexpr uint64_t kPairSize = 64;
// A subtree of the largest blob (2^53 chunks) is at most this many steps below the root.
inline constexpr int kMaxDepth = 53;

// An empty blob has one chunk and one group, both empty. REQUIRES of all: size <= kMaxBlobSize
uint64_t ChunkCount(uint64_t size);
uint64_t GroupCount(uint64_t size);
uint64_t OutboardSize(uint64_t size);
// Size header, pairs and data of an answer that holds the whole blob.
uint64_t WholeResponseSize(uint64_t size);

// The chunks [begin, end) as a node of the tree.
struct Subtree {
  uint64_t begin = 0;
  uint64_t end = 0;
  // Where its pair is in the outboard, counted in pairs. Meaningful only if has_outboard_pair().
  uint64_t pair_index = 0;

  static Subtree Root(uint64_t chunk_count) { return {0, chunk_count, 0}; }

  uint64_t chunks() const { return end - begin; }
  bool has_outboard_pair() const { return chunks() > kGroupChunks; }
  uint64_t group() const { return begin / kGroupChunks; }
  // How many pairs the outboard holds of it and all below it; the first is that of pair_index.
  uint64_t pair_count() const { return (chunks() + kGroupChunks - 1) / kGroupChunks - 1; }
  // REQUIRES of both: chunks() > 1
  Subtree Left() const;
  Subtree Right() const;

  bool operator==(const Subtree&) const = default;
};

// The outboard index of a pair by its place: that of the subtree which starts at `first_group`, has
// 2^level groups in its left part, and lies in a blob of `group_count` groups. The same number as
// descending from the root gives. REQUIRES: first_group is a multiple of 2^(level + 1); first_group
// + 2^level < group_count
uint64_t PairIndex(uint64_t first_group, int level, uint64_t group_count);

}  // namespace blobd::bao
