#include "bao/tree_walk.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::bao {

TreeWalk::TreeWalk(const Hash& root, uint64_t size, const wire::ChunkRanges& wanted)
    : size_(size), chunk_count_(ChunkCount(size)), selected_(wanted.Within(ChunkCount(size))) {
  stack_.reserve(kMaxDepth + 1);
  Push(Subtree::Root(chunk_count_), root.bytes);
  Settle();
}

void TreeWalk::Push(const Subtree& subtree, const ChainingValue& expected) {
  if (!selected_.Intersects({subtree.begin, subtree.end})) return;
  BLOBD_CHECK(stack_.size() <= kMaxDepth);
  stack_.push_back({subtree, expected});
}

void TreeWalk::Settle() {
  if (done()) return;
  const Subtree& here = subtree();
  at_leaf_ = here.chunks() == 1 ||
             (here.chunks() <= kGroupChunks && selected_.ContainsAll({here.begin, here.end}));
}

size_t TreeWalk::length() const {
  if (!at_leaf_) return kPairSize;
  return static_cast<size_t>(std::min(size_ - offset(), subtree().chunks() * kChunkSize));
}

bool TreeWalk::is_whole_group() const {
  const Subtree& here = subtree();
  return here.begin % kGroupChunks == 0 && here.chunks() <= kGroupChunks &&
         (here.chunks() == kGroupChunks || here.end == chunk_count_);
}

bool TreeWalk::AcceptPair(ByteView pair) {
  BLOBD_CHECK(!at_leaf_ && pair.size() == kPairSize);
  ChainingValue left;
  ChainingValue right;
  std::copy_n(pair.begin(), left.size(), left.begin());
  std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
  if (blake3::ParentValue(left, right, is_root()) != stack_.back().expected) return false;
  const Subtree parent = subtree();
  stack_.pop_back();
  Push(parent.Right(), right);
  Push(parent.Left(), left);
  Settle();
  return true;
}

bool TreeWalk::AcceptLeaf(ByteView data) {
  BLOBD_CHECK(at_leaf_ && data.size() == length());
  if (blake3::SubtreeValue(data, subtree().begin, is_root()) != stack_.back().expected)
    return false;
  stack_.pop_back();
  Settle();
  return true;
}

}  // namespace blobd::bao
