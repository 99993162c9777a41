#include "bao/outboard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "base/check.h"

namespace blobd::bao {
namespace {

// A block is a whole subtree, so that its pairs follow each other in the outboard.
constexpr size_t kBlockGroups = 4096;
constexpr int kBlockLevel = std::bit_width(kBlockGroups) - 2;  // as in PairIndex
static_assert((kBlockGroups - 1) * kPairSize <= kMaxOutboardPiece);

using Values = std::vector<ChainingValue>;

Values NextLevel(const Values& level) {
  Values parents((level.size() + 1) / 2);
  blake3::ParentValues(level, parents);
  return parents;
}

ChainingValue TopValue(Values level) {
  while (level.size() > 1) level = NextLevel(level);
  return level.front();
}

void CopyPair(const ChainingValue& left, const ChainingValue& right, MutableBytes out) {
  std::copy(left.begin(), left.end(), out.begin());
  std::copy(right.begin(), right.end(), out.begin() + static_cast<ptrdiff_t>(left.size()));
}

// The outboard of a subtree by itself.
Bytes PairsAbove(const Values& groups) {
  Bytes pairs((groups.size() - 1) * kPairSize);
  Values values = groups;
  for (int level = 0; values.size() > 1; ++level) {
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      const uint64_t index = PairIndex(uint64_t{i} << level, level, groups.size());
      CopyPair(values[i], values[i + 1],
               MutableBytes(pairs).subspan(static_cast<size_t>(index) * kPairSize, kPairSize));
    }
    values = NextLevel(values);
  }
  return pairs;
}

Hash RootOf(ByteView first_pair) {
  ChainingValue left;
  ChainingValue right;
  std::copy_n(first_pair.begin(), left.size(), left.begin());
  std::copy_n(first_pair.begin() + static_cast<ptrdiff_t>(left.size()), right.size(),
              right.begin());
  return Hash{blake3::ParentValue(left, right, true)};
}

}  // namespace

void OutboardBuilder::Expect(uint64_t size, Emit emit) {
  BLOBD_CHECK(size_ == 0 && size <= kMaxBlobSize);
  expected_ = size;
  emit_ = std::move(emit);
}

void OutboardBuilder::Append(ByteView content) {
  BLOBD_CHECK(content.size() <= expected_.value_or(kMaxBlobSize) - size_);
  size_ += content.size();
  if (!part_.empty()) {
    const size_t count = std::min(content.size(), kGroupSize - part_.size());
    part_.insert(part_.end(), content.begin(), content.begin() + static_cast<ptrdiff_t>(count));
    content = content.subspan(count);
    if (part_.size() < kGroupSize) return;
    AddGroups(part_);
    part_.clear();
  }
  const size_t whole = content.size() - content.size() % kGroupSize;
  AddGroups(content.first(whole));
  part_.insert(part_.end(), content.begin() + static_cast<ptrdiff_t>(whole), content.end());
}

OutboardBuilder::Values& OutboardBuilder::BlockWithRoom() {
  if (blocks_.empty() || blocks_.back().size() == kBlockGroups) {
    // The first block grows as needed, since most blobs are small.
    const bool is_first = blocks_.empty() && tops_.empty();
    blocks_.emplace_back();
    if (!is_first) blocks_.back().reserve(kBlockGroups);
  }
  return blocks_.back();
}

void OutboardBuilder::AddGroups(ByteView whole_groups) {
  if (whole_groups.empty()) return;
  if (blocks_.empty() && tops_.empty()) {
    first_group_as_root_ = blake3::SubtreeValue(whole_groups.first(kGroupSize), 0, true);
  }
  while (!whole_groups.empty()) {
    Values& block = BlockWithRoom();
    const uint64_t number = tops_.size() + blocks_.size() - 1;
    const uint64_t first_group = number * kBlockGroups + block.size();
    const size_t count = std::min(whole_groups.size() / kGroupSize, kBlockGroups - block.size());
    const size_t before = block.size();
    block.resize(before + count);
    blake3::GroupValues(whole_groups.first(count * kGroupSize), first_group,
                        std::span(block).subspan(before));
    whole_groups = whole_groups.subspan(count * kGroupSize);
    // One that is all of the blob has its root, and is for Finish.
    if (expected_ && block.size() == kBlockGroups && *expected_ > kBlockGroups * kGroupSize) {
      GiveOut(block);
      blocks_.pop_back();
    }
  }
}

void OutboardBuilder::GiveOut(const Values& block) {
  const uint64_t first_group = tops_.size() * kBlockGroups;
  emit_(PairIndex(first_group, kBlockLevel, GroupCount(*expected_)) * kPairSize, PairsAbove(block));
  tops_.push_back(TopValue(block));
}

// In the order of the outboard, without what was given out. REQUIRES: more than one group
Hash OutboardBuilder::GiveOutRest(Emit& emit) {
  const size_t given_out = tops_.size();
  // levels[k][i] is the value of the subtree over the blocks from i * 2^k on; the top has one
  // value.
  std::vector<Values> levels = {std::move(tops_)};
  for (const Values& block : blocks_) levels[0].push_back(TopValue(block));
  while (levels.back().size() > 1) levels.push_back(NextLevel(levels.back()));

  Hash root;
  uint64_t offset = 0;
  const auto give_out = [&](ByteView pairs) {
    if (pairs.empty()) return;
    if (offset == 0) root = RootOf(pairs.first(kPairSize));
    emit(offset, pairs);
    offset += pairs.size();
  };
  struct Place {
    size_t level;
    size_t index;
  };
  std::vector<Place> stack = {{levels.size() - 1, 0}};
  while (!stack.empty()) {
    const Place here = stack.back();
    stack.pop_back();
    if (here.level == 0) {
      if (here.index < given_out) {
        offset += (kBlockGroups - 1) * kPairSize;
      } else {
        give_out(PairsAbove(blocks_[here.index - given_out]));
      }
      continue;
    }
    const Values& below = levels[here.level - 1];
    const size_t left = 2 * here.index;
    if (left + 1 < below.size()) {
      std::array<uint8_t, kPairSize> pair;
      CopyPair(below[left], below[left + 1], pair);
      give_out(pair);
      stack.push_back({here.level - 1, left + 1});
    }
    stack.push_back({here.level - 1, left});
  }
  return root;
}

OutboardBuilder::Result OutboardBuilder::Finish() {
  BLOBD_CHECK(size_ == expected_);
  Emit emit = std::move(emit_);
  return Finish(std::move(emit));
}

OutboardBuilder::Result OutboardBuilder::Finish(Emit emit) {
  if (blocks_.empty() && tops_.empty()) return {Hash{blake3::SubtreeValue(part_, 0, true)}, size_};
  if (size_ == kGroupSize) return {Hash{first_group_as_root_}, size_};
  if (!part_.empty()) {
    const uint64_t first_chunk = (size_ - part_.size()) / kChunkSize;
    BlockWithRoom().push_back(blake3::SubtreeValue(part_, first_chunk, false));
    part_.clear();
  }
  return {GiveOutRest(emit), size_};
}

OutboardBuilder::Result OutboardBuilder::Finish(Bytes* outboard) {
  outboard->reserve(outboard->size() + static_cast<size_t>(OutboardSize(size_)));
  return Finish([outboard](uint64_t, ByteView piece) {
    outboard->insert(outboard->end(), piece.begin(), piece.end());
  });
}

}  // namespace blobd::bao
