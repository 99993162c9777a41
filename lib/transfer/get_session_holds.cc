// What a provider holds of what it was asked for, when that is not all. See get_session.h.
#include <utility>

#include "bao/tree.h"
#include "base/check.h"
#include "transfer/get_end.h"
#include "transfer/get_session.h"
#include "wire/observe.h"
#include "wire/request.h"

namespace blobd::transfer {

// It holds something of the blob, but not its beginning, and an answer ends where it first lacks
// something: then the last chunk is asked for alone, since without a proven size nobody else can be
// asked for the parts it lacks. True if that was done.
bool GetSession::ProbeInstead(const GetLane& lane) {
  GetTarget target = lane.target();
  const bool proves = target.wanted.last_chunk() && !target.wanted.chunks().empty();
  if (kind_.format != BlobFormat::kRaw || !lane.sized() || !proves || share_) return false;
  to_observe_ = target;
  target.wanted = wire::ChunkRanges::LastChunk();
  target.untouched = false;
  target.size = lane.claimed_size();
  TakeAsNotHere(NotHere(kind_, lane.target(), true, *lane.end()), {{std::move(target)}},
                lane.fruitful());
  CloseLane(lane);
  return true;
}

void GetSession::NoteLacks(const GetLane& lane) {
  const GetTarget& target = lane.target();
  if (!share_ || !IsOnLine(target)) return;
  const GetLayout& layout = *share_->layout;
  const bool exact = layout.exact[target.place];
  if (!lane.sized() || !exact) {
    lacks_.Insert(layout.RangeOf(target.place));
    return;
  }
  lacks_.InsertAll(layout.ToLine(target.place, lane.MissingGroups()));
  AskWhatItHolds(target);
}

// Providers before 0.90 do not understand that, and end the stream at once.
void GetSession::AskWhatItHolds(const GetTarget& target) {
  if (observation_ || !observed_.insert(target.place).second) return;
  auto request = wire::EncodeRequest(wire::ObserveRequest{target.hash, wire::ChunkRanges::All()});
  BLOBD_CHECK(request.ok());
  observation_ = Observation{++last_stream_, target, {}};
  deps_.port->Open(observation_->stream, *std::move(request), false);
}

void GetSession::OnObserved(Bytes bytes) {
  deps_.port->Consumed(observation_->stream, bytes.size());
  Bytes& all = observation_->bytes;
  all.insert(all.end(), bytes.begin(), bytes.end());
  const auto frame = wire::DecodeObserveFrame(all);
  if (!frame.ok()) return EndObservation(std::nullopt);
  if (!*frame) return;  // the first item is the whole state; it has not all come
  const uint64_t count =
      bao::GroupCount(share_->layout->RangeOf(observation_->target.place).size());
  RangeSet groups;
  for (const Range& range : (*frame)->item.chunks.ranges()) {
    const bool to_the_end = range.end == RangeSet::kOpenEnd;
    groups.Insert({(range.begin + bao::kGroupChunks - 1) / bao::kGroupChunks,
                   to_the_end ? count : range.end / bao::kGroupChunks});
  }
  EndObservation(groups.Intersection(Range{0, count}));
}

// A connection that was replaced is no answer: it is asked over the other one.
void GetSession::OnObservationEnd(const StreamEnd& end) {
  if (end.kind != StreamEnd::Kind::kMoved) return EndObservation(std::nullopt);
  const Observation observation = *std::exchange(observation_, std::nullopt);
  deps_.port->Stop(observation.stream);
  observed_.erase(observation.target.place);
  AskWhatItHolds(observation.target);
}

// `groups`: what it says that it holds; nullopt: it says nothing.
void GetSession::EndObservation(const std::optional<RangeSet>& groups) {
  const Observation observation = *std::exchange(observation_, std::nullopt);
  deps_.port->Stop(observation.stream);
  if (groups) {
    const size_t place = observation.target.place;
    const uint64_t count = bao::GroupCount(share_->layout->RangeOf(place).size());
    const RangeSet not_held = groups->Missing({0, count});
    holds_.InsertAll(share_->layout->ToLine(place, *groups));
    holds_not_.InsertAll(share_->layout->ToLine(place, not_held));
    work_->LeaveOut(observation.target, not_held);
  }
  GoOn();
}

// What it was asked for and did not have counts more than what it says.
void GetSession::FillIn(GetEnd& end) const {
  if (end.outcome != schedule::Outcome::kNotHere || !share_) return;
  end.lacks = lacks_;
  if (given_up_) end.lacks.InsertAll(held_.Missing(share_->range));
  end.holds = holds_;
  end.holds.RemoveAll(end.lacks);
  end.lacks.InsertAll(holds_not_);
}

}  // namespace blobd::transfer
