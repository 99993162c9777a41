// Index: the heart of DiskStore. It owns store.db, the live blobs, and every decision about what is
// verified, durable and complete. Whatever waits for the disk runs as a job on the blob's strand
// and comes back as a call here; only small transactions are done in place.
//
// Verified groups come in through Publish. They are readable at once; they are claimed in store.db
// only after data and outboard were synced, which happens behind the writers whenever enough bytes
// or time have gathered. A crash of the process loses no group (the next life finds those on disk
// that no row claims, recovery.h), power loss no more than the bound.
//
// A blob becomes complete in steps, each safe to stop after: sync its files; record all groups
// (durable); move its files to blobs/ and sync the directories; record it as complete (durable).
// Loading a row that claims all groups takes up these steps again.
//
// When groups of a complete blob are withdrawn, its files stay where they are: the row alone says
// that the blob is partial again, and which groups are left (RowState::kReopened). So there is no
// step between to be stopped at. Writers mend the files in place; completing it takes the steps
// above, with nothing left to move.
//
// A blob is removed in steps too: record that it is being removed (durable), which claims nothing
// of it any more; unlink its files and sync the directories; remove the row. Opening takes that up.
//
// Thread:    everything but Counts and the constants (strand, file_system, layout, gate,
//            NextImport, MakeStrand, AskForTick) on the index strand only.
// Ownership: kept alive by its own tasks. Pool and file system outlive the last of them: the pool
//            goes away first.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "loop/worker_pool.h"
#include "store/blob_store.h"
#include "store/disk_gate.h"
#include "store/disk_store.h"
#include "store/live_blob.h"
#include "store/loading.h"
#include "store/rebuild.h"
#include "store/recovery.h"
#include "store/store_tally.h"
#include "store/turns.h"
#include "store/watches.h"

namespace blobd::store {

// All that is claimed of a blob, and where to read it.
struct Claimed {
  uint64_t size = 0;  // under which the groups fit
  RangeSet groups;
  SharedFiles files;  // null: it is in a row, or its files are missing
  Status small;       // of one in a row: do its bytes fit
  bool is_small = false;
};

class Index : public std::enable_shared_from_this<Index> {
 public:
  template <typename Value>
  using Answer = UniqueFunction<void(Value)>;

  // Blocks on the disk; before any other thread knows of the index.
  static StatusOr<std::shared_ptr<Index>> Open(const std::string& state_dir,
                                               loop::WorkerPool& workers, FileSystem& file_system,
                                               const DiskStore::Options& options);
  // What was damaged, for people; empty if nothing was. Constant.
  const std::string& opening_note() const { return opening_note_; }

  Executor& strand() { return *strand_; }
  const std::shared_ptr<Executor>& shared_strand() const { return strand_; }
  FileSystem& file_system() { return file_system_; }
  const Layout& layout() const { return layout_; }
  uint64_t NextImport() { return next_import_.fetch_add(1); }
  DiskGate& gate() { return gate_; }
  StoreCounts Counts() const { return tally_.Counts(); }
  std::shared_ptr<Executor> MakeStrand() { return workers_.MakeStrand(); }

  // For DiskStore (blob_store.h says what they mean).
  void Lookup(const Hash& hash, Answer<StatusOr<BlobInfo>> then);
  // The same for each of them; `then` is told which.
  void LookupMany(const std::vector<Hash>& hashes,
                  const std::function<void(size_t, StatusOr<BlobInfo>)>& then);
  void OpenWriter(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then);
  void OpenReader(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobReader>>> then);
  void PutSmall(const Hash& hash, Bytes content, Answer<Status> then);
  void List(const std::optional<Hash>& after, size_t limit,
            Answer<StatusOr<std::vector<BlobInfo>>> then);
  void Stats(Answer<StatusOr<StoreStats>> then);
  void Withdraw(const Hash& hash, const RangeSet& groups, Answer<Status> then);
  void SetPrivate(const Hash& hash, bool is_private, Answer<Status> then);
  void AddWatch(std::shared_ptr<Watcher> watcher);
  void RemoveWatch(const std::shared_ptr<Watcher>& watcher) { watches_.Remove(watcher); }
  void Flush(Answer<Status> then);
  void OpenDescriptor(const Hash& hash, Answer<StatusOr<BlobDescriptor>> then);
  void ListByUse(const std::optional<UseCursor>& after, size_t limit,
                 Answer<StatusOr<std::vector<BlobUse>>> then);
  void Remove(const Hash& hash, Answer<StatusOr<uint64_t>> then);
  void AddDiskWatch(std::shared_ptr<DiskWatcher> watcher);
  void RemoveWatch(const std::shared_ptr<DiskWatcher>& watcher);
  void Tick();
  // Any thread: something will be due by the clock.
  void AskForTick();
  void KeepUnproven(const Hash& hash);
  void ForgetUnproven(const Hash& hash);
  // For Loading.
  Turns& long_loads() { return long_loads_; }
  // For Verification. kNotFound if nothing is claimed.
  void OpenClaimed(const Hash& hash, Answer<StatusOr<Claimed>> then);

  // Takes over the synced files of an import as the complete blob `hash`. False: it was there
  // already.
  void Adopt(const Hash& hash, uint64_t size, uint64_t import, bool make_private,
             Answer<StatusOr<bool>> then);

  // The same for an import that is a small blob.
  void AdoptSmall(const Hash& hash, Bytes content, bool make_private, Answer<StatusOr<bool>> then);

  // For DiskWriter.
  void Claim(const std::shared_ptr<LiveBlob>& live, uint64_t size);
  void Publish(const std::shared_ptr<LiveBlob>& live, Published published);
  void Finish(const std::shared_ptr<LiveBlob>& live, Answer<Status> then);
  void Release(const std::shared_ptr<LiveBlob>& live);  // a writer is gone
  // Syncs what was written without proof, so that little is left when all of it is verified at
  // once. Nothing is recorded then; when it fails, nothing is believed that was not recorded.
  void SyncAhead(const std::shared_ptr<LiveBlob>& live, SharedFiles files);
  // So many bytes without proof are worth a sync.
  uint64_t sync_ahead_bytes() const { return options_.unsynced_bytes / 2; }

 private:
  using Live = std::shared_ptr<LiveBlob>;
  struct Commit {
    UniqueFunction<Status()> apply;
    Answer<Status> then;
  };
  struct Withdrawal {
    RangeSet groups;
    std::vector<Answer<Status>> waiters;
    bool was_removed = false;  // the blob, since its files were looked at
  };
  struct Rot {
    RangeSet groups;  // that do not fit
    bool files_missing = false;
  };

  Index(Layout layout, loop::WorkerPool& workers, FileSystem& file_system,
        const DiskStore::Options& options, StoreDb db, const CompleteTotals& totals);

  // What the last life left (index_load.cc).
  Status TidyPartial();
  Status TidyPartialFile(const Hash& hash);
  // Damaged rows, and files of which no row tells (index_doubt.cc).
  Status MendRows(const std::vector<Hash>& hashes);
  Status MendRow(const Hash& hash);
  void StartDoubting(std::vector<Hash> hashes, bool look_for_more);
  void LookForFiles();
  Status DoubtFilesOf(const Hash& hash);
  void CheckNextDoubtful();
  void CountDoubtful() { tally_.SetDoubtful(doubtful_.size() + unlooked_.size()); }

  void Look(const Hash& hash, Answer<StatusOr<Found>> then);
  // `read`: its row, if it was read just now, or null.
  void LookAt(const Hash& hash, StatusOr<std::optional<BlobRow>>* read,
              Answer<StatusOr<Found>> then);
  void AnswerLookup(const Hash& hash, StatusOr<Found> found, Answer<StatusOr<BlobInfo>> then);
  void Load(BlobRow row, Answer<StatusOr<Found>> then);
  void OnLoaded(const Live& live, StatusOr<Loaded> loaded);
  void Recover(const Live& live, uint64_t size);

  // Live blobs and their writers (index.cc).
  Live AddLive(const Hash& hash, const Found& absent);
  Live FindLive(const Hash& hash) const;
  void Discard(LiveBlob& live);
  void LetGo(LiveBlob& live);
  Status Forget(const BlobRow& row);
  void MaybeIdle(const Live& live);
  void WithFiles(const Live& live, Answer<StatusOr<SharedFiles>> then);
  void ReopenForWriter(const Live& live, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then);

  // For those who read by themselves (index_open.cc).
  void OpenComplete(const BlobRow& row, Answer<StatusOr<BlobDescriptor>> then);
  void OpenClaimedRow(const BlobRow& row, Answer<StatusOr<Claimed>> then);
  static void AnswerClaimed(Claimed claimed, StatusOr<SharedFiles> files,
                            Answer<StatusOr<Claimed>> then);

  // Removing (index_remove.cc).
  void RemoveUnread(const Hash& hash, const Status& why, Answer<StatusOr<uint64_t>> then);
  Status ForgetItWasComplete(const Hash& hash);
  void RemoveSmall(const BlobRow& row, Answer<StatusOr<uint64_t>> then);
  void RemoveFilesOf(BlobRow row, uint64_t disk_bytes, Answer<StatusOr<uint64_t>> then);
  void UnlinkRemoved(const Hash& hash, Answer<Status> then);
  void FinishRemoval(const BlobRow& row);
  Status FinishRemovals(Survey& survey, bool log_in_doubt);
  void TellAbsent(const BlobRow& row);

  // Reading and telling (index_read.cc).
  void Touch(BlobRow& row, bool in_db);
  void ReadComplete(const BlobRow& row, Answer<StatusOr<std::shared_ptr<BlobReader>>> then);
  void ReadLive(const Live& live, Answer<StatusOr<std::shared_ptr<BlobReader>>> then);
  BlobInfo InfoOf(const BlobRow& row) const;
  BlobInfo InfoOf(const LiveBlob& live) const;
  static uint64_t DiskBytes(const BlobInfo& info);  // about
  uint64_t UnprovenBytes(const BlobRow& row);
  StatusOr<uint64_t> UnverifiedBytes();
  StatusOr<Bytes> SmallContent(const BlobRow& row);
  void Tell(const LiveBlob& live);
  void CountPartial(const BlobRow& row);
  void CountPartial(const LiveBlob& live);
  void TellDiskState();

  // Making groups durable (index_sync.cc).
  void MarkDirty(const Live& live, const RangeSet& groups);
  void SyncWhatIsDue();
  void StartSync(const Live& live);
  void OnSynced(const Live& live, uint64_t generation, const Status& status);
  void TakeBackUnsynced(LiveBlob& live, const Status& status);
  void OnGroupsRecorded(const Live& live, const Status& status);
  void Settle(const Live& live);
  void PutRow(LiveBlob& live);
  // Puts `apply` into the next durable transaction. `then` is called after it.
  void CommitDurably(UniqueFunction<Status()> apply, Answer<Status> then);
  void RunCommits();
  void KeepHidden();
  void NoteDatabase(const Status& status);
  void MendDatabase();

  // Completing (index_finish.cc).
  bool HasAllGroups(const LiveBlob& live) const;
  void FinishGone(const Hash& hash, Answer<Status> then);
  void StartFinish(const Live& live);
  void RecordAllGroups(const Live& live);
  void MoveToBlobs(const Live& live);
  void RecordComplete(const Live& live, RowState state);
  void Complete(LiveBlob& live);
  void FinishFailed(const Live& live, const Status& status);
  void StartSmall(const Live& live, Bytes content);
  void MoveImport(const Live& live, uint64_t size, uint64_t import, Answer<StatusOr<bool>> then);
  Status RecordPrivate(LiveBlob& live, uint64_t size);
  void AdoptComplete(const Hash& hash, bool make_private, Answer<StatusOr<bool>> then);

  // Withdrawing (index_withdraw.cc).
  void NextWithdrawal(const Hash& hash);
  void WithdrawNow(const Hash& hash, RangeSet groups, Answer<Status> then);
  Status WithdrawSmall(const BlobRow& row, const RangeSet& groups);
  void WithdrawComplete(const BlobRow& row, RangeSet groups, Answer<Status> then);
  Status Reopen(BlobRow row, const Rot& rot);
  void WithdrawPartial(const Live& live, RangeSet groups, Answer<Status> then);
  void TakeBack(const Live& live, Rot rot, RangeSet groups, Answer<Status> then);
  Status TakeBackNow(const Live& live, const Rot& rot);
  static StatusOr<Rot> FindRot(const StatusOr<SharedFiles>& files, const Hash& hash, uint64_t size,
                               RangeSet groups, const RangeSet& whole);

  // Runs `work` on a strand of the blob, or of its own if `live` is null; then calls `then(result)`
  // here.
  template <typename Work, typename Then>
  void RunJob(LiveBlob* live, Work work, Then then) {
    std::shared_ptr<Executor> strand = live != nullptr ? live->strand : nullptr;
    if (strand == nullptr) strand = workers_.MakeStrand();
    if (live != nullptr) live->strand = strand;
    strand->Post(
        [self = shared_from_this(), work = std::move(work), then = std::move(then)]() mutable {
          auto result = work();
          self->strand_->Post([self, then = std::move(then), result = std::move(result)]() mutable {
            then(std::move(result));
          });
        });
  }

  const Layout layout_;
  loop::WorkerPool& workers_;
  FileSystem& file_system_;
  const DiskStore::Options options_;
  const std::shared_ptr<Executor> strand_;
  std::atomic<uint64_t> next_import_ = 1;
  std::atomic<bool> tick_asked_ = false;  // and there was none since

  StoreDb db_;
  StoreTally tally_;
  std::unordered_map<Hash, Live> live_;  // none is kGone
  uint64_t dirty_bytes_ = 0;             // of all live blobs
  // By dirty_since; may name blobs that were synced since.
  std::deque<std::weak_ptr<LiveBlob>> dirty_order_;
  uint64_t failed_syncs_ = 0;  // of store.db
  bool can_record_ = true;     // since the last of them
  Instant mend_database_at_;
  bool was_hidden_ = false;      // a blob was made private, and only the log of store.db knows
  std::vector<Commit> commits_;  // for the next transaction, which is posted if there are any
  // Of blobs whose files are being removed: who waits to look at them again.
  std::unordered_map<Hash, std::vector<Task>> removals_;
  // Of blobs of which a withdrawal runs: what is to be withdrawn after it, if there are waiters.
  std::unordered_map<Hash, Withdrawal> withdrawals_;
  Turns long_loads_;
  Watches watches_;
  std::vector<std::shared_ptr<DiskWatcher>> disk_watchers_;
  DiskGate gate_;
  std::string opening_note_;
  // Not only such as had never been synced: a file may be that of a private blob.
  bool rows_may_be_lost_ = false;
  std::vector<Hash> doubtful_;         // to be hashed again; the last one first
  std::vector<std::string> unlooked_;  // directories in blobs/ to be looked through
};

}  // namespace blobd::store
