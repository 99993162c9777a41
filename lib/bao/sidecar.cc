#include "bao/sidecar.h"

#include <algorithm>

namespace blobd::bao {

SidecarReader::SidecarReader(const Hash& root, uint64_t size) {
  const Subtree top = Subtree::Root(ChunkCount(size));
  if (top.has_outboard_pair()) stack_.push_back({top, root.bytes, true});
}

bool SidecarReader::Feed(ByteView bytes, PairSink& sink) {
  while (!bytes.empty() && !failed_) {
    if (stack_.empty()) {
      failed_ = true;  // longer than it can be
      break;
    }
    if (part_size_ == 0 && bytes.size() >= kPairSize) {
      failed_ = !TakePair(bytes.first(kPairSize), sink);
      bytes = bytes.subspan(kPairSize);
      continue;
    }
    const size_t count = std::min<size_t>(bytes.size(), kPairSize - part_size_);
    std::copy_n(bytes.begin(), count, part_.begin() + static_cast<ptrdiff_t>(part_size_));
    part_size_ += count;
    bytes = bytes.subspan(count);
    if (part_size_ < kPairSize) break;
    part_size_ = 0;
    failed_ = !TakePair(part_, sink);
  }
  return !failed_;
}

bool SidecarReader::TakePair(ByteView pair, PairSink& sink) {
  const Waiting here = stack_.back();
  ChainingValue left;
  ChainingValue right;
  std::copy_n(pair.begin(), left.size(), left.begin());
  std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
  if (blake3::ParentValue(left, right, here.is_root) != here.expected) return false;
  stack_.pop_back();
  const Subtree left_part = here.subtree.Left();
  const Subtree right_part = here.subtree.Right();
  if (right_part.has_outboard_pair()) stack_.push_back({right_part, right, false});
  if (left_part.has_outboard_pair()) stack_.push_back({left_part, left, false});
  sink.OnPair(here.subtree, pair);
  return true;
}

}  // namespace blobd::bao
