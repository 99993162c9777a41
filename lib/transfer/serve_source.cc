#include "transfer/serve_source.h"

#include <algorithm>
#include <utility>

#include "bao/tree_walk.h"
#include "base/check.h"

namespace blobd::transfer {
namespace {

using bao::Subtree;

// What is not verified is not held, whatever the reader calls it.
Status AsHeldOrNot(const Status& status) {
  if (status.code() != StatusCode::kOutOfRange) return status;
  return NotFound("not held: {}", Message(status));
}

// The groups beneath pair `index` of the outboard, which is in pre-order.
// REQUIRES: there is such a pair
Range GroupsBeneath(uint64_t index, uint64_t chunk_count) {
  Subtree node = Subtree::Root(chunk_count);
  while (node.pair_index != index) {
    const Subtree right = node.Right();
    node = right.has_outboard_pair() && right.pair_index <= index ? right : node.Left();
    BLOBD_CHECK(node.has_outboard_pair());
  }
  return {node.group(), (node.end + bao::kGroupChunks - 1) / bao::kGroupChunks};
}

}  // namespace

ServeSource::ServeSource(std::shared_ptr<store::BlobReader> reader)
    : reader_(std::move(reader)), hash_(info().hash), size_(info().size) {}

void ServeSource::Attach(std::shared_ptr<store::BlobReader> reader) {
  BLOBD_CHECK(reader->info().hash == hash_ && reader->info().size == size_);
  reader_ = std::move(reader);
}

Status ServeSource::ReadData(uint64_t offset, MutableBytes out) {
  const uint64_t group = offset / bao::kGroupSize;
  last_read_ = RangeSet(Range{group, group + 1});
  return AsHeldOrNot(reader_->ReadAt(offset, out));
}

Status ServeSource::ReadPair(uint64_t index, std::array<uint8_t, 64>* out) {
  const Range groups = GroupsBeneath(index, bao::ChunkCount(size_));
  last_read_ = RangeSet(groups);
  // With nothing verified beneath it, a pair may read as anything.
  if (!info().groups.Intersects(groups)) return NotFound("nothing beneath pair {} is held", index);
  return AsHeldOrNot(reader_->ReadPair(index, out));
}

StatusOr<Bytes> ServeSource::ReadGroup(uint64_t group) {
  const uint64_t first_chunk = group * bao::kGroupChunks;
  const RangeSet chunks(Range{first_chunk, first_chunk + bao::kGroupChunks});
  bao::TreeWalk walk(hash_, size_, chunks);
  while (!walk.at_leaf()) {
    std::array<uint8_t, bao::kPairSize> pair{};
    BLOBD_RETURN_IF_ERROR(ReadPair(walk.subtree().pair_index, &pair));
    if (!walk.AcceptPair(pair)) return DataLoss("a pair above group {} does not fit", group);
  }
  Bytes data(walk.length());
  BLOBD_RETURN_IF_ERROR(ReadData(walk.offset(), data));
  if (!walk.AcceptLeaf(data)) return DataLoss("group {} does not fit", group);
  return data;
}

}  // namespace blobd::transfer
