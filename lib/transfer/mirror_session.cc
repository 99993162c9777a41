#include "transfer/mirror_session.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr Duration kReportInterval = milliseconds(100);
// Children got at once. How many connections that makes is the HTTP client's to say; more waiting
// there keeps them busy.
constexpr size_t kGetsAtOnce = 32;

}  // namespace

MirrorSession::MirrorSession(Deps deps, TransferId id, std::string url, const GetOrder& order,
                             const SizeLimits& limits)
    : deps_(std::move(deps)), id_(id), url_(std::move(url)), kind_(order.kind), limits_(limits) {}

StatusOr<http::Url> MirrorSession::UrlOf(const Hash& hash) const {
  if (!http::UrlTemplate::IsTemplate(url_)) return http::Url::Parse(url_);
  BLOBD_ASSIGN_OR_RETURN(const http::UrlTemplate any, http::UrlTemplate::Parse(url_));
  return any.For(hash);
}

void MirrorSession::Start() {
  if (kind_.format == BlobFormat::kRaw) {
    phase_ = Phase::kGetting;
    return StartGet(kind_.hash);
  }
  if (!http::UrlTemplate::IsTemplate(url_)) {
    return Settle({Outcome::kAbortRequest,
                   "one URL is one blob: a hash sequence is got from a URL with {hash} in it",
                   {}});
  }
  Look();
}

void MirrorSession::Stop() { Settle({Outcome::kStopped, "stopped", {}}); }

// It is one piece of work.
void MirrorSession::LowerLimit(uint64_t) {
  if (phase_ != Phase::kEnded) deps_.observer->OnBoundary(id_, UINT64_MAX);
}

// ---- A sequence: what is missing ----

void MirrorSession::Look() {
  phase_ = Phase::kLooking;
  TakeInventory(
      deps_.store, deps_.strand, kind_,
      [self = shared_from_this()](StatusOr<Inventory> inventory) {
        self->OnInventory(std::move(inventory));
      },
      limits_);
}

void MirrorSession::OnInventory(StatusOr<Inventory> inventory) {
  if (phase_ != Phase::kLooking) return EndIfIdle();
  if (!inventory.ok()) {
    const bool impossible = inventory.status().code() == StatusCode::kFailedPrecondition;
    return Settle({impossible ? Outcome::kImpossible : Outcome::kLocalFault,
                   Message(inventory.status()),
                   {}});
  }
  progress_.total_blobs = inventory->total_blobs();
  progress_.complete_blobs = inventory->complete_blobs();
  if (inventory->complete()) return Settle({Outcome::kDone, "", {}});
  if (lacks_) return Settle(*lacks_);
  // Every round must bring something.
  const std::pair held = {inventory->verified_bytes(), inventory->complete_blobs()};
  if (held_before_ == held)
    return Settle({Outcome::kRetryLater, "its answers add nothing that is missing", {}});
  held_before_ = held;
  phase_ = Phase::kGetting;
  if (inventory->needs_root()) return StartGet(kind_.hash);
  for (const Inventory::Child& child : inventory->children) {
    if (child.blob.state != store::BlobState::kComplete) missing_.push_back(child.blob.hash);
  }
  StartMore();
}

void MirrorSession::StartMore() {
  while (phase_ == Phase::kGetting && !missing_.empty() && gets_.size() < kGetsAtOnce) {
    const Hash hash = missing_.front();
    missing_.pop_front();
    StartGet(hash);
  }
}

// ---- Blobs ----

void MirrorSession::StartGet(const Hash& hash) {
  const auto url = UrlOf(hash);
  if (!url.ok()) return Settle({Outcome::kAbortRequest, Message(url.status()), {}});
  const uint64_t number = ++last_number_;
  gets_[number].hash = hash;
  deps_.gets->GetBlob(number, hash, *url);
}

void MirrorSession::OnBlobProgress(uint64_t number, const MirrorGetProgress& progress) {
  const auto it = gets_.find(number);
  if (it == gets_.end()) return;
  const bool is_news = it->second.progress.state != progress.state;
  it->second.progress = progress;
  Report(is_news && kind_.format == BlobFormat::kRaw);
}

bool MirrorSession::IsLackOfChild(const Hash& hash, Outcome outcome) const {
  const bool is_lack = outcome == Outcome::kAbortRequest || outcome == Outcome::kNotHere;
  return is_lack && hash != kind_.hash;
}

void MirrorSession::OnBlobEnded(uint64_t number, const MirrorGetProgress& progress,
                                const GetEnd& end) {
  const auto it = gets_.find(number);
  if (it == gets_.end()) return;
  const Hash hash = it->second.hash;
  gets_.erase(it);
  ended_.received_bytes += progress.received_bytes;
  ended_.verified_bytes += progress.verified_bytes;
  ended_.moved_bytes += progress.moved_bytes;
  ended_.claimed_bytes = progress.claimed_bytes;
  ended_.total_bytes = progress.total_bytes;
  if (end.outcome == Outcome::kDone) {
    ++progress_.complete_blobs;
    ++progress_.stored_blobs;
  } else if (IsLackOfChild(hash, end.outcome)) {
    if (!lacks_) {
      lacks_ = GetEnd{
          Outcome::kNotHere, fmt::format("it lacks child {}: {}", hash.Short(), end.reason), {}};
    }
  } else {
    GetEnd of_all = end;
    if (hash != kind_.hash) of_all.reason = fmt::format("child {}: {}", hash.Short(), end.reason);
    return Settle(std::move(of_all));
  }
  Report(false);
  StartMore();
  if (!gets_.empty()) return;
  if (phase_ == Phase::kStopping) return EndIfIdle();
  if (kind_.format == BlobFormat::kRaw) return Settle({Outcome::kDone, "", {}});
  Look();
}

// ---- The end ----

void MirrorSession::Settle(GetEnd end) {
  if (phase_ == Phase::kEnded) return;
  if (!end_) end_ = std::move(end);
  phase_ = Phase::kStopping;
  missing_.clear();
  for (const auto& [number, get] : gets_) deps_.gets->StopBlob(number);
  EndIfIdle();
}

void MirrorSession::EndIfIdle() {
  if (phase_ != Phase::kStopping || !gets_.empty()) return;
  Report(true);
  phase_ = Phase::kEnded;
  deps_.observer->OnEnded(id_, progress_, *end_);
}

void MirrorSession::Report(bool force) {
  const Instant now = deps_.clock.Now();
  if (!force && now - last_report_ < kReportInterval) return;
  last_report_ = now;
  progress_.received_bytes = ended_.received_bytes;
  progress_.verified_bytes = ended_.verified_bytes;
  progress_.moved_bytes = ended_.moved_bytes;
  progress_.unproven_bytes = 0;
  for (const auto& [number, get] : gets_) {
    progress_.received_bytes += get.progress.received_bytes;
    progress_.verified_bytes += get.progress.verified_bytes;
    progress_.moved_bytes += get.progress.moved_bytes;
    progress_.unproven_bytes += get.progress.unproven_bytes;
    progress_.state = get.progress.state;
  }
  if (kind_.format == BlobFormat::kRaw) {
    const MirrorGetProgress& one = gets_.empty() ? ended_ : gets_.begin()->second.progress;
    progress_.total_bytes = one.total_bytes;
    progress_.claimed_bytes = one.total_bytes ? 0 : one.claimed_bytes;
    progress_.total_blobs = 1;
  }
  deps_.observer->OnProgress(id_, progress_);
}

}  // namespace blobd::transfer
