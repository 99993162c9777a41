// How lanes end, and with them the transfer.
#include <utility>

#include "base/check.h"
#include "transfer/get_end.h"
#include "transfer/get_session.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr Duration kReportInterval = milliseconds(100);
constexpr Duration kSilence = milliseconds(500);
// A provider with less than it is asked for says so part by part. After so many answers in a row
// that brought nothing it is not asked for the rest.
constexpr size_t kMostFruitless = 32;

}  // namespace

void GetSession::Stop() {
  if (phase_ != Phase::kEnded) Settle({Outcome::kStopped, "stopped", {}});
}

// All that came is decoded, and the answer is not complete.
void GetSession::OnLaneEnded(GetLane& lane) {
  const StreamEnd& end = *lane.end();
  if (end.kind == StreamEnd::Kind::kRefused) return OnRefused(lane);
  if (end.kind == StreamEnd::Kind::kMoved) return OnMoved(lane);
  if (IsNotHere(end)) return OnNotHere(lane);
  Settle(EndOfStream(end));
}

// The provider allows fewer streams than we like: what this one was to bring is left to the others.
void GetSession::OnRefused(GetLane& lane) {
  const bool alone = lanes_.size() == 1;
  if (alone && lane.patient()) return Settle(EndOfStream(*lane.end()));
  const bool only_sizes = lane.part().only_sizes;
  if (!only_sizes && !lane.part().is_proof) work_->PutBack(lane.part());
  CloseLane(lane);
  if (only_sizes) TellContent();
  lane_limit_ = alone ? 1 : lanes_.size();
  lanes_answering_ = std::min(lanes_answering_, lane_limit_);
  GoOn();
}

// What it was to bring is found missing by the next look, when the other lanes have ended, too.
void GetSession::OnMoved(const GetLane& lane) {
  moved_ = true;
  if (lane.part().only_sizes) sizes_asked_ = false;
  CloseLane(lane);
  GoOn();
}

void GetSession::OnNotHere(GetLane& lane) {
  if (lane.part().only_sizes) {
    // Of a child it lacks. That is found out by who asks for the child itself.
    CloseLane(lane);
    TellContent();
    return GoOn();
  }
  if (lane.part().is_proof) {
    CloseLane(lane);
    return GoOn();
  }
  if (ProbeInstead(lane)) return GoOn();
  NoteLacks(lane);
  GetEnd end = NotHere(kind_, lane.target(), lane.sized(), *lane.end());
  GetPart tail = lane.Tail();
  const bool fruitful = lane.fruitful();
  if (answered_ || !work_->can_ask_by_hash()) {
    CloseLane(lane);
    TakeAsNotHere(std::move(end), std::move(tail), fruitful);
    return GoOn();
  }
  unanswered_.push_back({lane.part(), std::move(end), std::move(tail)});
  CloseLane(lane);
  GoOn();  // what comes of other lanes will tell
}

void GetSession::AskByHash() {
  by_hash_ = true;
  work_->AskByHash();
  for (Unanswered& unanswered : std::exchange(unanswered_, {}))
    work_->PutBack(std::move(unanswered.part));
}

void GetSession::TakeAsNotHere(GetEnd end, GetPart tail, bool fruitful) {
  if (!not_here_) not_here_ = std::move(end);
  fruitless_ = fruitful ? 0 : fruitless_ + 1;
  // To the other parts it would say the same.
  given_up_ = given_up_ || !answered_ || fruitless_ >= kMostFruitless;
  if (!tail.targets.empty()) work_->PutBack(std::move(tail));
}

// It has the root, so what was not answered before is what it lacks.
void GetSession::OnFirstByte() {
  answered_ = true;
  if (unanswered_.empty()) return;
  for (Unanswered& unanswered : std::exchange(unanswered_, {}))
    TakeAsNotHere(std::move(unanswered.end), std::move(unanswered.tail), false);
  OpenLanes();
}

// Decides how it ends; the first decision stands.
void GetSession::Settle(GetEnd end) {
  if (!end_) {
    end_ = std::move(end);
    FillIn(*end_);
  }
  if (observation_) deps_.port->Stop(std::exchange(observation_, std::nullopt)->stream);
  while (!lanes_.empty()) CloseLane(lanes_.begin()->second);
  checks_.clear();  // what they claimed is released with the rest
  phase_ = Phase::kSettling;
  SettleOrEnd();
}

void GetSession::SettleOrEnd() {
  if (phase_ != Phase::kSettling) return;
  if (!end_ && !to_finish_.empty()) FinishHeld();
  if (storing_ > 0) return;
  if (!end_) return Look();  // all that was asked for is stored; is there more?
  phase_ = Phase::kEnded;
  claims_.reset();
  progress_.state = GetState::kVerifying;
  UpdateTotals();
  end_->note = note_;
  deps_.observer->OnEnded(id_, progress_, *end_);
}

void GetSession::ReportProgress(bool force) {
  const Instant now = deps_.clock.Now();
  if (!force && now - last_report_ < kReportInterval) return;
  last_report_ = now;
  UpdateTotals();
  deps_.observer->OnProgress(id_, progress_);
  progress_.arrived = RangeSet();
}

void GetSession::Beat() {
  if (phase_ == Phase::kWaiting) return BeatWaiting();
  if (share_ && phase_ == Phase::kReceiving && deps_.clock.Now() - last_report_ > kSilence)
    ReportProgress(true);
}

void GetSession::UpdateTotals() {
  if (!work_) return;
  if (share_) {
    progress_.on_line = true;
    progress_.claimed_bytes = 0;
    progress_.total_bytes = share_total_;
    progress_.position = Position();
    progress_.arrived = std::exchange(untold_, RangeSet());
    return;
  }
  progress_.claimed_bytes = work_->claimed_bytes();
  progress_.total_bytes = work_->total_bytes();
}

}  // namespace blobd::transfer
