#include "transfer/get_work.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "bao/tree.h"
#include "base/check.h"
#include "wire/request.h"

namespace blobd::transfer {
namespace {

using bao::GroupCount;
using bao::kGroupChunks;
using store::BlobInfo;
using store::BlobState;

constexpr uint64_t kGroupsPerMiB = (1 << 20) / store::kGroupSize;
// What the first request for a blob of unknown size asks for: large enough that most blobs come
// whole, small enough that a false size is found out soon.
constexpr uint64_t kHeadGroups = 8 * kGroupsPerMiB;
// Where others wait for the proof of its size, even a slow provider sends it soon.
constexpr uint64_t kSharedHeadGroups = kGroupsPerMiB / 4;
// A segment is long enough that the round trip of its request does not matter, and there are
// enough of them that all streams end at about the same time.
constexpr uint64_t kSegmentsPerBlob = 16;
constexpr uint64_t kLeastSegment = 4 * kGroupsPerMiB;
constexpr uint64_t kMostSegment = 64 * kGroupsPerMiB;
constexpr uint64_t kMostSharedSegment = 16 * kGroupsPerMiB;
constexpr size_t kMostRanges = 1024;  // of one segment, when only holes are missing
// Runs of children: enough of them for all streams, none so long that its targets take much memory.
constexpr size_t kRunsPerTransfer = 16;
constexpr size_t kShortestRun = 8;
constexpr size_t kLongestRun = 4096;
// Children of unknown size that are asked for it at once: each costs up to 2 KiB.
constexpr size_t kMostSizes = 4096;

// An upper bound of the encoded bytes of one more run: index delta, two widths per range, a count.
size_t EncodedSize(const wire::ChunkRanges& ranges) {
  return 20 + 20 * (ranges.chunks().ranges().size() + 1);
}

// The groups that are missing of a blob, as far as its size is known. A claim counts only where
// groups were verified under it.
RangeSet MissingGroups(const BlobInfo& blob) {
  if (blob.state == BlobState::kComplete) return {};
  const bool ends = blob.size_proven || (blob.size > 0 && !blob.groups.empty());
  return blob.groups.Missing({0, ends ? GroupCount(blob.size) : RangeSet::kOpenEnd});
}

// The first `most` groups of `left`, fewer if that ends at a better place: parts end where
// subtrees do, so that their answers share few pairs. REQUIRES: most > 0
RangeSet FirstOf(const RangeSet& left, uint64_t most) {
  RangeSet first;
  uint64_t count = 0;
  for (const Range& range : left.ranges()) {
    Range taken = range;
    if (range.size() > most - count) {
      const uint64_t unit = count == 0 ? most : kGroupsPerMiB;
      taken.end = (range.begin + (most - count)) / unit * unit;
      if (taken.empty()) break;
    }
    first.Insert(taken);
    count += taken.size();
    if (taken.end < range.end || count == most || first.ranges().size() == kMostRanges) break;
  }
  return first;
}

// As chunks. Up to the end of the blob is said without a number: the shortest form, and the one
// every provider knows.
wire::ChunkRanges ToChunks(const RangeSet& groups, uint64_t end, bool last_chunk) {
  RangeSet chunks;
  for (const Range& range : groups.ranges()) {
    chunks.Insert({range.begin * kGroupChunks,
                   range.end == end ? RangeSet::kOpenEnd : range.end * kGroupChunks});
  }
  return {std::move(chunks), last_chunk};
}

}  // namespace

GetWork::GetWork(Inventory inventory, const GetOptions& options, std::optional<GetShare> share)
    : kind_(inventory.kind), options_(options), share_(std::move(share)) {
  Count(inventory.root);
  for (const Inventory::Child& child : inventory.children) Count(child.blob);
  if (kind_.format == BlobFormat::kHashSeq && !inventory.children_known) {
    ++sizes_unknown_;
    ++sizes_unproven_;
  }
  // The root comes first and alone: only then is known which children are missing.
  if (inventory.root.state != BlobState::kComplete) {
    blobs_.push_back({0, std::move(inventory.root)});
    if (share_ && kind_.format == BlobFormat::kRaw) {
      size_is_claim_ = share_->layout->is_claim && !blobs_.front().blob.size_proven;
      Mask(blobs_.front());
    }
    return;
  }
  children_ = inventory.children_known;
  blobs_ = std::move(inventory.children);
  std::erase_if(blobs_, [](const Inventory::Child& child) {
    return child.blob.state == BlobState::kComplete;
  });
  if (share_) {
    for (Inventory::Child& child : blobs_) Mask(child);
  }
  run_length_ = std::clamp(blobs_.size() / kRunsPerTransfer, kShortestRun, kLongestRun);
}

// What the line says of it, and the rest of it as if it were held.
void GetWork::Mask(Inventory::Child& child) const {
  BlobInfo& blob = child.blob;
  if (blob.state == BlobState::kComplete) return;
  const GetLayout& layout = *share_->layout;
  const Range wanted = layout.GroupsIn(child.place, share_->range);
  if (wanted.empty()) {
    blob.state = BlobState::kComplete;
    return;
  }
  const std::optional<uint64_t> size = layout.SizeOf(child.place);
  if (!size) return;
  blob.size = *size;
  blob.size_proven = true;
  blob.groups.Insert({0, wanted.begin});
  if (wanted.end < GroupCount(*size)) blob.groups.Insert({wanted.end, GroupCount(*size)});
}

void GetWork::Narrow(GetShare share) {
  share_ = std::move(share);
  for (size_t number = next_; number < blobs_.size(); ++number) Mask(blobs_[number]);
  for (auto it = rests_.begin(); it != rests_.end();) {
    auto& [number, rest] = *it;
    rest.left =
        rest.left.Intersection(share_->layout->GroupsIn(blobs_[number].place, share_->range));
    if (rest.left.empty()) std::erase(to_cut_, number);
    it = rest.left.empty() && rest.parts_given == 0 ? rests_.erase(it) : std::next(it);
  }
}

// Without what is beyond the share.
GetPart GetWork::Trim(GetPart part) const {
  if (!share_) return part;
  for (GetTarget& target : part.targets) {
    const Range groups = share_->layout->GroupsIn(target.place, share_->range);
    if (groups.end == RangeSet::kOpenEnd && groups.begin == 0) continue;
    const bool to_the_end = groups.end >= GroupCount(share_->layout->RangeOf(target.place).size());
    const Range chunks = {groups.begin * kGroupChunks,
                          to_the_end ? RangeSet::kOpenEnd : groups.end * kGroupChunks};
    target.wanted = {target.wanted.chunks().Intersection(chunks),
                     target.wanted.last_chunk() && to_the_end};
  }
  std::erase_if(part.targets, [](const GetTarget& target) { return target.wanted.empty(); });
  return part;
}

std::optional<GetPart> GetWork::NextSizes() const {
  GetPart part;
  part.only_sizes = true;
  if (!children_) return std::nullopt;
  for (size_t number = 0; number < blobs_.size() && part.targets.size() < kMostSizes; ++number) {
    if (blobs_[number].blob.size_proven) continue;
    part.targets.push_back(TargetOf(number));
    part.targets.back().wanted = wire::ChunkRanges::LastChunk();
    part.targets.back().untouched = false;
  }
  if (part.targets.empty()) return std::nullopt;
  return part;
}

void GetWork::LeaveOut(const GetTarget& target, const RangeSet& groups) {
  blobs_[target.blob].blob.groups.InsertAll(groups);
  const auto it = rests_.find(target.blob);
  if (it == rests_.end()) return;
  it->second.left.RemoveAll(groups);
  if (it->second.left.empty()) std::erase(to_cut_, target.blob);
}

void GetWork::Count(const BlobInfo& blob) {
  sizes_ += blob.size;
  if (blob.size_proven) return;
  ++sizes_unproven_;
  if (blob.size == 0) ++sizes_unknown_;
}

std::optional<uint64_t> GetWork::total_bytes() const {
  if (sizes_unproven_ > 0) return std::nullopt;
  return sizes_;
}

RangeSet GetWork::OthersOf(const Hash& hash, const GetOthers& others) {
  RangeSet groups;
  if (others) groups = others(hash);
  return groups;
}

std::optional<GetPart> GetWork::Next(const GetOthers& others) {
  if (auto part = NextPutBack(others)) return part;
  if (auto part = NextSegment(others)) return part;
  if (auto part = NextRun(others)) return part;
  return NextSegment(others);  // of blobs that did not fit into the run
}

void GetWork::PutBack(GetPart part) { put_back_.push_back(std::move(part)); }

// What others took up meanwhile stays behind.
std::optional<GetPart> GetWork::NextPutBack(const GetOthers& others) {
  for (size_t count = put_back_.size(); count > 0; --count) {
    GetPart part = Trim(std::move(put_back_.front()));
    put_back_.pop_front();
    GetPart taken;
    std::erase_if(part.targets, [&](const GetTarget& target) {
      const RangeSet theirs = OthersOf(target.hash, others);
      if (theirs.empty() || (target.size && GroupsOf(target).Intersection(theirs).empty()))
        return false;
      left_out_ = target.hash;
      taken.targets.push_back(target);
      return true;
    });
    if (!taken.targets.empty()) put_back_.push_back(std::move(taken));
    if (!part.targets.empty()) return part;
  }
  return std::nullopt;
}

std::optional<GetPart> GetWork::NextSegment(const GetOthers& others) {
  for (auto number = to_cut_.begin(); number != to_cut_.end(); ++number) {
    Rest& rest = rests_.at(*number);
    GetTarget target = TargetOf(*number);
    const RangeSet theirs = OthersOf(target.hash, others);
    RangeSet groups;
    if (theirs.empty()) {
      groups = FirstOf(rest.left, rest.segment);
    } else {
      RangeSet free = rest.left;
      free.RemoveAll(theirs);
      left_out_ = target.hash;
      if (free.empty()) continue;
      groups = FirstOf(free, rest.segment);
    }
    target.wanted = ToChunks(groups, rest.end, false);
    target.untouched = false;
    target.size = rest.size;
    target.size_proven = rest.proven;
    rest.left.RemoveAll(groups);
    ++rest.parts_given;
    if (rest.left.empty()) to_cut_.erase(number);
    return GetPart{{std::move(target)}};
  }
  return std::nullopt;
}

bool GetWork::IsSegment(const GetTarget& target) const {
  return rests_.contains(target.blob) && !target.wanted.last_chunk();
}

void GetWork::GiveBack(const GetTarget& target, const RangeSet& groups) {
  const auto it = rests_.find(target.blob);
  BLOBD_CHECK(it != rests_.end());
  if (it->second.left.empty() && !groups.empty()) to_cut_.push_front(target.blob);
  it->second.left.InsertAll(groups);
}

std::optional<GetPart> GetWork::NextRun(const GetOthers& others) {
  GetPart part;
  size_t range_bytes = 0;
  for (; next_ < blobs_.size() && part.targets.size() < run_length_; ++next_) {
    const BlobInfo& blob = blobs_[next_].blob;
    const bool nothing_to_get =
        blob.state == BlobState::kComplete || (blob.size_proven && MissingGroups(blob).empty());
    if (nothing_to_get || KeepForSegments(next_)) continue;
    GetTarget target = TargetOf(next_);
    const RangeSet theirs = OthersOf(target.hash, others);
    if (!theirs.empty() &&
        (!blob.size_proven || !MissingGroups(blob).Intersection(theirs).empty())) {
      left_out_ = target.hash;
      continue;
    }
    if (blob.size_proven) {
      target.wanted = ToChunks(MissingGroups(blob), GroupCount(blob.size), false);
    } else {
      const uint64_t head = options_.shared && !children_ ? kSharedHeadGroups : kHeadGroups;
      target.wanted = ToChunks(FirstOf(MissingGroups(blob), head), RangeSet::kOpenEnd, true);
    }
    const bool same_run = !part.targets.empty() &&
                          part.targets.back().blob_index + 1 == target.blob_index &&
                          part.targets.back().wanted == target.wanted;
    if (!same_run) range_bytes += EncodedSize(target.wanted) + EncodedSize({});
    if (range_bytes > kMaxRangeBytes && !part.targets.empty()) break;
    part.targets.push_back(std::move(target));
  }
  if (part.targets.empty()) return std::nullopt;
  return part;
}

// A large blob of proven size needs no opening.
bool GetWork::KeepForSegments(size_t number) {
  const BlobInfo& blob = blobs_[number].blob;
  if (!blob.size_proven) return false;
  RangeSet missing = MissingGroups(blob);
  const uint64_t count = missing.Count();
  if (count <= kHeadGroups) return false;
  rests_[number] = {std::move(missing), GroupCount(blob.size), SegmentFor(count), blob.size, 0,
                    !size_is_claim_};
  to_cut_.push_back(number);
  return true;
}

uint64_t GetWork::SegmentFor(uint64_t groups) const {
  const uint64_t most = options_.shared ? kMostSharedSegment : kMostSegment;
  return std::bit_floor(std::clamp(groups / kSegmentsPerBlob, kLeastSegment, most));
}

GetTarget GetWork::TargetOf(size_t number) const {
  const Inventory::Child& child = blobs_[number];
  GetTarget target;
  target.blob = number;
  target.hash = child.blob.hash;
  target.place = child.place;
  target.blob_index = child.blob_index;
  target.untouched = child.blob.groups.empty();
  if (child.blob.size_proven) target.size = child.blob.size;
  target.size_proven = child.blob.size_proven && !size_is_claim_;
  return target;
}

bool GetWork::IsHashSeqRoot(const GetTarget& target) const {
  return target.blob_index == 0 && kind_.format == BlobFormat::kHashSeq;
}

Bytes GetWork::RequestFor(const GetPart& part) const {
  const GetTarget& first = part.targets.front();
  if (first.blob_index == 0 || (by_hash_ && part.targets.size() == 1)) {
    return wire::EncodeGet(first.hash, wire::RangeSpecSeq::OfRawBlob(first.wanted));
  }
  wire::GetManyRequest many;
  wire::RangeSpecSeq seq;
  uint64_t next_index = 0;
  for (const GetTarget& target : part.targets) {
    const uint64_t index = by_hash_ ? many.hashes.size() : target.blob_index;
    if (by_hash_) many.hashes.push_back(target.hash);
    if (index != next_index) seq.Append(next_index, {});
    seq.Append(index, target.wanted);
    next_index = index + 1;
  }
  seq.Append(next_index, {});
  if (!by_hash_) return wire::EncodeGet(kind_.hash, seq);
  many.ranges = std::move(seq);
  auto request = wire::EncodeRequest(many);
  BLOBD_CHECK(request.ok());  // kLongestRun and kMaxRangeBytes see to it
  return *std::move(request);
}

void GetWork::Sized(const GetTarget& target, uint64_t size) {
  if (target.size) return;
  BlobInfo& blob = blobs_[target.blob].blob;
  if (blob.size == 0) --sizes_unknown_;
  sizes_ += size - blob.size;
  blob.size = size;
  // What cannot be a hash sequence is not worth more than the proof of its size.
  if (IsHashSeqRoot(target) && !CheckHashSeqSize(kind_.hash, size, options_.limits).ok()) return;
  const RangeSet& asked = target.wanted.chunks();
  const uint64_t from = asked.empty() ? 0 : asked.ranges().back().end / kGroupChunks;
  Rest rest;
  rest.end = GroupCount(size);
  if (from >= rest.end) return;
  rest.left = blob.groups.Missing({from, rest.end});
  if (rest.left.empty()) return;
  rest.segment = SegmentFor(rest.left.Count());
  rest.size = size;
  rest.parts_given = 1;
  rests_[target.blob] = std::move(rest);
  to_cut_.push_back(target.blob);
}

void GetWork::Proven(const GetTarget& target) {
  if (target.size_proven) return;
  if (const auto it = rests_.find(target.blob); it != rests_.end()) {
    if (std::exchange(it->second.proven, true)) return;
  }
  --sizes_unproven_;
}

bool GetWork::Answered(const GetTarget& target) {
  const auto it = rests_.find(target.blob);
  if (it == rests_.end()) return true;
  if (--it->second.parts_given > 0 || !it->second.left.empty()) return false;
  rests_.erase(it);
  return true;
}

void GetWork::Drop(const GetTarget& target) {
  const auto it = rests_.find(target.blob);
  if (it == rests_.end()) return;
  it->second.left = RangeSet();
  std::erase(to_cut_, target.blob);
}

RangeSet GroupsOf(const GetTarget& target) {
  RangeSet groups;
  const uint64_t count = target.size ? GroupCount(*target.size) : RangeSet::kOpenEnd;
  for (const Range& range : target.wanted.chunks().ranges()) {
    const bool to_the_end = range.end == RangeSet::kOpenEnd;
    groups.Insert({range.begin / kGroupChunks,
                   to_the_end ? count : (range.end + kGroupChunks - 1) / kGroupChunks});
  }
  return groups;
}

std::vector<Hash> BlobsToFinish(const Inventory& inventory) {
  std::vector<Hash> hashes;
  const auto look = [&](const BlobInfo& blob) {
    if (blob.state == BlobState::kPartial && blob.size_proven && MissingGroups(blob).empty())
      hashes.push_back(blob.hash);
  };
  look(inventory.root);
  for (const Inventory::Child& child : inventory.children) look(child.blob);
  return hashes;
}

}  // namespace blobd::transfer
