// Looking, lanes and writing; how it ends is in get_session_end.cc.
#include "transfer/get_session.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "transfer/get_end.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

// Blobs given to the store and not answered for: more wait undecoded, which holds back credit.
constexpr size_t kMostStoring = 256;
// Small ones are counted apart: the more of them wait, the more share a transaction.
constexpr size_t kMostSmall = 1024;
constexpr uint64_t kMostSmallBytes = 4 << 20;
constexpr uint64_t kSmallCost = 1024;  // of each, beside its bytes
// Writers open at once for blobs that only need to be finished.
constexpr size_t kMostFinishing = 64;

GetOptions WithOthers(GetOptions options, const GetOrder& order) {
  options.shared = options.shared || order.others || order.share.has_value();
  return options;
}

}  // namespace

GetSession::GetSession(Deps deps, TransferId id, const GetOrder& order, const GetOptions& options)
    : deps_(std::move(deps)),
      id_(id),
      kind_(order.kind),
      others_(order.others),
      options_(WithOthers(options, order)),
      share_(order.share),
      share_total_(order.share ? order.share->range.size() : 0),
      lane_limit_(options.lanes) {
  BLOBD_CHECK(options.lanes > 0);
}

GetSession::~GetSession() = default;

void GetSession::Start() {
  JoinClaims();
  Look();
}

// ---- Looking: what is missing ----

void GetSession::Look() {
  phase_ = Phase::kLooking;
  looked_.reset();
  early_.clear();
  if (std::exchange(moved_, false)) {
    held_before_.reset();  // that nothing came is not the provider's doing
    unanswered_.clear();
  }
  if (claims_) news_ = claims_->News();
  ++storing_;
  TakeInventory(
      deps_.store, deps_.strand, kind_,
      [self = shared_from_this()](StatusOr<Inventory> inventory) {
        --self->storing_;
        self->OnInventory(std::move(inventory));
      },
      options_.limits, PlacesToLookAt());
}

void GetSession::OnInventory(StatusOr<Inventory> inventory) {
  if (end_) return SettleOrEnd();
  if (!inventory.ok()) {
    const bool impossible = inventory.status().code() == StatusCode::kFailedPrecondition;
    return Settle({impossible ? Outcome::kImpossible : Outcome::kLocalFault,
                   Message(inventory.status()),
                   {}});
  }
  if (inventory->root.size_proven && EndIfLineIsVoid(inventory->root.size)) return;
  if (!inventory->root.size_proven) ProveClaim();
  TakeStock(*inventory);
  const bool on_line = share_ && !inventory->needs_root();
  const uint64_t missing_on_line = on_line ? held_.Missing(share_->range).Count() : 0;
  const bool complete = on_line ? missing_on_line == 0 : inventory->complete();
  to_finish_ = BlobsToFinish(*inventory);
  // Every round must bring something, or a provider could keep us asking for ever.
  const std::pair<uint64_t, uint64_t> held = {
      on_line ? share_->range.size() - missing_on_line : inventory->verified_bytes(),
      inventory->complete_blobs()};
  if (held_before_ == held && (!complete || !to_finish_.empty()))
    return Settle({Outcome::kRetryLater, "its answers add nothing that is missing", {}});
  held_before_ = held;
  progress_.total_blobs = inventory->total_blobs();
  progress_.complete_blobs = inventory->complete_blobs();
  if (!complete && to_finish_.empty()) SeekContent(*inventory);
  work_.emplace(*std::move(inventory), options_, share_);
  if (by_hash_) work_->AskByHash();
  if (!to_finish_.empty()) {
    phase_ = Phase::kSettling;
    return FinishHeld();
  }
  if (complete) return Settle({Outcome::kDone, "", {}});
  phase_ = Phase::kReceiving;
  progress_.state = GetState::kRequesting;
  if (looked_ && AllSizesKnown(*looked_)) {
    TellContent();
  } else if (looked_ && !sizes_asked_ && !by_hash_) {
    sizes_asked_ = true;
    if (auto sizes = work_->NextSizes()) OpenLane(*std::move(sizes));
  }
  OpenLanes();
  OpenProof();
  if (idle()) return GoOn();
  ReportProgress(true);
}

// Every group is there, only the end was missed: such blobs are finished first, then it looks
// again.
void GetSession::FinishHeld() {
  while (!end_ && !to_finish_.empty() && storing_ < kMostFinishing) {
    const Hash hash = to_finish_.back();
    to_finish_.pop_back();
    ++storing_;
    deps_.store.OpenWriter(
        hash, *deps_.strand,
        [self = shared_from_this()](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
          --self->storing_;
          const bool was_there = writer.status().code() == StatusCode::kAlreadyExists;
          if (!writer.ok() && !was_there)
            return self->Settle({Outcome::kLocalFault, Message(writer.status()), {}});
          if (writer.ok() && !self->end_) self->FinishBlob(*writer, [](const Status&) {});
          self->SettleOrEnd();
        });
  }
}

// ---- Lanes ----

size_t GetSession::LanesAllowed() const {
  if (given_up_ || moved_ || !unanswered_.empty()) return 0;
  // Whether it answers such questions at all is found out with one.
  if (by_hash_ && !answered_) return 1;
  return lane_limit_;
}

void GetSession::OpenLanes() {
  while (lanes_.size() + checks_.size() < LanesAllowed()) {
    auto part = NextPart();
    if (!part) return;
    const bool is_stale = claims_ && claims_->News() != news_;
    is_stale ? CheckPart(*std::move(part)) : OpenLane(*std::move(part));
  }
}

void GetSession::OpenLane(GetPart&& part) {
  const uint64_t stream = ++last_stream_;
  Bytes request = work_->RequestFor(part);
  // A stream that takes the place of another will be allowed as soon as the provider has noticed
  // that end; only beyond that it is a question whether it allows more.
  const bool patient = lanes_.size() < lanes_answering_;
  lanes_.try_emplace(stream, stream, std::move(part), options_.limits.max_blob_size, patient);
  deps_.port->Open(stream, std::move(request), patient);
}

// What it has not decoded is not wanted. `answered`: nothing of it is missing.
void GetSession::CloseLane(const GetLane& lane, bool answered) {
  if (!answered) Release(lane, lane.number_of_target(), 0);
  const auto it = lanes_.find(lane.stream());
  const uint64_t stream = it->first;
  const uint64_t bytes = it->second.Discard();
  lanes_.erase(it);
  if (bytes > 0) deps_.port->Consumed(stream, bytes);
  deps_.port->Stop(stream);
}

// A lane has ended: another takes what is next, or all has come that will.
void GetSession::GoOn() {
  if (phase_ != Phase::kReceiving) return;
  if (idle() && !unanswered_.empty() && !moved_) AskByHash();
  OpenLanes();
  if (!idle() || observation_) return;
  if (not_here_ && (given_up_ || !moved_)) return Settle(*not_here_);
  if (LanesAllowed() > 0 && work_->left_out()) return WaitForOthers();
  phase_ = Phase::kSettling;
  progress_.state = GetState::kVerifying;
  ReportProgress(true);
  SettleOrEnd();
}

void GetSession::OnBytes(uint64_t stream, Bytes bytes) {
  progress_.received_bytes += bytes.size();
  if (observation_ && observation_->stream == stream) return OnObserved(std::move(bytes));
  const auto it = lanes_.find(stream);
  if (it == lanes_.end()) return deps_.port->Consumed(stream, bytes.size());
  progress_.state = GetState::kReceiving;
  it->second.Add(std::move(bytes));
  if (!answered_) OnFirstByte();
  const auto answering = std::count_if(lanes_.begin(), lanes_.end(),
                                       [](const auto& lane) { return lane.second.received(); });
  lanes_answering_ = std::max(lanes_answering_, static_cast<size_t>(answering));
  Drive(it->second);
}

void GetSession::OnStreamEnd(uint64_t stream, StreamEnd end) {
  if (observation_ && observation_->stream == stream) return OnObservationEnd(end);
  const auto it = lanes_.find(stream);
  if (it == lanes_.end() || it->second.end()) return;
  it->second.End(std::move(end));
  Drive(it->second);
}

// Decodes what the lane has, as far as the store keeps pace. The lane may be closed by it.
void GetSession::Drive(GetLane& lane) {
  while (!lane.waiting()) {
    if (storing_ - small_.count >= kMostStoring || small_.count >= kMostSmall ||
        small_.bytes >= kMostSmallBytes) {
      paused_ = true;
      return;
    }
    const GetLane::Step step = lane.Advance();
    SettleAccounts(lane);
    if (!CheckProof(lane)) return;
    switch (step) {
      case GetLane::Step::kStarved:
        if (lane.end()) OnLaneEnded(lane);
        return;
      case GetLane::Step::kDecoded:
        ReportProgress(false);
        break;
      case GetLane::Step::kSized:
        if (!Admit(lane)) return;
        break;
      case GetLane::Step::kAnswered:
        if (!OnAnswered(lane)) return;
        break;
      case GetLane::Step::kFailed:
        if (!lane.write_status().ok())
          return Settle({Outcome::kLocalFault, Message(lane.write_status()), {}});
        return Settle(
            WrongAnswer(kind_, lane.target(), lane.error(), lane.claimed_size(), options_.limits));
    }
  }
}

void GetSession::DriveAll() {
  std::vector<uint64_t> streams;
  for (const auto& [stream, lane] : lanes_) streams.push_back(stream);
  for (const uint64_t stream : streams) {
    // Driving one lane may have closed others.
    if (const auto it = lanes_.find(stream); it != lanes_.end()) Drive(it->second);
  }
}

void GetSession::SettleAccounts(GetLane& lane) {
  progress_.verified_bytes += lane.TakeVerified();
  if (const RangeSet groups = lane.TakeGroups(); !groups.empty() && lane.write_status().ok()) {
    NoteGroups(lane.target(), groups);
    GotGroups(lane.target().hash, groups);
  }
  if (const uint64_t bytes = lane.TakeConsumed(); bytes > 0)
    deps_.port->Consumed(lane.stream(), bytes);
}

// False if the size that is proven now ends the transfer.
bool GetSession::CheckProof(GetLane& lane) {
  if (!lane.TakeProof()) return true;
  const GetTarget& target = lane.target();
  if (lane.part().only_sizes || lane.part().is_proof) return true;
  work_->Proven(target);
  if (IsOnLine(target)) {
    if (kind_.format == BlobFormat::kRaw && !share_) {
      looked_->root.size = lane.claimed_size();
      looked_->root.size_proven = true;
      if (EndIfLineIsVoid(lane.claimed_size())) return false;
      TellContent();
    }
    return true;
  }
  const Status status = CheckHashSeqSize(kind_.hash, lane.claimed_size(), options_.limits);
  if (!status.ok()) Settle({Outcome::kImpossible, Message(status), {}});
  return status.ok();
}

// Decides where a blob goes, now that its size is claimed. False if the claim ends the transfer.
bool GetSession::Admit(GetLane& lane) {
  const GetTarget& target = lane.target();
  const uint64_t size = lane.claimed_size();
  if (target.size && *target.size != size) {
    if (DropLine(lane)) return false;
    Settle(WrongSize(kind_, target, size));
    return false;
  }
  if (lane.part().only_sizes) {
    lane.WriteTo(nullptr);
    return true;
  }
  if (!lane.part().is_proof) work_->Sized(target, size);
  if (target.untouched && size <= kGroupSize) {
    lane.Collect();
    return true;
  }
  // One writer per blob is shared by all lanes.
  bool opening = false;
  for (const auto& [stream, other] : lanes_) {
    if (&other == &lane || other.target().hash != target.hash || other.part().only_sizes) continue;
    if (other.writer() != nullptr) {
      lane.WriteTo(other.writer());
      break;
    }
    opening = opening || other.waiting();
  }
  if (lane.waiting() && !opening) OpenWriter(target.hash);
  OpenLanes();
  return true;
}

// False if it was the lane's last target.
bool GetSession::OnAnswered(GetLane& lane) {
  const GetTarget& target = lane.target();
  const bool only_sizes = lane.part().only_sizes;
  if (only_sizes) {
    sizes_.resize(std::max(sizes_.size(), target.place + 1));
    sizes_[target.place] = lane.claimed_size();
  }
  const bool is_work = !only_sizes && !lane.part().is_proof;
  const bool all_has_come = is_work && work_->Answered(target);
  fruitless_ = 0;
  if (lane.collecting()) {
    Bytes content = lane.TakeSmall();
    const uint64_t size = content.size() + kSmallCost;
    ++storing_;
    ++small_.count;
    small_.bytes += size;
    deps_.store.PutSmall(target.hash, std::move(content), *deps_.strand,
                         [self = shared_from_this(), target, size](const Status& status) {
                           --self->small_.count;
                           self->small_.bytes -= size;
                           self->OnBlobStored(target, status);
                         });
  } else if (lane.writer() != nullptr && all_has_come) {
    FinishBlob(lane.writer(), [this, target](const Status& status) {
      if (status.ok()) NoteBlob(target);
      ReleaseTarget(target);
    });
  } else {
    ReleaseAnswered(lane);
  }
  if (lane.NextTarget()) return true;
  // A complete answer: what may come behind it is not wanted, and FIN need not be waited for.
  const uint64_t behind = lane.is_cut() ? 0 : lane.undecoded();
  if (behind > 0 && note_.empty())
    note_ = fmt::format("it sent {} bytes or more behind a complete answer", behind);
  CloseLane(lane, true);
  if (only_sizes) TellContent();
  GoOn();
  return false;
}

// ---- Writing ----

void GetSession::OpenWriter(const Hash& hash) {
  ++storing_;
  deps_.store.OpenWriter(
      hash, *deps_.strand,
      [self = shared_from_this(), hash](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
        self->OnWriter(hash, std::move(writer));
      });
}

void GetSession::OnWriter(const Hash& hash, StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
  --storing_;
  if (end_) return SettleOrEnd();
  const bool was_there = writer.status().code() == StatusCode::kAlreadyExists;
  if (!writer.ok() && !was_there)
    return Settle({Outcome::kLocalFault, Message(writer.status()), {}});
  bool claimed = false;
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    GetLane& lane = (it++)->second;
    if (!lane.waiting() || lane.target().hash != hash || lane.part().only_sizes) continue;
    if (writer.ok()) {
      if (!std::exchange(claimed, true)) (*writer)->ClaimSize(lane.claimed_size());
      lane.WriteTo(*writer);
      continue;
    }
    // Complete already: somebody else was faster. What still comes of it in the middle of a run is
    // checked and let go.
    if (!lane.part().is_proof) work_->Drop(lane.target());
    NoteBlob(lane.target());
    lane.WriteTo(nullptr);
    if (lane.Tail().targets.empty()) CloseLane(lane);
  }
  if (was_there) GoOn();
  paused_ = false;
  DriveAll();
  SettleOrEnd();  // the lanes that asked for it may be gone
}

void GetSession::FinishBlob(const std::shared_ptr<store::BlobWriter>& writer,
                            UniqueFunction<void(const Status&)> done) {
  ++storing_;
  writer->Finish(*deps_.strand, [self = shared_from_this(), writer,
                                 done = std::move(done)](const Status& status) mutable {
    done(status);
    self->OnStored(status);
  });
}

void GetSession::OnBlobStored(const GetTarget& target, const Status& status) {
  if (status.ok()) {
    NoteBlob(target);
    GotGroups(target.hash, RangeSet::All());
  }
  ReleaseTarget(target);
  OnStored(status);
}

void GetSession::OnStored(const Status& status) {
  --storing_;
  if (status.ok()) {
    ++progress_.complete_blobs;
    ++progress_.stored_blobs;
    ReportProgress(false);
  } else if (status.code() != StatusCode::kFailedPrecondition && !end_) {
    // kFailedPrecondition: groups are missing still; the next look finds them.
    return Settle({Outcome::kLocalFault, Message(status), {}});
  }
  if (paused_ && storing_ - small_.count <= kMostStoring / 2 && small_.count <= kMostSmall / 2 &&
      small_.bytes <= kMostSmallBytes / 2) {
    paused_ = false;
    DriveAll();
  }
  SettleOrEnd();
}

}  // namespace blobd::transfer
