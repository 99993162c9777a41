// ProvenValues: what is proven of a blob's tree, down to blocks: the values of subtrees that are
// chained to its hash by pairs, from whomever these came.
//
// A block is a subtree of a power of two of chunk groups (the last one may be smaller), chosen such
// that a blob has at most kMaxBlocks: 1 MiB up to 64 GiB, and larger for larger blobs. Values below
// blocks are not kept; so the memory is bounded, about 10 MiB for the largest blob.
//
// Thread: one owner. Value type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"

namespace blobd::bao {

inline constexpr uint64_t kMaxBlocks = 65536;

// Groups of a block in a blob of this size; a power of two, at least 64.
uint64_t BlockGroups(uint64_t size);

class ProvenValues {
 public:
  enum class Fit {
    kFits,     // it is proven now
    kWrong,    // it is no pair of this blob, or not at this place
    kUnknown,  // nothing is known above it; or it is below blocks, and not wanted
  };

  // REQUIRES: size <= kMaxBlobSize
  ProvenValues(const Hash& root, uint64_t size);

  uint64_t size() const { return size_; }
  uint64_t groups() const { return groups_; }
  uint64_t block_groups() const { return block_groups_; }
  uint64_t blocks() const { return (groups_ + block_groups_ - 1) / block_groups_; }
  // The groups of a block, or of a subtree.
  Range GroupsOf(uint64_t block) const;
  static Range GroupsOf(const Subtree& subtree);
  Subtree root() const { return Subtree::Root(ChunkCount(size_)); }
  bool is_block(const Subtree& subtree) const {
    return subtree.chunks() <= block_groups_ * kGroupChunks;
  }

  Fit AddPair(const Subtree& subtree, ByteView pair);
  // The subtree of a pair by its index in the outboard, as a Decoder gives it.
  // REQUIRES: an index of this outboard
  Subtree SubtreeOf(uint64_t index) const;

  // The smallest subtree around `block` of which the value is proven; the root always is.
  Subtree ProvenAround(uint64_t block) const;
  // Whether `value` is the proven one. REQUIRES: subtree is ProvenAround something
  bool Fits(const Subtree& subtree, const ChainingValue& value) const;

 private:
  using Key = std::pair<uint64_t, uint64_t>;  // begin and end in chunks

  const ChainingValue* ValueOf(const Subtree& subtree) const;

  Hash root_;
  uint64_t size_;
  uint64_t groups_;
  uint64_t block_groups_;
  std::map<Key, ChainingValue> values_;  // without the root, of which the hash is known
};

}  // namespace blobd::bao
