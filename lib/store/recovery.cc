#include "store/recovery.h"

#include <algorithm>
#include <array>
#include <vector>

#include "bao/tree.h"
#include "blake3/chaining_value.h"
#include "store/bad_blocks.h"
#include "store/pair_builder.h"

namespace blobd::store {
namespace {

struct Node {
  bao::Subtree subtree;
  bao::ChainingValue expected{};
};

Range GroupsOf(const bao::Subtree& subtree) {
  return {subtree.begin / bao::kGroupChunks,
          (subtree.end + bao::kGroupChunks - 1) / bao::kGroupChunks};
}

// Groups that hold at least one byte.
StatusOr<RangeSet> GroupsWithData(File& data, uint64_t size) {
  RangeSet groups;
  uint64_t offset = 0;
  while (offset < size) {
    BLOBD_ASSIGN_OR_RETURN(const std::optional<Range> extent, data.NextExtent(offset));
    if (!extent || extent->begin >= size) break;
    const uint64_t end = std::min(extent->end, size);
    groups.Insert({extent->begin / bao::kGroupSize, (end + bao::kGroupSize - 1) / bao::kGroupSize});
    if (extent->end <= offset) break;
    offset = extent->end;
  }
  return groups;
}

// Whether the disk reads the file's first byte, or its last.
bool ReadsAtAll(File& file) {
  const StatusOr<uint64_t> size = file.Size();
  if (!size.ok() || *size == 0) return false;
  std::array<uint8_t, 1> byte;
  return file.ReadAt(0, byte).ok() || file.ReadAt(*size - 1, byte).ok();
}

class Walk {
 public:
  Walk(const Hash& hash, uint64_t size, RangeSet doubtful, File& data, File& outboard)
      : size_(size), doubtful_(std::move(doubtful)), data_(data), outboard_(outboard) {
    waiting_.push_back({bao::Subtree::Root(bao::ChunkCount(size)), hash.bytes});
  }

  // Pairs above `whole` groups are written anew where they do not fit and the data does.
  void MendAbove(const RangeSet& whole) { whole_ = &whole; }
  // Writes what fits once more.
  void WriteAgain() { writes_again_ = true; }

  StatusOr<RangeSet> Run() {
    while (!waiting_.empty()) {
      const Node node = waiting_.back();
      waiting_.pop_back();
      if (!doubtful_.Intersects(GroupsOf(node.subtree))) continue;
      BLOBD_RETURN_IF_ERROR(node.subtree.has_outboard_pair() ? VisitPair(node) : VisitGroup(node));
    }
    return found_;
  }

 private:
  bool IsRoot(const bao::Subtree& subtree) const {
    return subtree.chunks() == bao::ChunkCount(size_);
  }

  // Fills `out`. False if the file has less, or has it in a bad sector. Of a disk that reads
  // nothing any more nothing is known.
  StatusOr<bool> Read(File& file, uint64_t offset, MutableBytes out) const {
    const StatusOr<size_t> count = file.ReadAt(offset, out);
    if (count.ok()) return *count == out.size();
    if (count.status().code() != StatusCode::kDataLoss) return count.status();
    if (ReadsAtAll(data_) || ReadsAtAll(outboard_)) return false;
    return Unavailable("{}, nor anything else of the blob", Message(count.status()));
  }

  Status WriteAgain(File& file, uint64_t offset, ByteView bytes) const {
    return writes_again_ ? file.WriteAt(offset, {&bytes, 1}) : OkStatus();
  }

  // Below a pair that does not fit, nothing can be believed.
  Status VisitPair(const Node& node) {
    std::array<uint8_t, bao::kPairSize> pair;
    BLOBD_ASSIGN_OR_RETURN(const bool is_there,
                           Read(outboard_, node.subtree.pair_index * bao::kPairSize, pair));
    if (!is_there) {
      if (whole_ != nullptr) BLOBD_RETURN_IF_ERROR(LeaveBadBlocks(node.subtree));
      return Mend(node);
    }
    bao::ChainingValue left;
    bao::ChainingValue right;
    std::copy_n(pair.begin(), left.size(), left.begin());
    std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
    if (blake3::ParentValue(left, right, IsRoot(node.subtree)) != node.expected) return Mend(node);
    BLOBD_RETURN_IF_ERROR(WriteAgain(outboard_, node.subtree.pair_index * bao::kPairSize, pair));
    waiting_.push_back({node.subtree.Right(), right});
    waiting_.push_back({node.subtree.Left(), left});
    return OkStatus();
  }

  // A bad one is hardly alone, and whoever brings this part anew writes its pairs in runs of any
  // length. What else was in such a block is lost already.
  Status LeaveBadBlocks(const bao::Subtree& subtree) {
    const uint64_t first = subtree.pair_index * bao::kPairSize;
    return DiscardBadBlocks(outboard_, {first, first + subtree.pair_count() * bao::kPairSize});
  }

  Status Mend(const Node& node) {
    const Range groups = GroupsOf(node.subtree);
    if (whole_ == nullptr || !whole_->ContainsAll(groups)) return OkStatus();
    BLOBD_ASSIGN_OR_RETURN(const bool is_mended,
                           PairBuilder(data_, size_).Mend(node.subtree, node.expected, outboard_));
    if (is_mended) found_.InsertAll(doubtful_.Intersection(groups));
    return OkStatus();
  }

  Status VisitGroup(const Node& node) {
    const uint64_t begin = node.subtree.begin * bao::kChunkSize;
    const uint64_t end = std::min(size_, node.subtree.end * bao::kChunkSize);
    const MutableBytes bytes(buffer_.data(), end - begin);
    BLOBD_ASSIGN_OR_RETURN(const bool is_there, Read(data_, begin, bytes));
    if (!is_there) return OkStatus();
    if (blake3::SubtreeValue(bytes, node.subtree.begin, IsRoot(node.subtree)) != node.expected)
      return OkStatus();
    BLOBD_RETURN_IF_ERROR(WriteAgain(data_, begin, bytes));
    found_.Insert(GroupsOf(node.subtree));
    return OkStatus();
  }

  const uint64_t size_;
  const RangeSet doubtful_;
  File& data_;
  File& outboard_;
  std::vector<Node> waiting_;  // at most two per level of the tree
  RangeSet found_;
  const RangeSet* whole_ = nullptr;
  bool writes_again_ = false;
  std::array<uint8_t, bao::kGroupSize> buffer_;
};

}  // namespace

StatusOr<RangeSet> FittingGroups(const Hash& hash, uint64_t size, RangeSet groups, File& data,
                                 File& outboard) {
  return Walk(hash, size, std::move(groups), data, outboard).Run();
}

StatusOr<RangeSet> MendGroups(const Hash& hash, uint64_t size, RangeSet groups,
                              const RangeSet& whole, File& data, File& outboard) {
  Walk walk(hash, size, std::move(groups), data, outboard);
  walk.MendAbove(whole);
  BLOBD_ASSIGN_OR_RETURN(RangeSet found, walk.Run());
  BLOBD_RETURN_IF_ERROR(outboard.Sync());
  return found;
}

StatusOr<RangeSet> WriteAgain(const Hash& hash, uint64_t size, RangeSet groups, File& data,
                              File& outboard) {
  Walk walk(hash, size, std::move(groups), data, outboard);
  walk.WriteAgain();
  return walk.Run();
}

StatusOr<RecoveredGroups> RecoverGroups(const Hash& hash, uint64_t size, const RangeSet& known,
                                        File& data, File& outboard) {
  BLOBD_ASSIGN_OR_RETURN(RangeSet doubtful, GroupsWithData(data, size));
  doubtful.RemoveAll(known);
  if (doubtful.empty()) return RecoveredGroups();
  BLOBD_ASSIGN_OR_RETURN(RangeSet groups,
                         WriteAgain(hash, size, std::move(doubtful), data, outboard));
  const bool has_last = groups.Contains(bao::GroupCount(size) - 1);
  return RecoveredGroups{std::move(groups), has_last};
}

StatusOr<bool> MendOutboard(const Hash& hash, uint64_t size, File& data, File& outboard) {
  BLOBD_ASSIGN_OR_RETURN(const uint64_t file_size, data.Size());
  if (file_size != size) return false;
  return PairBuilder(data, size)
      .Mend(bao::Subtree::Root(bao::ChunkCount(size)), hash.bytes, outboard);
}

}  // namespace blobd::store
