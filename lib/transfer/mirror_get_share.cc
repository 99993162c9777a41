// The share of a get: where its lanes are, how its end is lowered, and when it is done. See
// mirror_get.h.
#include <algorithm>

#include "bao/tree.h"
#include "transfer/mirror_get.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

// Runs are long enough that the round trip between two of them does not matter, and short enough
// that what is cut off of a share has not come already.
constexpr uint64_t kLongestRun = 1024;  // 16 MiB
constexpr uint64_t kShortestRun = 192;  // 3 MiB
// For a proof that is on its way from somebody else.
constexpr Duration kMostLinger = seconds(1);

}  // namespace

// The first of a run, if others may take what is behind. REQUIRES: the run is not empty
Range MirrorGet::Segment(Range run) const {
  if (!share_.others || lanes_allowed_ == 1) return run;
  uint64_t left = Unassigned().Count();
  for (const auto& [fetch, lane] : lanes_) left += lane.rest().size();
  const uint64_t most =
      std::clamp<uint64_t>(left / (2 * lanes_allowed_), kShortestRun, kLongestRun);
  if (run.size() < most + kShortestRun) return run;
  return {run.begin, run.begin + most};
}

// Where lanes go through the share in order: a lane that runs farther than its segment gives up
// what is behind. False if there is none.
bool MirrorGet::Shorten() {
  if (!share_.others || !AnyDelivers()) return false;
  for (auto& [fetch, lane] : lanes_) {
    const Range segment = Segment(lane.rest());
    if (lane.rest().empty() || segment == lane.rest()) continue;
    lane.groups.end = segment.end;
    deps_.port->LowerEnd(fetch, EndOf(segment.end));
    return true;
  }
  return false;
}

// A lane has ended, and its connection is free. What comes next may be what another lane waits for
// with a connection that may never open: that one is taken back. All others stay as they are: they
// keep their place in the line, and one that was opened a moment ago is not asked for anew.
void MirrorGet::TakeBackWaiting() {
  if (!share_.others || deps_.clock.Now() < held_until_) return;
  auto first = lanes_.end();
  for (auto it = lanes_.begin(); it != lanes_.end(); ++it) {
    if (!it->second.waits()) continue;
    if (first == lanes_.end() || it->second.at < first->second.at) first = it;
  }
  if (first == lanes_.end()) return;
  const RangeSet free = Unassigned();
  if (free.empty() || first->second.at < free.ranges().front().begin) CloseLane(first->first);
}

uint64_t MirrorGet::LastGroup() const {
  const auto size = deps_.blob->size();
  return size ? std::min(share_.groups.end, bao::GroupCount(*size)) : share_.groups.end;
}

uint64_t MirrorGet::Position() const {
  if (!deps_.blob->size()) return share_.groups.begin;
  const RangeSet missing = deps_.blob->Held().Missing({share_.groups.begin, LastGroup()});
  return missing.empty() ? LastGroup() : missing.ranges().front().begin;
}

void MirrorGet::LowerEnd(uint64_t group) {
  const bool can = (phase_ == Phase::kProbing || phase_ == Phase::kGetting) && deps_.blob->size();
  if (phase_ == Phase::kOver) return;
  if (!can) return deps_.observer->OnBoundary(RangeSet::kOpenEnd);
  // What is there behind it need not be got by anybody.
  const uint64_t wish = std::max(group, Position());
  const RangeSet missing = deps_.blob->Held().Missing({wish, std::max(wish, LastGroup())});
  if (missing.empty()) return deps_.observer->OnBoundary(RangeSet::kOpenEnd);
  share_.groups.end = missing.ranges().front().begin;
  share_.others = true;
  deps_.observer->OnBoundary(share_.groups.end);
  CutLanes();
  if (phase_ == Phase::kProbing && lanes_.empty()) return Probe();
  Plan();
}

// Lanes behind the end are closed, one across it ends there.
void MirrorGet::CutLanes() {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    auto& [fetch, lane] = *it++;
    if (lane.groups.end <= share_.groups.end) continue;
    if (lane.at >= share_.groups.end) {
      CloseLane(fetch);
    } else {
      lane.groups.end = share_.groups.end;
      deps_.port->LowerEnd(fetch, EndOf(share_.groups.end));
    }
  }
}

// All of its share has come, and it has nothing more to do for the blob.
void MirrorGet::EndIfHeld() {
  MirrorBlob& blob = *deps_.blob;
  if (phase_ == Phase::kOver || !blob.size() || blob.over() || blob.finishing()) return;
  const Range share = {share_.groups.begin, LastGroup()};
  const RangeSet held = blob.Held();
  // Once nothing is missing anywhere, what follows is found out without us.
  if (!held.ContainsAll(share) || held.ContainsAll({0, bao::GroupCount(*blob.size())})) {
    held_since_.reset();
    return;
  }
  const Instant now = deps_.clock.Now();
  if (!held_since_) held_since_ = now;
  const bool verified = blob.Verified().ContainsAll(share);
  const bool waits = blob.has_help() && now - *held_since_ < kMostLinger;
  if (verified || !waits) End({Outcome::kDone, "", {}});
}

void MirrorGet::TellShare() {
  if (!joined_ || !deps_.blob->size()) return;
  progress_.takes_parts = entity() && entity()->ranges;
  progress_.position = Position();
  const RangeSet verified = deps_.blob->Verified();
  RangeSet fresh = verified;
  fresh.RemoveAll(told_);
  progress_.arrived = std::move(fresh);
  told_ = verified;
  progress_.proof_wanted = deps_.blob->ProofWanted({share_.groups.begin, LastGroup()});
}

}  // namespace blobd::transfer
