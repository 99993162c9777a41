#include "transfer/get_plan.h"

#include <algorithm>
#include <utility>

#include "wire/request.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;
using store::kGroupSize;

constexpr uint64_t kChunksPerGroup = kGroupSize / wire::kChunkSize;

// An upper bound of the encoded bytes of one more run: index delta, two widths per range, a count.
size_t EncodedSize(const wire::ChunkRanges& ranges) {
  return 20 + 20 * (ranges.chunks().ranges().size() + 1);
}

uint64_t GroupCount(uint64_t size) {
  return std::max<uint64_t>(1, (size + kGroupSize - 1) / kGroupSize);
}

uint64_t ToChunk(uint64_t group) {
  return group == RangeSet::kOpenEnd ? RangeSet::kOpenEnd : group * kChunksPerGroup;
}

// The chunks that a blob lacks. While its size is not proven they have no end, so the last chunk,
// which proves it, is always among them.
wire::ChunkRanges Missing(const BlobInfo& blob) {
  if (blob.state == BlobState::kComplete) return {};
  const uint64_t end = blob.size_proven ? GroupCount(blob.size) : RangeSet::kOpenEnd;
  RangeSet chunks;
  const RangeSet missing = blob.groups.Missing({0, end});
  for (const Range& groups : missing.ranges()) {
    // Up to the end of the blob is said without a number: the shortest form, and the one every
    // provider knows.
    const uint64_t last = groups.end == end ? RangeSet::kOpenEnd : ToChunk(groups.end);
    chunks.Insert({ToChunk(groups.begin), last});
  }
  return wire::ChunkRanges(std::move(chunks));
}

GetTarget TargetOf(const BlobInfo& blob, const wire::ChunkRanges& missing) {
  GetTarget target;
  target.hash = blob.hash;
  target.wanted = missing;
  target.whole = missing.is_all();
  target.known_size = blob.size_proven ? blob.size : 0;
  target.claimed_size = blob.size;
  return target;
}

}  // namespace

std::optional<GetPlan> NextGetPlan(const Inventory& inventory) {
  GetPlan plan;
  const wire::ChunkRanges root = Missing(inventory.root);
  if (!root.empty()) {
    plan.request = wire::EncodeGet(inventory.kind.hash, wire::RangeSpecSeq::OfRawBlob(root));
    plan.targets.push_back(TargetOf(inventory.root, root));
    return plan;
  }
  wire::RangeSpecSeq seq;
  uint64_t next_index = 0;  // behind the last blob that something is wanted of
  size_t size = 0;
  wire::ChunkRanges last;  // of the last blob in the plan
  for (const Inventory::Child& child : inventory.children) {
    wire::ChunkRanges missing = Missing(child.blob);
    if (missing.empty()) continue;
    const bool same_run = child.blob_index == next_index && missing == last;
    if (!same_run) {
      size += EncodedSize(missing) + EncodedSize({});
      if (size > kMaxRequestBytes && !plan.targets.empty()) break;
      if (child.blob_index != next_index) seq.Append(next_index, {});
      seq.Append(child.blob_index, missing);
    }
    plan.targets.push_back(TargetOf(child.blob, missing));
    next_index = child.blob_index + 1;
    last = std::move(missing);
  }
  if (plan.targets.empty()) return std::nullopt;
  seq.Append(next_index, {});
  plan.request = wire::EncodeGet(inventory.kind.hash, seq);
  return plan;
}

std::vector<Hash> BlobsToFinish(const Inventory& inventory) {
  std::vector<Hash> hashes;
  const auto look = [&](const BlobInfo& blob) {
    if (blob.state == BlobState::kPartial && blob.size_proven && Missing(blob).empty())
      hashes.push_back(blob.hash);
  };
  look(inventory.root);
  for (const Inventory::Child& child : inventory.children) look(child.blob);
  return hashes;
}

}  // namespace blobd::transfer
