#include "bao/encoder.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::bao {
namespace {

void WriteLittleEndian(uint64_t value, MutableBytes out) {
  for (uint8_t& byte : out) {
    byte = static_cast<uint8_t>(value);
    value >>= 8;
  }
}

}  // namespace

Encoder::Encoder(const Hash& root, uint64_t size, const wire::ChunkRanges& wanted,
                 BlobSource& source)
    : source_(source) {
  if (wanted.empty()) {
    header_sent_ = true;
  } else {
    walk_.emplace(root, size, wanted);
  }
}

StatusOr<size_t> Encoder::Fill(MutableBytes out) {
  BLOBD_CHECK(!out.empty());
  size_t filled = 0;
  while (filled < out.size()) {
    const MutableBytes room = out.subspan(filled);
    if (const ByteView rest = pending(); !rest.empty()) {
      const size_t count = std::min(rest.size(), room.size());
      std::copy_n(rest.begin(), count, room.begin());
      pending_sent_ += count;
      filled += count;
      continue;
    }
    if (!walk_ || !status_.ok()) break;
    const size_t length = ItemLength();
    if (length <= room.size()) {
      status_ = MakeItem(room.first(length));
      if (status_.ok()) filled += length;
    } else {
      pending_.resize(length);
      status_ = MakeItem(pending_);
      if (!status_.ok()) pending_.clear();
      pending_sent_ = 0;
    }
  }
  if (filled == 0 && !status_.ok()) return status_;
  return filled;
}

size_t Encoder::ItemLength() const { return header_sent_ ? walk_->length() : kSizeHeaderSize; }

Status Encoder::MakeItem(MutableBytes out) {
  if (!header_sent_) {
    WriteLittleEndian(walk_->size(), out);
    header_sent_ = true;
    return OkStatus();
  }
  BLOBD_RETURN_IF_ERROR(walk_->at_leaf() ? MakeLeaf(out) : MakePair(out));
  if (walk_->done()) walk_.reset();
  return OkStatus();
}

Status Encoder::MakePair(MutableBytes out) {
  const Subtree subtree = walk_->subtree();
  if (subtree.has_outboard_pair()) {
    std::array<uint8_t, kPairSize> pair;
    BLOBD_RETURN_IF_ERROR(source_.ReadPair(subtree.pair_index, &pair));
    std::copy(pair.begin(), pair.end(), out.begin());
  } else {
    BLOBD_RETURN_IF_ERROR(LoadGroup(subtree.group()));
    const Subtree left = subtree.Left();
    const Subtree right = subtree.Right();
    const ChainingValue left_value = blake3::SubtreeValue(GroupData(left), left.begin, false);
    const ChainingValue right_value = blake3::SubtreeValue(GroupData(right), right.begin, false);
    std::copy(left_value.begin(), left_value.end(), out.begin());
    std::copy(right_value.begin(), right_value.end(), out.begin() + left_value.size());
  }
  if (walk_->AcceptPair(out)) return OkStatus();
  return DataLoss("the pair above chunks {}..{} does not fit the root", subtree.begin, subtree.end);
}

Status Encoder::MakeLeaf(MutableBytes out) {
  const Subtree subtree = walk_->subtree();
  if (group_ == subtree.group()) {
    const ByteView data = GroupData(subtree);
    std::copy(data.begin(), data.end(), out.begin());
  } else if (!out.empty()) {
    BLOBD_RETURN_IF_ERROR(source_.ReadData(walk_->offset(), out));
  }
  if (walk_->AcceptLeaf(out)) return OkStatus();
  return DataLoss("the data of chunks {}..{} does not fit the root", subtree.begin, subtree.end);
}

Status Encoder::LoadGroup(uint64_t group) {
  if (group_ == group) return OkStatus();
  group_.reset();
  const uint64_t offset = group * kGroupSize;
  group_data_.resize(static_cast<size_t>(std::min<uint64_t>(kGroupSize, walk_->size() - offset)));
  BLOBD_RETURN_IF_ERROR(source_.ReadData(offset, group_data_));
  group_ = group;
  return OkStatus();
}

ByteView Encoder::GroupData(const Subtree& subtree) const {
  const size_t begin = static_cast<size_t>(subtree.begin % kGroupChunks) * kChunkSize;
  const size_t length = static_cast<size_t>(subtree.chunks()) * kChunkSize;
  return ByteView(group_data_).subspan(begin, std::min(length, group_data_.size() - begin));
}

}  // namespace blobd::bao
