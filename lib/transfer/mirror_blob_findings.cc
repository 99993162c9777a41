// What follows from bytes and proofs, and what others verified. See mirror_blob.h.
#include <utility>
#include <vector>

#include "bao/fold.h"
#include "bao/tree.h"
#include "base/check.h"
#include "base/overloaded.h"
#include "base/units.h"
#include "blake3/chaining_value.h"
#include "transfer/mirror_blob.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

// What would be thrown away of a smaller one is not worth a request.
constexpr uint64_t kLeastWithSidecar = 8 * kMiB;
constexpr int kMostUnclearBeats = 3;

}  // namespace

// After an error of its own writes nothing that is here counts: it could be claimed without its
// proof.
Status MirrorBlob::Apply() {
  Status status;
  while (status.ok() && !findings_.empty() && phase_ == Phase::kOpen) {
    bao::Findings found = std::exchange(findings_, {});
    for (bao::Finding& finding : found) {
      if (!status.ok()) break;
      std::visit(Overloaded{
                     [&](bao::Pairs& f) { status = OnPairs(f); },
                     [&](const bao::Verified& f) { status = OnVerified(f.groups); },
                     [&](const bao::Discard& f) {
                       small_.clear();
                       if (log_) log_->Discard(f.groups);
                       NoteWritten(0, RangeSet(f.groups));
                       LearnAgain(RangeSet(f.groups));
                       TellUsers();
                     },
                     [&](const bao::Blame& f) { OnBlame(f); },
                     [&](const bao::Unclear& f) { OnUnclear(f); },
                     [&](const bao::FetchAgain& f) { OnFetchAgain(f); },
                     [&](const bao::Exhausted&) { OnExhausted(); },
                 },
                 finding);
    }
  }
  if (!status.ok()) {
    Break({Outcome::kLocalFault, Message(status), {}});
    return status;
  }
  if (phase_ != Phase::kOpen) return OkStatus();
  if (std::exchange(taken_, false)) {
    writer_->Publish();
    TellUsers();
  }
  if (!unproven_ || !unproven_->complete()) return Admit();
  Finish();
  return OkStatus();
}

Status MirrorBlob::OnPairs(bao::Pairs& found) {
  if (found.block.empty()) return WritePairs(found.pairs);
  std::vector<bao::PathPair>& kept = block_pairs_[found.block.begin];
  pairs_kept_ -= kept.size();
  pairs_memory_.Shrink(kept.size() * sizeof(bao::PathPair));
  kept = std::move(found.pairs);
  if (pairs_kept_ + kept.size() <= kMostPairs &&
      pairs_memory_.Grow(kept.size() * sizeof(bao::PathPair))) {
    pairs_kept_ += kept.size();
  } else {
    block_pairs_.erase(found.block.begin);
  }
  return OkStatus();
}

Status MirrorBlob::WritePairs(const std::vector<bao::PathPair>& known) {
  std::vector<store::OutboardPair> pairs;
  pairs.reserve(known.size());
  for (const bao::PathPair& pair : known) pairs.push_back({pair.index, pair.hashes});
  return writer_->Write({}, pairs);
}

// Those of all blocks in there, which are verified now.
Status MirrorBlob::WritePairsWithin(Range groups) {
  const uint64_t unit = unproven_->proven().block_groups();
  for (uint64_t at = groups.begin; at < groups.end; at += unit) {
    const auto kept = block_pairs_.extract(at);
    if (!kept.empty()) {
      pairs_kept_ -= kept.mapped().size();
      pairs_memory_.Shrink(kept.mapped().size() * sizeof(bao::PathPair));
      BLOBD_RETURN_IF_ERROR(WritePairs(kept.mapped()));
      continue;
    }
    BLOBD_ASSIGN_OR_RETURN(const std::vector<bao::PathPair> pairs,
                           PairsFromData({at, std::min(at + unit, groups.end)}));
    BLOBD_RETURN_IF_ERROR(WritePairs(pairs));
  }
  return OkStatus();
}

StatusOr<std::vector<bao::PathPair>> MirrorBlob::PairsFromData(Range block) {
  std::vector<bao::ChainingValue> values;
  Bytes group(kGroupSize);
  for (uint64_t at = block.begin; at < block.end; ++at) {
    const uint64_t size = std::min(kGroupSize, *size_ - at * kGroupSize);
    const MutableBytes bytes = MutableBytes(group).first(size);
    BLOBD_ASSIGN_OR_RETURN(const size_t count, writer_->ReadUnproven(at * kGroupSize, bytes));
    if (count != size) return DataLoss("the data of blob {} is not there", hash_.Short());
    values.push_back(blake3::SubtreeValue(bytes, at * bao::kGroupChunks, false));
  }
  const uint64_t count = unproven_->proven().groups();
  std::vector<bao::PathPair> pairs;
  const bool is_root = block.begin == 0 && block.end == count;
  const bao::ChainingValue value = bao::FoldPairs(values, block.begin, 0, count, is_root, pairs);
  // The pairs are proven by what was read before; what is there now must be the same.
  if (value != unproven_->BlockValue(block.begin))
    return DataLoss("the data of blob {} changed on the disk", hash_.Short());
  return pairs;
}

Status MirrorBlob::OnVerified(Range groups) {
  RangeSet ours(groups);
  ours.RemoveAll(foreign_);
  known_.Insert(groups);
  taken_ = true;
  if (unproven_->proven().groups() == 1) {
    const store::VerifiedGroup all{0, small_};
    if (!ours.empty()) BLOBD_RETURN_IF_ERROR(writer_->Write({&all, 1}, {}));
  } else {
    BLOBD_RETURN_IF_ERROR(WritePairsWithin(groups));
    writer_->TakeAsVerified(ours);
  }
  if (groups.end == unproven_->proven().groups()) OnSizeProven();
  return OkStatus();
}

void MirrorBlob::OnBlame(const bao::Blame& blame) {
  Source& source = sources_.at(blame.source);
  if (blame.proven) {
    source.verdict = GetEnd{Outcome::kDropProvider,
                            "it sent wrong bytes: content does not match, which others prove",
                            {}};
  } else if (!source.verdict) {
    source.verdict = GetEnd{Outcome::kWrongContent,
                            "content does not match: what it sent is not what the hash names",
                            {}};
  }
  if (blame.proven && on_blame_ && !IsUsed(blame.source)) {
    on_blame_(source.provider.empty() ? source.url : source.provider, source.verdict->reason);
  }
  if (unproven_) unproven_->OnSourceGone(blame.source, findings_);
  TellUsers();
}

// Whoever has proof can say who it was, at the cost of a group for each cut. Without, or if nobody
// answers for some seconds, it is found out by fetching again.
void MirrorBlob::OnUnclear(const bao::Unclear& unclear) {
  if (!has_help()) {
    if (unproven_) unproven_->Compare(findings_);
    return;
  }
  for (const uint64_t cut : unclear.cuts) unclear_cuts_.Insert({cut, cut + 1});
  unclear_beats_ = 0;
  TellUsers();
}

void MirrorBlob::Beat() {
  if (phase_ != Phase::kOpen || unclear_cuts_.empty() || ++unclear_beats_ < kMostUnclearBeats)
    return;
  unclear_cuts_ = RangeSet();
  if (unproven_) unproven_->Compare(findings_);
  (void)Apply();
}

void MirrorBlob::OnFetchAgain(const bao::FetchAgain& again) {
  LearnAgain(again.groups);
  if (!IsUsed(again.source)) return unproven_->OnSourceGone(again.source, findings_);
  TellUsers();
}

// Nobody's bytes fit. If the size was only claimed, another may be followed.
void MirrorBlob::OnExhausted() {
  for (auto& [id, source] : sources_) {
    if (source.verdict || !IsUsed(id)) continue;
    source.verdict = GetEnd{Outcome::kWrongContent,
                            "content does not match: what the mirrors sent is not what the hash "
                            "names",
                            {}};
  }
  TellUsers();
  if (size_proven_) return;
  unproven_.reset();
  ForgetPairs();
  size_.reset();
  refused_ = RangeSet();
  findings_.clear();
}

// ---- The end ----

void MirrorBlob::Finish() {
  phase_ = Phase::kFinishing;
  writer_->Finish(*strand_, [weak = weak_from_this(), strand = strand_](const Status& status) {
    if (const auto self = weak.lock()) self->OnFinished(status);
  });
}

void MirrorBlob::OnFinished(const Status& status) {
  if (over()) return;
  if (status.code() == StatusCode::kFailedPrecondition) {
    return Break({Outcome::kRetryLater, "some of what was verified was taken back", {}});
  }
  if (!status.ok()) return Break({Outcome::kLocalFault, Message(status), {}});
  phase_ = Phase::kComplete;
  TellUsers();
}

void MirrorBlob::Break(GetEnd end) {
  phase_ = Phase::kBroken;
  broken_ = std::move(end);
  TellUsers();
}

// Which is no fault of the mirrors'.
void MirrorBlob::GiveUpWaiting() {
  Break({Outcome::kBusy, "another transfer began to write what is missing, and did not end", {}});
}

void MirrorBlob::TellUsers() {
  if (users_.empty() || std::exchange(telling_, true)) return;
  strand_->Post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->telling_ = false;
    const std::vector<User> users = self->users_;
    for (const User& each : users) {
      const auto user = each.user.lock();
      if (user == nullptr) continue;
      if (self->complete()) {
        user->OnBlobComplete();
      } else if (const GetEnd* verdict = self->VerdictOn(each.source)) {
        user->OnBlobFailed(GetEnd(*verdict));
      } else {
        user->OnBlobChanged();
      }
    }
  });
}

// ---- An outboard beside the file ----

bool MirrorBlob::TakesSidecarOf(bao::SourceId source) {
  if (phase_ != Phase::kOpen || !unproven_ || *size_ < kLeastWithSidecar) return false;
  const bool has_one = sidecar_ && !sidecar_->failed();
  if (has_one || std::exchange(sources_.at(source).sidecar_asked, true)) return false;
  sidecar_.emplace(hash_, *size_);
  return true;
}

bool MirrorBlob::OnSidecar(ByteView bytes) {
  struct Sink final : bao::PairSink {
    explicit Sink(MirrorBlob& owner) : blob(owner) {}
    void OnPair(const bao::Subtree& subtree, ByteView pair) override {
      const bao::ProvenValues& proven = blob.unproven_->proven();
      if (!proven.is_block(subtree)) blob.unproven_->OnPair(subtree, pair, blob.findings_);
    }
    MirrorBlob& blob;
  };
  if (phase_ != Phase::kOpen || !unproven_ || !sidecar_) return false;
  Sink sink(*this);
  const bool fits = sidecar_->Feed(bytes, sink);
  return Apply().ok() && fits;
}

void MirrorBlob::OnSidecarEnd() {
  if (sidecar_ && !sidecar_->done()) sidecar_.reset();
}

// ---- What others verified ----

void MirrorBlob::OnInfo(const store::BlobInfo& info) {
  const bool is_first = phase_ == Phase::kOpening;
  if (is_first) phase_ = Phase::kOpen;
  if (phase_ != Phase::kOpen) return;
  info_ = info;
  if (info.state == store::BlobState::kComplete) {
    phase_ = Phase::kComplete;
    if (is_first) return Opened(OkStatus());
    return TellUsers();
  }
  RangeSet gone = foreign_;
  gone.RemoveAll(info.groups);
  if (!gone.empty()) {
    return Break({Outcome::kRetryLater, "some of what was verified was taken back", {}});
  }
  if (info.size_proven && (!size_proven_ || *size_ != info.size)) {
    if (size_ != info.size) {
      MakeUnproven(info.size);
      if (!is_first) BeginLog();
    }
    OnSizeProven();
  }
  to_learn_ = info.groups;
  to_learn_.RemoveAll(known_);
  LearnNext();
  if (!is_first) return;
  TakeIfEmpty();
  is_restoring_ = true;
  Restore();
}

// Of the empty blob there is nothing to be asked for.
void MirrorBlob::TakeIfEmpty() {
  const bao::ChainingValue value = blake3::SubtreeValue({}, 0, true);
  if (hash_.bytes != value || !ClaimSize(0).ok()) return;
  unproven_->OnVerified(0, {&value, 1}, findings_);
  (void)Apply();
}

void MirrorBlob::LearnNext() {
  if (learning_ || to_learn_.empty() || !unproven_ || phase_ != Phase::kOpen) return;
  learning_ = true;
  store_.OpenReader(hash_, *strand_, [weak = weak_from_this(), strand = strand_](auto reader) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->learning_ = false;
    if (self->phase_ != Phase::kOpen || !self->unproven_) return;
    if (reader.ok()) self->Learn(**reader);
    // What did not fit now is not asked for again before the store has news.
    self->to_learn_ = RangeSet();
    (void)self->Apply();
    self->TellUsers();
  });
}

// With what is dropped of a block goes what others have verified of it.
void MirrorBlob::LearnAgain(const RangeSet& groups) {
  const RangeSet theirs = foreign_.Intersection(groups);
  foreign_.RemoveAll(theirs);
  known_.RemoveAll(theirs);
  to_learn_.InsertAll(theirs);
  LearnNext();
}

// The pairs on the paths to verified groups prove more than these groups.
void MirrorBlob::Learn(store::BlobReader& reader) {
  struct Node {
    bao::Subtree subtree;
    bao::ChainingValue expected{};
  };
  const bao::ProvenValues& proven = unproven_->proven();
  const RangeSet groups = to_learn_.Intersection(reader.info().groups);
  std::vector<Node> waiting = {{proven.root(), hash_.bytes}};
  while (!waiting.empty()) {
    const Node node = waiting.back();
    waiting.pop_back();
    const Range below = bao::ProvenValues::GroupsOf(node.subtree);
    if (!groups.Intersects(below)) continue;
    if (!node.subtree.has_outboard_pair()) {
      unproven_->OnVerified(below.begin, {&node.expected, 1}, findings_);
      known_.Insert(below);
      foreign_.Insert(below);
      refused_.Remove(below);
      continue;
    }
    std::array<uint8_t, bao::kPairSize> pair{};
    if (!reader.ReadPair(node.subtree.pair_index, &pair).ok()) continue;
    bao::ChainingValue left;
    bao::ChainingValue right;
    std::copy_n(pair.begin(), left.size(), left.begin());
    std::copy_n(pair.begin() + left.size(), right.size(), right.begin());
    const bool is_root = node.subtree == proven.root();
    if (blake3::ParentValue(left, right, is_root) != node.expected) continue;
    if (!proven.is_block(node.subtree)) unproven_->OnPair(node.subtree, pair, findings_);
    waiting.push_back({node.subtree.Right(), right});
    waiting.push_back({node.subtree.Left(), left});
  }
}

}  // namespace blobd::transfer
