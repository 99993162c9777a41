#include "transfer/get_session.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

constexpr size_t kSizeHeaderBytes = 8;
constexpr size_t kSmallPiece = 64 * 1024;
// Blobs given to the store and not answered for: more wait undecoded, which holds back credit.
constexpr size_t kMostStoring = 256;
constexpr Duration kReportInterval = milliseconds(100);

// Reset codes of the blobs protocol (protocol/blobs.md, section 7).
constexpr uint64_t kResetPermission = 1;
constexpr uint64_t kResetLimit = 2;
constexpr uint64_t kResetInternal = 3;

}  // namespace

GetSession::GetSession(Deps deps, TransferId id, const Kind& kind)
    : deps_(std::move(deps)), id_(id), kind_(kind) {}

GetSession::~GetSession() = default;

void GetSession::Start() { Look(); }

void GetSession::Stop() {
  if (phase_ == Phase::kEnded || std::exchange(stopped_, true)) return;
  Settle({Outcome::kStopped, "stopped", {}});
}

// ---- Looking: what is missing, and the request for it ----

void GetSession::Look() {
  phase_ = Phase::kLooking;
  ++storing_;
  TakeInventory(deps_.store, deps_.strand, kind_,
                [self = shared_from_this()](StatusOr<Inventory> inventory) {
                  --self->storing_;
                  self->OnInventory(std::move(inventory));
                });
}

void GetSession::OnInventory(StatusOr<Inventory> inventory) {
  if (end_) return SettleOrEnd();
  if (!inventory.ok()) {
    const bool impossible = inventory.status().code() == StatusCode::kFailedPrecondition;
    return Settle({impossible ? Outcome::kImpossible : Outcome::kLocalFault,
                   Message(inventory.status()),
                   {}});
  }
  // Every round must bring something, or a provider could keep us asking for ever.
  const std::pair<uint64_t, uint64_t> held = {inventory->verified_bytes(),
                                              inventory->complete_blobs()};
  if (held_before_ == held)
    return Settle({Outcome::kRetryLater, "its answers add nothing that is missing", {}});
  held_before_ = held;
  progress_.total_blobs = inventory->total_blobs();
  progress_.complete_blobs = inventory->complete_blobs();
  sizes_known_ = sizes_unknown_ = sizes_unproven_ = 0;
  const auto count = [&](const store::BlobInfo& blob) {
    sizes_known_ += blob.size;
    if (!blob.size_proven) ++sizes_unproven_;
    if (!blob.size_proven && blob.size == 0) ++sizes_unknown_;
  };
  count(inventory->root);
  for (const Inventory::Child& child : inventory->children) count(child.blob);
  if (kind_.format == BlobFormat::kHashSeq && !inventory->children_known)
    ++sizes_unknown_, ++sizes_unproven_;

  // Every group is there, only the end was missed: finish such blobs first, then look again.
  const std::vector<Hash> unfinished = BlobsToFinish(*inventory);
  for (const Hash& hash : unfinished) {
    ++storing_;
    deps_.store.OpenWriter(
        hash, *deps_.strand,
        [self = shared_from_this()](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
          --self->storing_;
          const bool was_there = writer.status().code() == StatusCode::kAlreadyExists;
          if (!writer.ok() && !was_there) {
            return self->Settle({Outcome::kLocalFault, Message(writer.status()), {}});
          }
          if (writer.ok()) self->FinishBlob(*writer);
          self->SettleOrEnd();
        });
  }
  if (!unfinished.empty()) {
    phase_ = Phase::kSettling;
    return;
  }
  auto plan = NextGetPlan(*inventory);
  if (!plan) {
    BLOBD_CHECK(inventory->complete());
    return Settle({Outcome::kDone, "", {}});
  }
  Ask(*std::move(plan));
}

void GetSession::Ask(GetPlan plan) {
  plan_ = std::move(plan);
  target_ = 0;
  input_.clear();
  input_used_ = 0;
  stream_end_.reset();
  stream_open_ = true;
  phase_ = Phase::kReceiving;
  progress_.state = GetState::kRequesting;
  deps_.port->Open(++stream_, std::move(plan_.request));
  ReportProgress(true);
  BeginTarget();
}

void GetSession::BeginTarget() {
  const GetTarget& target = plan_.targets[target_];
  decoder_.emplace(target.hash, target.wanted, kMaxBlobSize);
  header_bytes_ = 0;
  small_ = false;
  small_content_.clear();
  writer_.reset();
}

// ---- Receiving ----

void GetSession::OnBytes(uint64_t stream, Bytes bytes) {
  progress_.received_bytes += bytes.size();
  if (stream != stream_ || phase_ != Phase::kReceiving) {
    deps_.port->Consumed(stream, bytes.size());
    return;
  }
  progress_.state = GetState::kReceiving;
  // Small pieces that wait behind another are joined, so that a trickle costs no more than its
  // bytes.
  if (input_.size() > 1 && input_.back().size() < kSmallPiece) {
    input_.back().insert(input_.back().end(), bytes.begin(), bytes.end());
  } else {
    input_.push_back(std::move(bytes));
  }
  Decode();
}

void GetSession::OnStreamEnd(uint64_t stream, StreamEnd end) {
  if (stream != stream_ || !stream_open_) return;
  stream_open_ = false;
  if (phase_ != Phase::kReceiving) return;
  stream_end_ = std::move(end);
  // A reset may overtake data that is still here: what has verified is kept, so decode first.
  Decode();
}

void GetSession::Decode() {
  while (phase_ == Phase::kReceiving && !opening_ && storing_ < kMostStoring && !input_.empty()) {
    const ByteView bytes = ByteView(input_.front()).subspan(input_used_);
    size_t used = 0;
    if (!DecodeSome(bytes, &used)) return;
    input_used_ += used;
    if (input_used_ == input_.front().size()) {
      deps_.port->Consumed(stream_, input_.front().size());
      input_.pop_front();
      input_used_ = 0;
    }
    if (phase_ == Phase::kReceiving && !opening_ && decoder_->done()) FinishTarget();
  }
  // A blob whose answer is a bare header (the empty one) is done without further bytes.
  if (phase_ != Phase::kReceiving || opening_) return;
  ReportProgress(false);
  if (stream_end_ && input_.empty()) StreamEndedEarly(*stream_end_);
}

// Feeds one piece; false when that ended the transfer.
bool GetSession::DecodeSome(ByteView bytes, size_t* used) {
  // The header goes in alone: the size decides where the content goes.
  feeding_ = header_bytes_ < kSizeHeaderBytes
                 ? bytes.first(std::min(bytes.size(), kSizeHeaderBytes - header_bytes_))
                 : bytes;
  const bool in_header = header_bytes_ < kSizeHeaderBytes;
  *used = decoder_->Feed(feeding_, *this);
  if (in_header) header_bytes_ += *used;
  FlushWrites();
  if (writer_ != nullptr) {
    // Before the last group can be read its size must be known.
    if (decoder_->size_proven()) writer_->ProveSize(*decoder_->claimed_size());
    writer_->Publish();
  }
  if (!write_status_.ok()) {
    Settle({Outcome::kLocalFault, Message(write_status_), {}});
    return false;
  }
  if (decoder_->error() != bao::DecodeError::kNone) {
    FailDecoding();
    return false;
  }
  return true;
}

void GetSession::OnSize(uint64_t claimed) {
  const GetTarget& target = plan_.targets[target_];
  if (target.known_size == 0) {
    if (target.claimed_size == 0 && sizes_unknown_ > 0) --sizes_unknown_;
    sizes_known_ += claimed - target.claimed_size;
  }
  small_ = target.whole && claimed <= kGroupSize;
  if (!small_) OpenWriter();
}

void GetSession::OpenWriter() {
  opening_ = true;
  ++storing_;
  deps_.store.OpenWriter(
      plan_.targets[target_].hash, *deps_.strand,
      [self = shared_from_this()](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
        --self->storing_;
        self->opening_ = false;
        if (self->end_) return self->SettleOrEnd();
        // Complete already: somebody else was faster. What still comes is checked and let go.
        const bool was_there = writer.status().code() == StatusCode::kAlreadyExists;
        if (!writer.ok() && !was_there) {
          return self->Settle({Outcome::kLocalFault, Message(writer.status()), {}});
        }
        if (writer.ok()) {
          self->writer_ = *std::move(writer);
          self->writer_->ClaimSize(*self->decoder_->claimed_size());
        }
        if (self->decoder_->done()) self->FinishTarget();
        self->Decode();
      });
}

void GetSession::OnLeaf(const bao::Leaf& leaf) {
  progress_.verified_bytes += leaf.data.size();
  if (small_) {
    small_content_.insert(small_content_.end(), leaf.data.begin(), leaf.data.end());
    return;
  }
  if (writer_ == nullptr) return;
  for (const bao::PathPair& pair : leaf.pairs) pairs_.push_back({pair.index, pair.hashes});
  if (!leaf.whole_group) return;  // the proof of a size; its group comes with its own request
  groups_.push_back({leaf.offset / kGroupSize, leaf.data});
  // Data outside of what is being fed lies in the decoder's buffer and does not outlive this call.
  const bool lasting = leaf.data.data() >= feeding_.data() &&
                       leaf.data.data() + leaf.data.size() <= feeding_.data() + feeding_.size();
  if (!lasting) FlushWrites();
}

void GetSession::FlushWrites() {
  if (groups_.empty() && pairs_.empty()) return;
  if (write_status_.ok()) write_status_ = writer_->Write(groups_, pairs_);
  groups_.clear();
  pairs_.clear();
}

void GetSession::FinishTarget() {
  const GetTarget& target = plan_.targets[target_];
  if (decoder_->size_proven() && target.known_size == 0 && sizes_unproven_ > 0) --sizes_unproven_;
  if (small_) {
    ++storing_;
    deps_.store.PutSmall(
        target.hash, std::move(small_content_), *deps_.strand,
        [self = shared_from_this()](const Status& status) { self->OnBlobStored(status); });
    small_content_ = Bytes();
  } else if (writer_ != nullptr) {
    FinishBlob(writer_);
  }
  writer_.reset();
  ++target_;
  if (target_ < plan_.targets.size()) return BeginTarget();
  // A complete answer: what may come behind it is not wanted, and FIN need not be waited for.
  for (const Bytes& rest : input_) deps_.port->Consumed(stream_, rest.size());
  input_.clear();
  input_used_ = 0;
  deps_.port->Stop(stream_);
  phase_ = Phase::kSettling;
  progress_.state = GetState::kVerifying;
  ReportProgress(true);
  SettleOrEnd();
}

void GetSession::FinishBlob(const std::shared_ptr<store::BlobWriter>& writer) {
  ++storing_;
  writer->Finish(*deps_.strand, [self = shared_from_this(), writer](const Status& status) {
    self->OnBlobStored(status);
  });
}

void GetSession::OnBlobStored(const Status& status) {
  --storing_;
  if (status.ok()) {
    ++progress_.complete_blobs;
    ReportProgress(false);
    if (phase_ == Phase::kReceiving && storing_ == kMostStoring / 2) return Decode();
  } else if (status.code() != StatusCode::kFailedPrecondition && !end_) {
    // kFailedPrecondition: groups are missing still; the next look finds them.
    return Settle({Outcome::kLocalFault, Message(status), {}});
  }
  SettleOrEnd();
}

// ---- Ending ----

std::string GetSession::TargetName() const {
  const Hash& hash = plan_.targets[target_].hash;
  if (hash == kind_.hash) return fmt::format("blob {}", hash.Short());
  return fmt::format("child {} of {}", hash.Short(), kind_.hash.Short());
}

void GetSession::FailDecoding() {
  const bao::DecodeError error = decoder_->error();
  std::string reason;
  switch (error) {
    case bao::DecodeError::kNone:
      BLOBD_CHECK(false);
      break;
    case bao::DecodeError::kWrongSize:
      reason = fmt::format("declared an impossible size ({} bytes) for {}",
                           decoder_->claimed_size().value_or(0), TargetName());
      break;
    case bao::DecodeError::kWrongPair:
      reason = fmt::format("sent a hash pair that does not fit {} of claimed size {}", TargetName(),
                           decoder_->claimed_size().value_or(0));
      break;
    case bao::DecodeError::kWrongLeaf:
      reason = fmt::format("sent data that does not fit {}", TargetName());
      break;
  }
  Settle({Outcome::kDropProvider, std::move(reason), {}});
}

void GetSession::StreamEndedEarly(const StreamEnd& end) {
  const auto not_here = [&] {
    const bool root_missing = plan_.targets[target_].hash == kind_.hash && !decoder_->started();
    return GetEnd{Outcome::kNotHere,
                  decoder_->started()
                      ? fmt::format("not here: it holds only a part of {}", TargetName())
                  : root_missing ? fmt::format("not here: it does not have {}", TargetName())
                                 : fmt::format("not here: it lacks {}", TargetName()),
                  {}};
  };
  switch (end.kind) {
    case StreamEnd::Kind::kFinished:
      return Settle(not_here());
    case StreamEnd::Kind::kReset:
      if (end.code == kResetInternal) return Settle(not_here());
      if (end.code == kResetPermission)
        return Settle({Outcome::kAbortRequest, "it refuses: no permission", {}});
      if (end.code == kResetLimit) return Settle({Outcome::kBusy, "it is at its limit", {}});
      return Settle(
          {Outcome::kRetryLater, fmt::format("it reset the stream with code {}", end.code), {}});
    case StreamEnd::Kind::kLost:
    case StreamEnd::Kind::kRefused:
    case StreamEnd::Kind::kStalled:
      return Settle({Outcome::kRetryLater, end.reason, {}});
    case StreamEnd::Kind::kStopped:
      return Settle({Outcome::kStopped, end.reason, {}});
  }
}

// Decides how it ends; the first decision stands.
void GetSession::Settle(GetEnd end) {
  if (!end_) end_ = std::move(end);
  if (phase_ == Phase::kReceiving) {
    for (const Bytes& rest : input_) deps_.port->Consumed(stream_, rest.size());
    input_.clear();
    input_used_ = 0;
    deps_.port->Stop(stream_);
    writer_.reset();
  }
  phase_ = Phase::kSettling;
  SettleOrEnd();
}

void GetSession::SettleOrEnd() {
  if (phase_ != Phase::kSettling || storing_ > 0) return;
  if (!end_) return Look();  // all of the last request is stored; is there more?
  phase_ = Phase::kEnded;
  progress_.state = GetState::kVerifying;
  UpdateTotals();
  deps_.observer->OnEnded(id_, progress_, *end_);
}

void GetSession::ReportProgress(bool force) {
  const Instant now = deps_.clock.Now();
  if (!force && now - last_report_ < kReportInterval) return;
  last_report_ = now;
  UpdateTotals();
  deps_.observer->OnProgress(id_, progress_);
}

void GetSession::UpdateTotals() {
  progress_.claimed_bytes = sizes_unknown_ == 0 ? sizes_known_ : 0;
  progress_.total_bytes.reset();
  if (sizes_unproven_ == 0) progress_.total_bytes = sizes_known_;
}

}  // namespace blobd::transfer
