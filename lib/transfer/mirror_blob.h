// MirrorBlob: one blob while it comes from mirrors, whoever of them brings it: its bytes, which are
// written to their places without proof; what is known of its tree; and what follows for whom
// (bao/unproven.h). All gets of the blob share it, and it outlives them, so that what a mirror sent
// before it broke off is not asked for again.
//
//   kOpening --writer, log, what is held--> kOpen --all verified--> kFinishing --stored-->
//   kComplete
//                                        `--- the store takes back ---> kBroken
//
// What others verify meanwhile (nodes, through writers of their own) it learns from the store:
// their pairs prove parts of what lies here.
//
// A size is a claim until the last chunk has verified. One claim is followed at a time; who says
// otherwise meanwhile is not used.
//
// While nobody says a size, one user brings all of the file, in one stream whose end tells the
// size; others wait for it. What two wrote over each other would count for neither.
//
// Thread:    its strand only. Users are called from there, never from within a call of theirs.
// Ownership: shared; callbacks from the store do not keep it alive, but the strand they come on.
// Memory:    bao::Unproven's; while it is used, kMostPairs pairs of blocks that wait for proof
//            (those of 4 GiB; beyond, data is read and hashed once more); of a file whose size
//            nobody says, 32 bytes per group, and no more of it than kMostUnsized. Of both, all
//            blobs together have no more than MirrorBudgets says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bao/sidecar.h"
#include "bao/unproven.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/status.h"
#include "base/task.h"
#include "http/answer.h"
#include "store/blob_store.h"
#include "store/unproven_logs.h"
#include "transfer/memory_budget.h"
#include "transfer/mirror_log.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

class MirrorBlobUser {
 public:
  virtual ~MirrorBlobUser() = default;
  // What is wanted may be other than before, or more has verified.
  virtual void OnBlobChanged() = 0;
  // All of it is in the store, durably.
  virtual void OnBlobComplete() = 0;
  // Its mirror is not to be used for this blob any more, or the blob cannot be got this way now.
  virtual void OnBlobFailed(const GetEnd& end) = 0;
};

// What all blobs together may remember; null: as much as each may.
struct MirrorBudgets {
  std::shared_ptr<MemoryBudget> pairs;   // full: data is read and hashed once more
  std::shared_ptr<MemoryBudget> values;  // of files without a size; full: these have to wait
};

class MirrorBlob : public std::enable_shared_from_this<MirrorBlob> {
 public:
  static constexpr uint64_t kMostUnsized = uint64_t{64} << 30;
  static constexpr size_t kMostPairs = 256 * 1024;

  // `logs`: where it notes what it has, over the end of the process; null: it does not.
  // `on_blame`, which may be empty: who of those that do not use it any more has sent wrong bytes.
  using OnBlamed = UniqueFunction<void(const std::string& provider, const std::string& reason)>;
  MirrorBlob(store::BlobStore& store, store::UnprovenLogs* logs, std::shared_ptr<Executor> strand,
             const Hash& hash, uint64_t max_size, OnBlamed on_blame = {},
             const MirrorBudgets& budgets = {});
  ~MirrorBlob();

  // Opens it if it is not open; `done` is called later. After an error it can be tried again.
  void Open(UniqueFunction<void(const Status&)> done);
  bool complete() const { return phase_ == Phase::kComplete; }
  // Of no use any more: whoever wants the blob makes a new one.
  bool over() const { return phase_ == Phase::kComplete || phase_ == Phase::kBroken; }

  // REQUIRES: open, for these and all below
  // `provider`: the URL that it was named by, if that is a template.
  bao::SourceId Join(const std::shared_ptr<MirrorBlobUser>& user, const std::string& url,
                     const std::string& provider = {});
  void Leave(const MirrorBlobUser* user);
  // Why this mirror is not used for the blob; null if it is.
  const GetEnd* VerdictOn(bao::SourceId source) const;
  // What the mirror's server said of the file.
  std::optional<http::Entity>& EntityAt(bao::SourceId source) { return sources_[source].entity; }

  // As it is claimed or proven; nullopt: nobody has said.
  std::optional<uint64_t> size() const { return size_; }
  bool size_proven() const { return size_proven_; }
  // kFailedPrecondition: it is known to be another. kUnavailable: another is followed now; who is
  // right is not known.
  Status ClaimSize(uint64_t size);
  // The first group that is not verified, as the store knows it: where to begin while nobody knows
  // the size.
  uint64_t FirstMissing() const;
  // What is to be asked of this source, of its share, and of the rest if it is wanted from nobody
  // else. REQUIRES: size()
  RangeSet WantedFrom(bao::SourceId source, Range share = {0, RangeSet::kOpenEnd}) const;
  // Groups that are there, verified or not; and those that are verified, by whomever.
  RangeSet Held() const;
  RangeSet Verified() const;
  // Somebody who has proof brings some of it.
  bool has_help() const { return !foreign_.empty(); }
  // All of it is verified, and is being stored: users will hear.
  bool finishing() const { return phase_ == Phase::kFinishing; }
  // Groups whose proof would tell whether what mirrors send of this share is right, part by part.
  RangeSet ProofWanted(Range share) const;
  // Bytes of the file, from the beginning of a group; what is cut off within one, short of the
  // file's end, is left out. Before the size is known, in order from 0 on. Errors are the store's;
  // and of a file without a size kOutOfRange: it is too large for that. kAborted: there is no
  // memory for it now.
  Status Write(bao::SourceId source, uint64_t offset, ByteView bytes);

  // Of a file of which nobody knows the size. The user is about to bring all of it, in one stream
  // from its beginning; false: another does, and the user hears when that ends. It takes the place
  // of the stream of the number `overtakes`, which counts no more, if it may.
  // REQUIRES: the user has joined, for these too
  bool BeginUnsized(const MirrorBlobUser* user, uint64_t overtakes = 0);
  // The user brings it, and what came of it counts.
  bool Streams(const MirrorBlobUser* user) const;
  // The number of the stream that comes; 0: none does.
  uint64_t stream() const { return unsized_user_.expired() ? 0 : streams_; }
  // Not one from the same mirror, and not if its mirror was overtaken itself: so there is an end to
  // it.
  bool MayOvertake(const MirrorBlobUser* user) const;
  // Its stream has ended. kUnavailable: it does not count, since a size became known or another
  // overtook it. Other errors as of ClaimSize and Write.
  Status EndOfFile(const MirrorBlobUser* user, uint64_t size);

  // Somebody who has proof began to write what is missing here, and has not said that it is done.
  // It gives them up: this is of no use any more then.
  bool waits_for_others() const { return phase_ == Phase::kOpen && !refused_.empty(); }
  void GiveUpWaiting();
  // About once a second, from each that uses it.
  void Beat();

  // Whether the outboard beside this source's file would help; asked once, and then it is being
  // read. REQUIRES: size()
  bool TakesSidecarOf(bao::SourceId source);
  // The next bytes of it. False: no more of them are wanted.
  bool OnSidecar(ByteView bytes);
  // No more of it comes. What was not enough leaves room for another source's.
  void OnSidecarEnd();

  // Content that came from this source last and has verified, of which none of its gets has been
  // told. What verifies when a get is over is thus its next one's.
  uint64_t TakeVerifiedBytesFrom(bao::SourceId source);
  // What lies in the store without proof. Costs a look at each block.
  uint64_t unproven_bytes() const;

 private:
  enum class Phase { kNew, kOpening, kOpen, kFinishing, kComplete, kBroken };
  struct Source {
    std::string url;
    std::string provider;
    RangeSet wrote;      // groups, and nobody wrote them later
    uint64_t taken = 0;  // bytes: TakeVerifiedBytesFrom
    std::optional<http::Entity> entity;
    std::optional<GetEnd> verdict;
    bool sidecar_asked = false;
    bool overtaken = false;  // it was slow with a file without a size
  };
  struct User {
    std::weak_ptr<MirrorBlobUser> user;
    bao::SourceId source = 0;
  };

  void OnWriter(StatusOr<std::shared_ptr<store::BlobWriter>> writer);
  void Opened(const Status& status);

  // What an earlier life left (mirror_blob_log.cc).
  class Restored;
  void Restore();
  void RestoreSize(uint64_t size);
  void RestoreGroups(bao::SourceId source, uint64_t first,
                     std::span<const bao::ChainingValue> values);
  RangeSet Fitting(bao::SourceId source, uint64_t first, ByteView bytes,
                   std::span<const bao::ChainingValue> values) const;
  void BeginLog();

  // What others verified.
  void OnInfo(const store::BlobInfo& info);
  void TakeIfEmpty();
  void LearnNext();
  void LearnAgain(const RangeSet& groups);
  void Learn(store::BlobReader& reader);

  StatusOr<RangeSet> Store(uint64_t first_group, ByteView bytes);
  Status WriteRun(bao::SourceId source, uint64_t first_group, ByteView bytes);
  Status WriteValued(bao::SourceId source, uint64_t first_group, ByteView bytes,
                     std::span<const bao::ChainingValue> values);
  Status WriteSized(bao::SourceId source, uint64_t offset, ByteView bytes);
  Status WriteUnsized(bao::SourceId source, uint64_t offset, ByteView bytes);
  void MakeUnproven(uint64_t size);
  void ForgetPairs();
  void OnSizeProven();
  Status Admit();
  void NoteWritten(bao::SourceId source, const RangeSet& groups);
  bool IsUsed(bao::SourceId source) const;
  const User& UserAt(const MirrorBlobUser* user) const;
  void DropUnsized();

  // Applies the findings, and tells users at the end of this task.
  Status Apply();
  Status OnPairs(bao::Pairs& found);
  Status WritePairs(const std::vector<bao::PathPair>& pairs);
  Status WritePairsWithin(Range groups);
  StatusOr<std::vector<bao::PathPair>> PairsFromData(Range block);
  Status OnVerified(Range groups);
  void OnBlame(const bao::Blame& blame);
  void OnUnclear(const bao::Unclear& unclear);
  void OnFetchAgain(const bao::FetchAgain& again);
  void OnExhausted();
  void Finish();
  void OnFinished(const Status& status);
  void Break(GetEnd end);
  void TellUsers();

  store::BlobStore& store_;
  store::UnprovenLogs* const logs_;
  const std::shared_ptr<Executor> strand_;
  const Hash hash_;
  const uint64_t max_size_;
  Phase phase_ = Phase::kNew;
  std::vector<UniqueFunction<void(const Status&)>> openers_;
  std::shared_ptr<store::BlobWriter> writer_;
  std::unique_ptr<store::BlobWatch> watch_;
  std::optional<GetEnd> broken_;

  std::map<bao::SourceId, Source> sources_;
  std::vector<User> users_;
  bool telling_ = false;  // a task that tells users is posted

  std::optional<uint64_t> size_;
  bool size_proven_ = false;
  bool is_admitted_ = false;                 // room was asked for
  std::unique_ptr<bao::Unproven> unproven_;  // set once a size is known
  bao::Findings findings_;
  std::unique_ptr<MirrorLog> log_;  // null: it is too small, or there is none
  bool is_restoring_ = false;
  std::optional<uint64_t> restored_size_;  // what the log says of it
  std::optional<bao::SidecarReader> sidecar_;
  std::map<uint64_t, std::vector<bao::PathPair>> block_pairs_;  // by the block's first group
  size_t pairs_kept_ = 0;                                       // in all of them
  HeldMemory pairs_memory_;
  Bytes small_;         // all of a blob of one group, as it came last
  bool taken_ = false;  // groups were taken as verified and not published

  OnBlamed on_blame_;

  store::BlobInfo info_;  // as the store said last
  RangeSet known_;        // verified groups of which Unproven knows
  RangeSet foreign_;      // of these, verified by others
  RangeSet to_learn_;     // verified by others, and not known yet
  bool learning_ = false;
  RangeSet refused_;       // others are writing these
  RangeSet unclear_cuts_;  // groups between sources that together do not fit
  int unclear_beats_ = 0;

  // Of a file without a size.
  std::weak_ptr<MirrorBlobUser> unsized_user_;  // who brings it
  bao::SourceId unsized_source_ = 0;            // its; 0: nobody's
  uint64_t streams_ = 0;                        // so many were begun
  std::vector<bao::ChainingValue> unsized_values_;
  HeldMemory unsized_memory_;
  Bytes unsized_tail_;       // the last group so far, which may be the last one
  RangeSet unsized_theirs_;  // of these, others were writing: they were not written here
};

}  // namespace blobd::transfer
