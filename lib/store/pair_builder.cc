#include "store/pair_builder.h"

#include <algorithm>
#include <array>

#include "base/units.h"
#include "blake3/chaining_value.h"

namespace blobd::store {
namespace {

constexpr uint64_t kPiece = 256 * kKiB;
// The pairs of a subtree stand one behind the other: those of one of this size are written at once.
constexpr uint64_t kBatchChunks = 4096 * bao::kGroupChunks;

void PutPair(const bao::ChainingValue& left, const bao::ChainingValue& right, MutableBytes pair) {
  std::copy(right.begin(), right.end(), std::copy(left.begin(), left.end(), pair.begin()));
}

}  // namespace

PairBuilder::PairBuilder(File& data, uint64_t size) : data_(data), size_(size) {}

StatusOr<bool> PairBuilder::Mend(const bao::Subtree& subtree, const bao::ChainingValue& expected,
                                 File& outboard) {
  const StatusOr<bao::ChainingValue> value = Value(subtree, nullptr);
  if (value.status().code() == StatusCode::kDataLoss) return false;
  BLOBD_RETURN_IF_ERROR(value.status());
  if (*value != expected) return false;
  BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue again, Value(subtree, &outboard));
  return again == expected;
}

StatusOr<bao::ChainingValue> PairBuilder::Value(const bao::Subtree& subtree, File* outboard) {
  if (subtree.chunks() <= kBatchChunks) {
    Bytes pairs(subtree.pair_count() * bao::kPairSize);
    BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue value,
                           BatchValue(subtree, subtree.pair_index, pairs));
    const ByteView part = pairs;
    if (outboard != nullptr && !pairs.empty()) {
      BLOBD_RETURN_IF_ERROR(outboard->WriteAt(subtree.pair_index * bao::kPairSize, {&part, 1}));
    }
    return value;
  }
  BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue left, Value(subtree.Left(), outboard));
  BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue right, Value(subtree.Right(), outboard));
  if (outboard != nullptr) {
    std::array<uint8_t, bao::kPairSize> pair;
    PutPair(left, right, pair);
    const ByteView part = pair;
    BLOBD_RETURN_IF_ERROR(outboard->WriteAt(subtree.pair_index * bao::kPairSize, {&part, 1}));
  }
  return blake3::ParentValue(left, right, IsRoot(subtree));
}

// `pairs` begins with the pair of index `first_pair`.
StatusOr<bao::ChainingValue> PairBuilder::BatchValue(const bao::Subtree& subtree,
                                                     uint64_t first_pair, MutableBytes pairs) {
  if (!subtree.has_outboard_pair()) {
    BLOBD_ASSIGN_OR_RETURN(const ByteView data, Read(subtree));
    return blake3::SubtreeValue(data, subtree.begin, IsRoot(subtree));
  }
  BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue left,
                         BatchValue(subtree.Left(), first_pair, pairs));
  BLOBD_ASSIGN_OR_RETURN(const bao::ChainingValue right,
                         BatchValue(subtree.Right(), first_pair, pairs));
  PutPair(left, right,
          pairs.subspan((subtree.pair_index - first_pair) * bao::kPairSize, bao::kPairSize));
  return blake3::ParentValue(left, right, IsRoot(subtree));
}

// Groups come in order, so that what was read beyond one is what comes next.
StatusOr<ByteView> PairBuilder::Read(const bao::Subtree& group) {
  const uint64_t begin = group.begin * bao::kChunkSize;
  const uint64_t end = std::min(size_, group.end * bao::kChunkSize);
  if (begin < piece_begin_ || end > piece_begin_ + piece_.size()) {
    piece_.resize(std::min(kPiece, size_ - begin));
    piece_begin_ = begin;
    BLOBD_ASSIGN_OR_RETURN(const size_t count, data_.ReadAt(begin, piece_));
    piece_.resize(count);
    if (begin + count < end) return DataLoss("the file ends before byte {}", end);
  }
  return ByteView(piece_).subspan(begin - piece_begin_, end - begin);
}

bool PairBuilder::IsRoot(const bao::Subtree& subtree) const {
  return subtree.chunks() == bao::ChunkCount(size_);
}

}  // namespace blobd::store
