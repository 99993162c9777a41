// Where mirrors are at work on the same blob: proof for what they bring, and what follows where
// their word about its size is contradicted. See get_session.h.
#include <utility>

#include "bao/tree.h"
#include "transfer/get_session.h"

namespace blobd::transfer {

using schedule::Outcome;

void GetSession::Prove(const RangeSet& groups) {
  if (phase_ == Phase::kEnded || end_ || kind_.format != BlobFormat::kRaw) return;
  to_prove_.InsertAll(groups);
  OpenProof();
}

// Nothing is proven of a size that a mirror claims: the last chunk is asked for first.
void GetSession::ProveClaim() {
  if (share_ && share_->layout->is_claim && kind_.format == BlobFormat::kRaw) {
    const uint64_t count = bao::GroupCount(share_->layout->length);
    to_prove_.Insert({count - 1, count});
  }
}

// One more stream beside the lanes: its answer is short, and not to wait behind theirs.
void GetSession::OpenProof() {
  if (!share_ || phase_ != Phase::kReceiving || to_prove_.empty()) return;
  const uint64_t size = share_->layout->SizeOf(0).value_or(0);
  const uint64_t count = bao::GroupCount(size);
  const RangeSet groups = std::exchange(to_prove_, RangeSet()).Intersection(Range{0, count});
  RangeSet chunks;
  for (const Range& range : groups.ranges()) {
    chunks.Insert({range.begin * bao::kGroupChunks,
                   range.end == count ? RangeSet::kOpenEnd : range.end * bao::kGroupChunks});
  }
  if (size == 0 || chunks.empty()) return;
  GetTarget target;
  target.hash = kind_.hash;
  target.wanted = {std::move(chunks), false};
  target.size = size;
  target.size_proven = !share_->layout->is_claim;
  GetPart part{{std::move(target)}};
  part.is_proof = true;
  OpenLane(std::move(part));
}

// It says that the blob has another size than the mirror said by which the line was laid out. Who
// is right is found out as by the first transfer of a request: this one asks for the last chunk.
// False if that is not so.
bool GetSession::DropLine(const GetLane& lane) {
  if (!share_ || !share_->layout->is_claim || !IsOnLine(lane.target())) return false;
  line_dropped_ = true;
  if (observation_) deps_.port->Stop(std::exchange(observation_, std::nullopt)->stream);
  share_.reset();
  held_ = untold_ = to_prove_ = RangeSet();
  held_before_.reset();
  progress_.on_line = false;
  while (!lanes_.empty()) CloseLane(lanes_.begin()->second);
  // Nor may what is still looked up be asked for by that line.
  for (const auto& [number, check] : checks_) {
    for (const GetTarget& target : check.part.targets)
      claims_->Release(target.hash, GroupsOf(target));
  }
  checks_.clear();
  phase_ = Phase::kSettling;
  SettleOrEnd();
  return true;
}

// The size is proven, and is not what the line was laid out by.
bool GetSession::EndIfLineIsVoid(uint64_t size) {
  const bool differs = share_ && share_->layout->is_claim && share_->layout->length != size;
  if (!line_dropped_ && !differs) return false;
  GetEnd end{Outcome::kStopped, "the size that a mirror claimed is wrong", {}};
  end.line_is_void = true;
  Settle(std::move(end));
  return true;
}

}  // namespace blobd::transfer
