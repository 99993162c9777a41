#include "bao/proven_values.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::bao {
namespace {
constexpr uint64_t kLeastBlockGroups = 64;
}  // namespace

uint64_t BlockGroups(uint64_t size) {
  uint64_t groups = kLeastBlockGroups;
  while ((GroupCount(size) + groups - 1) / groups > kMaxBlocks) groups *= 2;
  return groups;
}

ProvenValues::ProvenValues(const Hash& root, uint64_t size)
    : root_(root), size_(size), groups_(GroupCount(size)), block_groups_(BlockGroups(size)) {}

Range ProvenValues::GroupsOf(uint64_t block) const {
  return {block * block_groups_, std::min(groups_, (block + 1) * block_groups_)};
}

Range ProvenValues::GroupsOf(const Subtree& subtree) {
  return {subtree.begin / kGroupChunks, (subtree.end + kGroupChunks - 1) / kGroupChunks};
}

const ChainingValue* ProvenValues::ValueOf(const Subtree& subtree) const {
  if (subtree == root()) return &root_.bytes;
  const auto found = values_.find({subtree.begin, subtree.end});
  return found == values_.end() ? nullptr : &found->second;
}

ProvenValues::Fit ProvenValues::AddPair(const Subtree& subtree, ByteView pair) {
  BLOBD_CHECK(pair.size() == kPairSize);
  if (is_block(subtree)) return Fit::kUnknown;
  const ChainingValue* expected = ValueOf(subtree);
  if (expected == nullptr) return Fit::kUnknown;
  ChainingValue left;
  ChainingValue right;
  std::copy_n(pair.begin(), left.size(), left.begin());
  std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
  if (blake3::ParentValue(left, right, subtree == root()) != *expected) return Fit::kWrong;
  const Subtree left_part = subtree.Left();
  const Subtree right_part = subtree.Right();
  values_[{left_part.begin, left_part.end}] = left;
  values_[{right_part.begin, right_part.end}] = right;
  return Fit::kFits;
}

Subtree ProvenValues::SubtreeOf(uint64_t index) const {
  BLOBD_CHECK(index < groups_ - 1);
  Subtree here = root();
  while (here.pair_index != index) {
    const Subtree right = here.Right();
    here = index < right.pair_index ? here.Left() : right;
  }
  return here;
}

Subtree ProvenValues::ProvenAround(uint64_t block) const {
  const uint64_t chunk = block * block_groups_ * kGroupChunks;
  Subtree here = root();
  Subtree proven = here;
  while (!is_block(here)) {
    const Subtree right = here.Right();
    here = chunk < right.begin ? here.Left() : right;
    // Children become proven together with their sibling, hence from the top without a gap.
    if (ValueOf(here) == nullptr) break;
    proven = here;
  }
  return proven;
}

bool ProvenValues::Fits(const Subtree& subtree, const ChainingValue& value) const {
  const ChainingValue* expected = ValueOf(subtree);
  BLOBD_CHECK(expected != nullptr);
  return *expected == value;
}

}  // namespace blobd::bao
