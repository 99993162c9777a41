#include "transfer/mirror_get.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/units.h"

namespace blobd::transfer {
namespace {

using http::FetchEnd;
using schedule::Outcome;
using store::kGroupSize;

// Neither half of a run that is cut is smaller: 3 MiB.
constexpr uint64_t kLeastGroups = 192;
constexpr Duration kReportInterval = milliseconds(100);
// For somebody else who began to write the same groups.
constexpr Duration kMostWaiting = seconds(10);
// A lane that failed while others deliver is not opened again before.
constexpr Duration kFailedWait = seconds(1);
// Waiting longer for the server than this is the scheduler's affair, if nothing else comes.
constexpr Duration kMostHolding = seconds(2);
// One lane more is tried after so long without a failure.
constexpr Duration kRegrow = seconds(60);
// Bodies that broke off: these, and one for each MiB that came. A connection for every few bytes
// costs both sides more than it brings, so further ones wait.
constexpr uint64_t kFreeShorts = 16;

}  // namespace

MirrorGet::MirrorGet(Deps deps, std::string url, std::string provider, MirrorGetOptions options,
                     MirrorShare share)
    : deps_(std::move(deps)),
      url_(std::move(url)),
      provider_(std::move(provider)),
      options_(options),
      share_(share),
      lanes_allowed_(std::max<size_t>(1, options.lanes)) {}

void MirrorGet::Start() {
  deps_.blob->Open([weak = weak_from_this()](const Status& status) {
    if (const auto self = weak.lock()) self->OnOpen(status);
  });
}

void MirrorGet::Stop() { End({Outcome::kStopped, "stopped", {}}); }

void MirrorGet::SetLanes(size_t lanes) {
  options_.lanes = std::max<size_t>(1, lanes);
  lanes_allowed_ = options_.lanes;
  if (phase_ == Phase::kGetting) Plan();
}

void MirrorGet::Beat() {
  if (phase_ == Phase::kOver || phase_ == Phase::kOpening) return;
  deps_.blob->Beat();
  const bool is_stuck = lanes_.empty() && deps_.clock.Now() - last_change_ > kMostWaiting;
  if (is_stuck && deps_.blob->waits_for_others()) return deps_.blob->GiveUpWaiting();
  const Instant now = deps_.clock.Now();
  if (lanes_allowed_ < options_.lanes && now - shrunk_at_ >= kRegrow) {
    ++lanes_allowed_;
    shrunk_at_ = now;
    Plan();
  } else if (is_held_ && now >= held_until_) {
    Plan();
  }
  if (waiting_) WaitOn();
  if (phase_ == Phase::kSettling) EndIfHeld();
  Report(false);
}

void MirrorGet::OnOpen(const Status& status) {
  if (phase_ == Phase::kOver) return;
  if (!status.ok()) return End({Outcome::kLocalFault, Message(status), {}});
  if (deps_.blob->complete()) return End({Outcome::kDone, "", {}});
  last_change_ = deps_.clock.Now();
  source_ = deps_.blob->Join(shared_from_this(), url_, provider_);
  joined_ = true;
  if (const GetEnd* verdict = deps_.blob->VerdictOn(source_)) return End(GetEnd(*verdict));
  if (share_.size) {
    if (const Status claimed = deps_.blob->ClaimSize(*share_.size); !claimed.ok()) {
      const bool is_void = deps_.blob->size_proven();
      GetEnd end{is_void ? Outcome::kStopped : Outcome::kNotHere, Message(claimed), {}};
      end.line_is_void = is_void;
      return End(end);
    }
  }
  progress_.state = GetState::kRequesting;
  phase_ = entity() ? Phase::kGetting : Phase::kProbing;
  if (phase_ == Phase::kProbing) return Probe();
  Plan();
}

// ---- What is asked for ----

// That the server sends a file from the middle is assumed; if it does not, it says so.
void MirrorGet::Probe() {
  if (entity()) {  // another get from the same URL has had an answer meanwhile
    phase_ = Phase::kGetting;
    return Plan();
  }
  const MirrorBlob& blob = *deps_.blob;
  uint64_t first = blob.FirstMissing();
  if (blob.size()) {
    const RangeSet wanted = blob.WantedFrom(source_, share_.groups);
    if (wanted.empty()) return EndIfHeld();  // others have it, or bring it
    first = wanted.ranges().front().begin;
  }
  OpenLane({first, RangeSet::kOpenEnd}, false);
}

http::Ask MirrorGet::AskFor(Range groups) const {
  http::Ask ask;
  ask.begin = groups.begin * kGroupSize;
  if (groups.end != RangeSet::kOpenEnd) ask.end = EndOf(groups.end);
  ask.entity = entity();
  if (deps_.blob->size_proven()) ask.size = deps_.blob->size();
  ask.max_size = options_.max_size;
  return ask;
}

uint64_t MirrorGet::EndOf(uint64_t group) const {
  return std::min(group * kGroupSize, deps_.blob->size().value_or(UINT64_MAX));
}

void MirrorGet::OpenLane(Range groups, bool patient) {
  const uint64_t fetch = ++last_fetch_;
  lanes_[fetch] = Lane{groups, groups.begin, patient};
  std::optional<uint64_t> remaining;
  if (patient) {
    uint64_t left = Unassigned().Count();
    for (const auto& [id, lane] : lanes_) left += lane.rest().size();
    remaining = left * kGroupSize;
  }
  deps_.port->Open(fetch, AskFor(groups), remaining);
}

void MirrorGet::CloseLane(uint64_t fetch) {
  lanes_.erase(fetch);
  deps_.port->Stop(fetch);
}

void MirrorGet::CloseLanes() {
  while (!lanes_.empty()) CloseLane(lanes_.begin()->first);
}

RangeSet MirrorGet::Unassigned() const {
  RangeSet groups = deps_.blob->WantedFrom(source_, share_.groups);
  for (const auto& [fetch, lane] : lanes_) {
    if (!lane.rest().empty()) groups.Remove(lane.rest());
  }
  return groups;
}

size_t MirrorGet::DeliveringLanes() const {
  return static_cast<size_t>(std::count_if(lanes_.begin(), lanes_.end(),
                                           [](const auto& lane) { return lane.second.delivers; }));
}

bool MirrorGet::AllWait() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane.second.waits(); });
}

void MirrorGet::Plan() {
  if (phase_ != Phase::kGetting && phase_ != Phase::kSettling) return;
  if (deps_.blob->VerdictOn(source_)) return;  // it is about to be told
  if (!deps_.blob->size()) {
    if (Streams()) return;
    // What was said of the size turned out to be wrong for everybody.
    CloseLanes();
    if (!entity()->size) return OpenStream();
    if (const Status status = deps_.blob->ClaimSize(*entity()->size); !status.ok())
      return EndForSize(status);
  }
  entity()->ranges ? PlanParts() : PlanStream();
  if (phase_ == Phase::kOver) return;
  phase_ = lanes_.empty() ? Phase::kSettling : Phase::kGetting;
  progress_.state = lanes_.empty() ? GetState::kVerifying : progress_.state;
  if (lanes_.empty()) EndIfHeld();
}

void MirrorGet::PlanStream() {
  if (!lanes_.empty() || deps_.blob->WantedFrom(source_, share_.groups).empty()) return;
  progress_.restarted = true;
  OpenLane({0, RangeSet::kOpenEnd}, false);
}

void MirrorGet::PlanParts() {
  RangeSet groups = Unassigned();
  const Instant now = deps_.clock.Now();
  is_held_ = now < held_until_;
  const bool is_idle = AllWait() && !(groups.empty() && lanes_.empty());
  if (is_held_ && is_idle && held_until_ - now > kMostHolding)
    return End({Outcome::kBusy, "the server asks us to wait", held_until_ - now});
  if (is_held_) return;
  while (lanes_.size() < lanes_allowed_) {
    if (groups.empty()) {
      if (!Shorten()) break;
      groups = Unassigned();
      continue;
    }
    const Range run = Segment(groups.ranges().front());
    groups.Remove(run);
    // Who takes the place of one that ended has its connection.
    const bool is_further = !share_.others || lanes_.size() >= lanes_reached_;
    OpenLane(run, is_further && AnyDelivers());
  }
  BeImpatient();
  if (!groups.empty()) return;
  // A further connection is a question only while one brings something.
  while (lanes_.size() < lanes_allowed_ && AnyDelivers() && Halve()) {
  }
}

// One of ours at least must not wait until it is worth it to others.
void MirrorGet::BeImpatient() {
  if (lanes_.empty() || !AllWait()) return;
  // It may have been opened a moment ago, so it is not asked for anew.
  lanes_.begin()->second.patient = false;
  deps_.port->Hurry(lanes_.begin()->first);
}

// Gives a half of the run that has the most left to a lane of its own.
bool MirrorGet::Halve() {
  Lane* longest = nullptr;
  uint64_t fetch = 0;
  for (auto& [id, lane] : lanes_) {
    if (longest != nullptr && lane.rest().size() <= longest->rest().size()) continue;
    longest = &lane;
    fetch = id;
  }
  if (longest == nullptr || longest->rest().size() < 2 * kLeastGroups) return false;
  const uint64_t middle = longest->at + longest->rest().size() / 2;
  const Range second = {middle, longest->groups.end};
  longest->groups.end = middle;
  if (longest->opened || longest->delivers) {
    deps_.port->LowerEnd(fetch, EndOf(middle));
  } else {
    const Lane first = *longest;
    CloseLane(fetch);
    OpenLane(first.groups, first.patient);
  }
  OpenLane(second, true);
  return true;
}

// ---- What comes ----

void MirrorGet::OnOpened(uint64_t fetch) {
  if (const auto it = lanes_.find(fetch); it != lanes_.end()) it->second.opened = true;
}

void MirrorGet::OnContent(uint64_t fetch, const http::Content& content) {
  const auto it = lanes_.find(fetch);
  if (it == lanes_.end()) return;
  MirrorBlob& blob = *deps_.blob;
  it->second.delivers = true;
  lanes_reached_ = std::max(lanes_reached_, DeliveringLanes());
  progress_.state = GetState::kReceiving;
  if (!entity()) entity() = content.entity;
  if (phase_ == Phase::kProbing) phase_ = Phase::kGetting;
  if (content.entity.size && !TakeSize(*content.entity.size)) return;
  if (!blob.size()) {
    TakeStream(fetch);
    return Report(true);
  }
  if (*blob.size() == 0) (void)blob.Write(source_, 0, {});
  if (!blob.size()) return;  // it is not: the verdict is about to be told
  const uint64_t count = bao::GroupCount(*blob.size());
  Lane& lane = it->second;
  lane.groups.end = std::min(lane.groups.end, count);
  if (entity()->ranges) {
    // The probe was for all there is: behind the first thing that is not wanted others go on.
    const RangeSet wanted = blob.WantedFrom(source_, share_.groups).Intersection(lane.groups);
    const uint64_t end = wanted.empty() ? lane.groups.begin : wanted.ranges().front().end;
    if (end < lane.groups.end) {
      lane.groups.end = end;
      deps_.port->LowerEnd(fetch, EndOf(end));
    }
  }
  Plan();
  AskForSidecar();
  Report(true);
}

// One that says otherwise than the others may be right: it is asked again if theirs turns out to be
// wrong. False if that ended it.
bool MirrorGet::TakeSize(uint64_t size) {
  MirrorBlob& blob = *deps_.blob;
  if (share_.size && *share_.size != size && !blob.size_proven()) {
    End({Outcome::kNotHere,
         fmt::format("its file has {} bytes, that of another mirror {}", size, *share_.size),
         {}});
    return false;
  }
  const Status status = blob.ClaimSize(size);
  if (status.ok()) return true;
  EndForSize(status);
  return false;
}

void MirrorGet::AskForSidecar() {
  if (phase_ == Phase::kOver || !deps_.blob->TakesSidecarOf(source_)) return;
  sidecar_ = ++last_fetch_;
  deps_.port->OpenSidecar(sidecar_, bao::OutboardSize(*deps_.blob->size()));
}

void MirrorGet::OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) {
  progress_.received_bytes += bytes.size();
  last_change_ = deps_.clock.Now();
  if (fetch == sidecar_) {
    const bool goes_on = deps_.blob->OnSidecar(bytes);
    GiveBack(fetch, bytes.size());
    if (!goes_on && sidecar_ != 0) deps_.port->Stop(std::exchange(sidecar_, 0));
    return;
  }
  const auto it = lanes_.find(fetch);
  if (it == lanes_.end()) return GiveBack(fetch, bytes.size());
  Lane& lane = it->second;
  ByteView wanted = bytes;
  if (lane.groups.end != RangeSet::kOpenEnd) {
    const uint64_t end = EndOf(lane.groups.end);
    wanted = wanted.first(std::min<uint64_t>(wanted.size(), end > offset ? end - offset : 0));
  }
  progress_.moved_bytes += wanted.size();
  const auto size = deps_.blob->size();  // before it turns out to be wrong
  const Status status = deps_.blob->Write(source_, offset, wanted);
  GiveBack(fetch, bytes.size());
  if (!status.ok()) return EndForWrite(status);
  const uint64_t end = offset + wanted.size();
  const uint64_t at = size && end == *size ? bao::GroupCount(*size) : end / kGroupSize;
  // What was on its way when the lane's end was lowered lies behind it.
  lane.at = std::min(std::max(lane.at, at), lane.groups.end);
  Report(false);
}

// The one place where credit is given back: when the bytes are with the store.
void MirrorGet::GiveBack(uint64_t fetch, uint64_t bytes) { deps_.port->Consumed(fetch, bytes); }

void MirrorGet::OnFetchEnd(uint64_t fetch, const FetchEnd& end) {
  if (fetch == sidecar_) {
    sidecar_ = 0;
    deps_.blob->OnSidecarEnd();
  }
  const auto it = lanes_.find(fetch);
  if (it == lanes_.end()) return;
  const Lane lane = it->second;
  lanes_.erase(it);
  MirrorBlob& blob = *deps_.blob;
  if (blob.VerdictOn(source_)) return;  // it is about to be told
  const bool parts = entity() && entity()->ranges;
  switch (end.kind) {
    case FetchEnd::Kind::kDone:
      if (end.size && lane.unsized) {
        if (const Status status = blob.EndOfFile(this, *end.size); !status.ok())
          return EndForSize(status);
      }
      if (IsFruitless(lane, end)) return OnFailedLane(end);
      TakeBackWaiting();
      return Plan();
    case FetchEnd::Kind::kShort:
      // Without parts it would begin at the beginning, perhaps for ever. So it would where parts
      // come of a file that has no size: all of it is asked for in one piece then.
      if (parts && !blob.size()) entity()->ranges = false;
      if (!parts || !blob.size() || end.received < http::kProgress) return OnFailedLane(end);
      if (++shorts_ > kFreeShorts + progress_.received_bytes / kMiB) Hold(kFailedWait);
      return Plan();
    case FetchEnd::Kind::kSurplus:
      AllowLanes(lanes_.size());
      return phase_ == Phase::kProbing ? Probe() : Plan();
    case FetchEnd::Kind::kNoRanges:
      if (lane.groups.begin == 0 && entity() && !parts) break;
      if (share_.groups.begin > 0 && share_.others) {
        return End({Outcome::kNotHere, "its server sends no parts, and others send the rest", {}});
      }
      // It may still send all of it.
      if (!entity()) entity().emplace();
      entity()->ranges = false;
      phase_ = Phase::kGetting;
      CloseLanes();
      return Plan();
    case FetchEnd::Kind::kFailed:
    case FetchEnd::Kind::kStalled:
    case FetchEnd::Kind::kBusy:
    case FetchEnd::Kind::kLocalFault:
      return OnFailedLane(end);
    case FetchEnd::Kind::kNoSuchPart:
      // Whoever said how long it is may be wrong. It is asked again when that is known.
      if (blob.size() && !blob.size_proven()) return End({Outcome::kNotHere, end.reason, {}});
      break;
    case FetchEnd::Kind::kNotHere:
    case FetchEnd::Kind::kChanged:
    case FetchEnd::Kind::kEncoded:
    case FetchEnd::Kind::kWrongSize:
    case FetchEnd::Kind::kTooLarge:
    case FetchEnd::Kind::kForbidden:
      break;
  }
  End({http::OutcomeOf(end), end.reason, end.retry_after});
}

// It ended in order without what it was to bring: asking again at once might go on for ever.
bool MirrorGet::IsFruitless(const Lane& lane, const FetchEnd& end) const {
  if (!entity()) return true;
  if (!entity()->ranges) return !deps_.blob->WantedFrom(source_, share_.groups).empty();
  return !lane.rest().empty() && end.received < http::kProgress;
}

void MirrorGet::OnFailedLane(const FetchEnd& end) {
  if (!AnyDelivers()) {
    const bool is_early = end.kind == FetchEnd::Kind::kShort || end.kind == FetchEnd::Kind::kDone;
    const std::string reason = end.reason.empty() ? "the file ended too early" : end.reason;
    GetEnd ended{is_early ? Outcome::kRetryLater : http::OutcomeOf(end), reason, end.retry_after};
    ended.own_fault = schedule::OwnFault::kNetwork;  // no route, or no socket
    return End(ended);
  }
  AllowLanes(lanes_allowed_ - 1);
  Hold(std::max(kFailedWait, end.retry_after.value_or(Duration(0))));
  Plan();
}

void MirrorGet::AllowLanes(size_t lanes) {
  lanes_allowed_ = std::max<size_t>(1, std::min(lanes, options_.lanes));
  shrunk_at_ = deps_.clock.Now();
}

// No new lane before.
void MirrorGet::Hold(Duration wait) {
  held_until_ = std::max(held_until_, deps_.clock.Now() + wait);
}

// What another mirror says of the size proves nothing against this one: it is asked again when that
// is decided.
void MirrorGet::EndForSize(const Status& status) {
  if (const GetEnd* verdict = deps_.blob->VerdictOn(source_)) return End(GetEnd(*verdict));
  const bool is_open = status.code() == StatusCode::kUnavailable;
  End({is_open ? Outcome::kBusy : Outcome::kAbortRequest, Message(status), {}});
}

void MirrorGet::EndForWrite(const Status& status) {
  Outcome outcome = Outcome::kLocalFault;
  if (status.code() == StatusCode::kOutOfRange) outcome = Outcome::kAbortRequest;
  if (status.code() == StatusCode::kAborted) outcome = Outcome::kBusy;
  End({outcome, Message(status), {}});
}

void MirrorGet::OnBlobChanged() {
  if (phase_ == Phase::kOver) return;
  last_change_ = deps_.clock.Now();
  if (phase_ == Phase::kProbing && lanes_.empty()) return Probe();
  Plan();
  Report(false);
}

void MirrorGet::OnBlobComplete() { End({Outcome::kDone, "", {}}); }

void MirrorGet::OnBlobFailed(const GetEnd& end) { End(end); }

// ---- Telling ----

void MirrorGet::Report(bool force) {
  if (phase_ == Phase::kOver) return;
  const Instant now = deps_.clock.Now();
  if (!force && now - last_report_ < kReportInterval) return;
  last_report_ = now;
  if (joined_) progress_.verified_bytes += deps_.blob->TakeVerifiedBytesFrom(source_);
  progress_.unproven_bytes = deps_.blob->unproven_bytes();
  const auto size = deps_.blob->size();
  progress_.claimed_bytes = size.value_or(0);
  if (deps_.blob->size_proven()) progress_.total_bytes = size;
  TellShare();
  deps_.observer->OnProgress(progress_);
  progress_.arrived = RangeSet();
}

void MirrorGet::End(const GetEnd& end) {
  if (phase_ == Phase::kOver) return;
  Report(true);
  phase_ = Phase::kOver;
  CloseLanes();
  if (sidecar_ != 0) {
    deps_.port->Stop(std::exchange(sidecar_, 0));
    deps_.blob->OnSidecarEnd();
  }
  if (joined_) deps_.blob->Leave(this);
  GetEnd told = end;
  // Nobody's bytes fit, and so the size may be wrong that they claimed.
  if (end.outcome == Outcome::kWrongContent && !deps_.blob->size()) told.line_is_void = true;
  deps_.observer->OnEnded(progress_, told, deps_.blob->over());
}

}  // namespace blobd::transfer
