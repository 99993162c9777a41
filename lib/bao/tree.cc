#include "bao/tree.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace blobd::bao {
namespace {

uint64_t DivideRoundingUp(uint64_t size, uint64_t unit) {
  BLOBD_CHECK(size <= kMaxBlobSize);
  return std::max<uint64_t>(1, size / unit + (size % unit != 0 ? 1 : 0));
}

// The largest power of two less than `chunks`.
uint64_t LeftChunks(uint64_t chunks) {
  BLOBD_CHECK(chunks > 1);
  return std::bit_floor(chunks - 1);
}

}  // namespace

uint64_t ChunkCount(uint64_t size) { return DivideRoundingUp(size, kChunkSize); }
uint64_t GroupCount(uint64_t size) { return DivideRoundingUp(size, kGroupSize); }
uint64_t OutboardSize(uint64_t size) { return (GroupCount(size) - 1) * kPairSize; }
uint64_t WholeResponseSize(uint64_t size) { return kSizeHeaderSize + OutboardSize(size) + size; }

Subtree Subtree::Left() const { return {begin, begin + LeftChunks(chunks()), pair_index + 1}; }

Subtree Subtree::Right() const {
  const uint64_t left = LeftChunks(chunks());
  // The left part has one pair less than it has groups, and this subtree's own pair is before them.
  const uint64_t left_groups = std::max<uint64_t>(1, left / kGroupChunks);
  return {begin + left, end, pair_index + left_groups};
}

uint64_t PairIndex(uint64_t first_group, int level, uint64_t group_count) {
  BLOBD_CHECK(first_group + (uint64_t{1} << level) < group_count);
  // On the way down, a step to the right passes as many pairs as it passes groups, hence
  // first_group in all; a step to the left passes one, that of the subtree it leaves.
  uint64_t steps_left = 0;
  for (uint64_t left = uint64_t{2} << level; left < group_count; left *= 2) {
    const uint64_t start = first_group & ~(2 * left - 1);
    const bool in_left_part = (first_group & left) == 0;
    if (in_left_part && start + left < group_count) ++steps_left;
  }
  return first_group + steps_left;
}

}  // namespace blobd::bao
