#include "store/recovery.h"

#include <algorithm>
#include <array>
#include <vector>

#include "bao/outboard.h"
#include "bao/tree.h"
#include "base/units.h"
#include "blake3/chaining_value.h"

namespace blobd::store {
namespace {

constexpr uint64_t kMaxMended = 64 * kGiB;
constexpr size_t kPiece = 256 * kKiB;

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

class Walk {
 public:
  Walk(const Hash& hash, uint64_t size, RangeSet doubtful, File& data, File& outboard)
      : size_(size), doubtful_(std::move(doubtful)), data_(data), outboard_(outboard) {
    waiting_.push_back({bao::Subtree::Root(bao::ChunkCount(size)), hash.bytes});
  }

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

  // Below a pair that does not fit, nothing can be believed.
  Status VisitPair(const Node& node) {
    std::array<uint8_t, bao::kPairSize> pair;
    BLOBD_ASSIGN_OR_RETURN(const size_t count,
                           outboard_.ReadAt(node.subtree.pair_index * bao::kPairSize, pair));
    if (count != pair.size()) return OkStatus();
    bao::ChainingValue left;
    bao::ChainingValue right;
    std::copy_n(pair.begin(), left.size(), left.begin());
    std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
    if (blake3::ParentValue(left, right, IsRoot(node.subtree)) != node.expected) return OkStatus();
    waiting_.push_back({node.subtree.Right(), right});
    waiting_.push_back({node.subtree.Left(), left});
    return OkStatus();
  }

  Status VisitGroup(const Node& node) {
    const uint64_t begin = node.subtree.begin * bao::kChunkSize;
    const uint64_t end = std::min(size_, node.subtree.end * bao::kChunkSize);
    const MutableBytes bytes(buffer_.data(), end - begin);
    BLOBD_ASSIGN_OR_RETURN(const size_t count, data_.ReadAt(begin, bytes));
    if (count != bytes.size()) return OkStatus();
    if (blake3::SubtreeValue(bytes, node.subtree.begin, IsRoot(node.subtree)) != node.expected)
      return OkStatus();
    found_.Insert(GroupsOf(node.subtree));
    return OkStatus();
  }

  const uint64_t size_;
  const RangeSet doubtful_;
  File& data_;
  File& outboard_;
  std::vector<Node> waiting_;  // at most two per level of the tree
  RangeSet found_;
  std::array<uint8_t, bao::kGroupSize> buffer_;
};

}  // namespace

StatusOr<RangeSet> FittingGroups(const Hash& hash, uint64_t size, RangeSet groups, File& data,
                                 File& outboard) {
  return Walk(hash, size, std::move(groups), data, outboard).Run();
}

StatusOr<RecoveredGroups> RecoverGroups(const Hash& hash, uint64_t size, const RangeSet& known,
                                        File& data, File& outboard) {
  BLOBD_ASSIGN_OR_RETURN(RangeSet doubtful, GroupsWithData(data, size));
  doubtful.RemoveAll(known);
  if (doubtful.empty()) return RecoveredGroups();
  BLOBD_ASSIGN_OR_RETURN(RangeSet groups,
                         FittingGroups(hash, size, std::move(doubtful), data, outboard));
  const bool has_last = groups.Contains(bao::GroupCount(size) - 1);
  return RecoveredGroups{std::move(groups), has_last};
}

StatusOr<bool> MendOutboard(const Hash& hash, File& data, File& outboard) {
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, data.Size());
  if (size > kMaxMended) return false;
  bao::OutboardBuilder builder;
  Bytes piece(kPiece);
  while (builder.size() < size) {
    BLOBD_ASSIGN_OR_RETURN(const size_t count, data.ReadAt(builder.size(), piece));
    if (count == 0) return false;
    builder.Append(ByteView(piece).first(count));
  }
  Bytes mended;
  if (builder.Finish(&mended).root != hash) return false;
  const ByteView part = mended;
  BLOBD_RETURN_IF_ERROR(outboard.WriteAt(0, {&part, 1}));
  return true;
}

}  // namespace blobd::store
