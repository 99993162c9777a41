// TreeWalk: the one order in which pairs and leaves of a selection are sent, and the check of each
// against the root. Decoder and Encoder both walk with it, so what one sends the other expects.
//
// The walk starts at the root with the blob's hash as the expected value. At a subtree without
// selected chunks it passes; at one chunk, or up to a group of chunks that are all selected, it
// stands at a leaf; else at a pair, which gives the expected values of both parts.
// (protocol/blobs.md, sections 5 and 6.)
//
// Thread: one owner. Value type.
// Memory: a stack of at most one waiting subtree per level of the tree, under 4 KiB; the selection.
// Errors: Accept... return false if the hash does not fit; the walk then stays where it is.
#pragma once

#include <cstdint>
#include <vector>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "wire/chunk_ranges.h"

namespace blobd::bao {

class TreeWalk {
 public:
  // REQUIRES: size <= kMaxBlobSize
  TreeWalk(const Hash& root, uint64_t size, const wire::ChunkRanges& wanted);

  bool done() const { return stack_.empty(); }
  uint64_t size() const { return size_; }
  uint64_t chunk_count() const { return chunk_count_; }

  // Where the walk stands. REQUIRES of all until the end of the class: !done()
  const Subtree& subtree() const { return stack_.back().subtree; }
  bool at_leaf() const { return at_leaf_; }
  uint64_t offset() const { return subtree().begin * kChunkSize; }
  // Bytes of the pair or leaf. Only the leaf of the empty blob has none.
  size_t length() const;
  // The subtree is all of a group, which the last one of the blob is even if it is short.
  bool is_whole_group() const;
  bool has_last_chunk() const { return subtree().end == chunk_count_; }

  // Moves on if `pair` belongs to the subtree. REQUIRES: !at_leaf(), pair.size() == kPairSize
  bool AcceptPair(ByteView pair);
  // Moves on if `data` is that of the subtree. REQUIRES: at_leaf(), data.size() == length()
  bool AcceptLeaf(ByteView data);

 private:
  struct Waiting {
    Subtree subtree;
    ChainingValue expected{};
  };

  bool is_root() const { return subtree().chunks() == chunk_count_; }
  void Push(const Subtree& subtree, const ChainingValue& expected);
  void Settle();

  uint64_t size_;
  uint64_t chunk_count_;
  RangeSet selected_;
  std::vector<Waiting>
      stack_;  // the top is where the walk stands; every subtree has selected chunks
  bool at_leaf_ = false;
};

}  // namespace blobd::bao
