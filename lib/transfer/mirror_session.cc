#include "transfer/mirror_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr Duration kReportInterval = milliseconds(100);
// Children got at once. How many connections that makes is the HTTP client's to say; more waiting
// there keeps them busy.
constexpr size_t kGetsAtOnce = 32;
// Small ones that wait to be durable, beside them: more than come meanwhile, so that the server
// does not wait for the disk.
constexpr size_t kMostStoring = 1024;
constexpr uint64_t kMostStoringBytes = 4 << 20;
constexpr uint64_t kStoringCost = 1024;  // of each, beside its bytes
// After so many small children the next ones are expected to be small. Who is wrong waits for
// twice as many.
constexpr size_t kSmallInARow = 4;
constexpr size_t kMostInARow = 1 << 16;

}  // namespace

MirrorSession::MirrorSession(Deps deps, TransferId id, std::string url, const GetOrder& order,
                             const SizeLimits& limits)
    : deps_(std::move(deps)),
      id_(id),
      url_(std::move(url)),
      kind_(order.kind),
      others_(order.others || order.share.has_value()),
      limits_(limits),
      share_(order.share),
      small_needed_(kSmallInARow) {}

StatusOr<http::Url> MirrorSession::UrlOf(const Hash& hash) const {
  if (!http::UrlTemplate::IsTemplate(url_)) return http::Url::Parse(url_);
  BLOBD_ASSIGN_OR_RETURN(const http::UrlTemplate any, http::UrlTemplate::Parse(url_));
  return any.For(hash);
}

// Nobody vouches for the length of a list before all of it is here.
uint64_t MirrorSession::MaxSizeOf(const Hash& hash) const {
  const bool is_list = kind_.format == BlobFormat::kHashSeq && hash == kind_.hash;
  return is_list ? std::min(limits_.max_blob_size, limits_.max_children * sizeof(Hash))
                 : limits_.max_blob_size;
}

void MirrorSession::Start() {
  if (kind_.format == BlobFormat::kRaw) {
    phase_ = Phase::kGetting;
    Wish wish{kind_.hash, 0, {.others = others_}};
    if (share_) {
      wish.share.groups = share_->layout->GroupsIn(0, share_->range);
      wish.share.size = share_->layout->SizeOf(0);
    }
    return StartGet(wish);
  }
  if (!http::UrlTemplate::IsTemplate(url_)) {
    return Settle({Outcome::kAbortRequest,
                   "one URL is one blob: a hash sequence is got from a URL with {hash} in it",
                   {}});
  }
  Look();
}

void MirrorSession::Stop() { Settle({Outcome::kStopped, "stopped", {}}); }

// ---- A sequence: what is missing ----

void MirrorSession::Look() {
  phase_ = Phase::kLooking;
  Places places;
  if (share_) {
    const auto [first, end] = share_->layout->PlacesIn(share_->range);
    places = {first, end};
  }
  TakeInventory(
      deps_.store, deps_.strand, kind_,
      [self = shared_from_this()](StatusOr<Inventory> inventory) {
        self->OnInventory(std::move(inventory));
      },
      limits_, places);
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
  if (share_ && !inventory->needs_root()) {
    for (const Inventory::Child& child : inventory->children) {
      held_.InsertAll(HeldOnLine(*share_->layout, child.place, child.blob));
      if (auto wish = WishFor(child)) missing_.push_back(*wish);
    }
  }
  const bool complete =
      share_ && !inventory->needs_root() ? missing_.empty() : inventory->complete();
  if (complete) return Settle({Outcome::kDone, "", {}});
  if (lacks_) return Settle(*lacks_);
  // Every round must bring something.
  const std::pair held = {inventory->verified_bytes(), inventory->complete_blobs()};
  if (held_before_ == held)
    return Settle({Outcome::kRetryLater, "its answers add nothing that is missing", {}});
  held_before_ = held;
  phase_ = Phase::kGetting;
  if (inventory->needs_root()) return StartGet({kind_.hash, 0, {}});
  for (const Inventory::Child& child : inventory->children) {
    if (share_ || child.blob.state == store::BlobState::kComplete) continue;
    missing_.push_back({child.blob.hash, child.place, {}, child.blob.size > store::kGroupSize});
  }
  StartMore();
}

bool MirrorSession::MayStart() const {
  return gets_.size() - storing_ < kGetsAtOnce && storing_ < kMostStoring &&
         storing_bytes_ < kMostStoringBytes;
}

void MirrorSession::StartMore() {
  while (phase_ == Phase::kGetting && MayStart()) {
    std::deque<Wish>& from = ready_.empty() ? missing_ : ready_;
    if (from.empty() || (ready_.empty() && ExpectsSmall(from.front()))) break;
    const Wish wish = from.front();
    from.pop_front();
    StartGet(wish);
  }
  if (ready_.size() < kGetsAtOnce) LookAhead();
}

void MirrorSession::LookAhead() {
  if (phase_ != Phase::kGetting || unanswered_ > 0 || missing_.empty() ||
      !ExpectsSmall(missing_.front())) {
    return;
  }
  const auto end =
      missing_.begin() + static_cast<ptrdiff_t>(std::min<size_t>(missing_.size(), 2 * kGetsAtOnce));
  looking_.assign(missing_.begin(), end);
  missing_.erase(missing_.begin(), end);
  unanswered_ = looking_.size();
  std::vector<Hash> hashes;
  for (const Wish& wish : looking_) hashes.push_back(wish.hash);
  deps_.store.LookupMany(std::move(hashes), *deps_.strand,
                         [self = shared_from_this()](const std::vector<store::LookedUp>& some) {
                           self->OnLookedUp(some);
                         });
}

void MirrorSession::OnLookedUp(const std::vector<store::LookedUp>& some) {
  unanswered_ -= some.size();
  if (phase_ != Phase::kGetting) return;
  for (const store::LookedUp& each : some) {
    const Wish& wish = looking_[each.index];
    if (IsBehind(wish)) continue;
    if (!each.info.ok() || each.info->state != store::BlobState::kComplete) {
      ready_.push_back(wish);
      continue;
    }
    ++progress_.complete_blobs;
    NoteArrived(wish, each.info->groups);
  }
  GoOn();
}

// To whatever comes next, if that is anything.
void MirrorSession::GoOn() {
  StartMore();
  if (phase_ != Phase::kGetting) return EndIfIdle();
  if (!gets_.empty() || unanswered_ > 0) return;
  if (kind_.format == BlobFormat::kRaw) return Settle({Outcome::kDone, "", {}});
  Look();
}

// ---- Blobs ----

void MirrorSession::StartGet(const Wish& wish) {
  const auto url = UrlOf(wish.hash);
  if (!url.ok()) return Settle({Outcome::kAbortRequest, Message(url.status()), {}});
  const uint64_t number = ++last_number_;
  Get& get = gets_[number];
  get.wish = wish;
  if (!ExpectsSmall(wish))
    return deps_.gets->GetBlob(number, wish.hash, *url, url_, MaxSizeOf(wish.hash), wish.share);
  get.small = std::make_shared<MirrorSmallGet>(
      deps_.store, deps_.strand, wish.hash,
      [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->OnSmallFetched(number);
      },
      [weak = weak_from_this(), number](MirrorSmallGet::Verdict verdict, const GetEnd& end) {
        if (const auto self = weak.lock()) self->OnSmallEnded(number, verdict, end);
      });
  get.small->Start(deps_.gets->OpenFetches(number, wish.hash, *url, get.small),
                   MaxSizeOf(wish.hash));
}

bool MirrorSession::ExpectsSmall(const Wish& wish) const {
  return wish.hash != kind_.hash && !wish.is_large && small_in_a_row_ >= small_needed_;
}

void MirrorSession::OnSmallFetched(uint64_t number) {
  Get& get = gets_.at(number);
  get.is_storing = true;
  ++storing_;
  storing_bytes_ += get.small->progress().claimed_bytes + kStoringCost;
  Report(false);
  StartMore();
}

void MirrorSession::OnSmallEnded(uint64_t number, MirrorSmallGet::Verdict verdict,
                                 const GetEnd& end) {
  using Verdict = MirrorSmallGet::Verdict;
  deps_.gets->CloseFetches(number);
  Get& get = gets_.at(number);
  const MirrorGetProgress progress = std::exchange(get.small, nullptr)->progress();
  if (std::exchange(get.is_storing, false)) {
    --storing_;
    storing_bytes_ -= progress.claimed_bytes + kStoringCost;
  }
  if (verdict == Verdict::kEnded) return OnBlobEnded(number, progress, end);
  ended_.received_bytes += progress.received_bytes;
  if (verdict == Verdict::kWrong) {
    // Others were asked for in the same belief.
    if (small_in_a_row_ >= small_needed_) small_needed_ = std::min(2 * small_needed_, kMostInARow);
    small_in_a_row_ = 0;
  }
  // It was to be stopped when it was over already.
  if (phase_ != Phase::kGetting || get.dropped)
    return OnBlobEnded(number, {}, {Outcome::kStopped, "stopped", {}});
  const Wish& wish = get.wish;
  const auto url = UrlOf(wish.hash);
  if (!url.ok())
    return OnBlobEnded(number, {}, {Outcome::kAbortRequest, Message(url.status()), {}});
  deps_.gets->GetBlob(number, wish.hash, *url, url_, MaxSizeOf(wish.hash), wish.share);
}

void MirrorSession::StopGet(uint64_t number, const Get& get) {
  get.small != nullptr ? get.small->Stop() : deps_.gets->StopBlob(number);
}

void MirrorSession::OnBlobProgress(uint64_t number, const MirrorGetProgress& progress) {
  const auto it = gets_.find(number);
  if (it == gets_.end()) return;
  const bool is_news = it->second.progress.state != progress.state;
  it->second.progress = progress;
  if (kind_.format == BlobFormat::kRaw) TellContent(progress);
  NoteArrived(it->second.wish, progress.arrived);
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
  const Wish wish = it->second.wish;
  const Hash& hash = wish.hash;
  const bool dropped = it->second.dropped;
  gets_.erase(it);
  if (kind_.format == BlobFormat::kRaw) came_ = progress.position;
  NoteArrived(wish, progress.arrived);
  if (lowering_ == number) {
    lowering_.reset();
    if (share_ && !end_) LowerTo(share_->layout->RangeOf(wish.place).end);
  }
  ended_.received_bytes += progress.received_bytes;
  ended_.verified_bytes += progress.verified_bytes;
  ended_.moved_bytes += progress.moved_bytes;
  ended_.claimed_bytes = progress.claimed_bytes;
  ended_.total_bytes = progress.total_bytes;
  if (end.outcome == Outcome::kDone) {
    const bool is_whole = wish.share.groups == Range{0, RangeSet::kOpenEnd};
    if (is_whole) ++progress_.complete_blobs;
    if (is_whole) ++progress_.stored_blobs;
    // Of one that was here already nothing is said.
    if (progress.total_bytes)
      small_in_a_row_ = *progress.total_bytes <= store::kGroupSize ? small_in_a_row_ + 1 : 0;
  } else if (dropped) {
    // What it had is for whoever takes it over.
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
  GoOn();
}

// ---- The end ----

void MirrorSession::Settle(GetEnd end) {
  if (phase_ == Phase::kEnded) return;
  if (!end_) end_ = std::move(end);
  phase_ = Phase::kStopping;
  missing_.clear();
  ready_.clear();
  for (const auto& [number, get] : gets_) StopGet(number, get);
  EndIfIdle();
}

void MirrorSession::EndIfIdle() {
  if (phase_ != Phase::kStopping || !gets_.empty()) return;
  Report(true);
  phase_ = Phase::kEnded;
  // A child's size is not what the line was laid out by.
  if (!share_ || kind_.format != BlobFormat::kRaw) end_->line_is_void = false;
  deps_.observer->OnEnded(id_, progress_, *end_);
}

void MirrorSession::Report(bool force) {
  const Instant now = deps_.clock.Now();
  if (!force && now - last_report_ < kReportInterval) return;
  last_report_ = now;
  progress_.received_bytes = ended_.received_bytes;
  progress_.verified_bytes = ended_.verified_bytes;
  uint64_t moved_bytes = ended_.moved_bytes;
  progress_.unproven_bytes = 0;
  progress_.proof_wanted = RangeSet();
  for (const auto& [number, get] : gets_) {
    const MirrorGetProgress& of = get.small != nullptr ? get.small->progress() : get.progress;
    progress_.received_bytes += of.received_bytes;
    progress_.verified_bytes += of.verified_bytes;
    moved_bytes += of.moved_bytes;
    progress_.unproven_bytes += of.unproven_bytes;
    progress_.state = of.state;
  }
  progress_.moved_bytes = moved_bytes;
  if (kind_.format == BlobFormat::kRaw) {
    const MirrorGetProgress& one = gets_.empty() ? ended_ : gets_.begin()->second.progress;
    progress_.total_bytes = one.total_bytes;
    progress_.claimed_bytes = one.total_bytes ? 0 : one.claimed_bytes;
    progress_.total_blobs = 1;
    progress_.proof_wanted = one.proof_wanted;
  }
  if (share_) {
    progress_.on_line = true;
    progress_.position = Position();
    progress_.arrived = std::exchange(untold_, RangeSet());
    if (progress_.total_bytes) progress_.total_bytes = share_->range.size();
  }
  deps_.observer->OnProgress(id_, progress_);
  progress_.arrived = RangeSet();
}

}  // namespace blobd::transfer
