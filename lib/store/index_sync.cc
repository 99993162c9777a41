// Index: making published groups durable, and the transactions that record things.
#include <iterator>
#include <utility>

#include "store/index.h"

namespace blobd::store {
namespace {

// Answers once when all parts of something are done, with the first error.
class Barrier {
 public:
  explicit Barrier(UniqueFunction<void(Status)> then) : then_(std::move(then)) {}
  void Expect() { ++open_; }
  void PartDone(const Status& status) {
    if (first_error_.ok()) first_error_ = status;
    if (--open_ == 0) then_(first_error_);
  }

 private:
  UniqueFunction<void(Status)> then_;
  size_t open_ = 0;
  Status first_error_;
};

// So that a flood of small blobs does not hold up everything else for one long transaction.
constexpr size_t kCommitsTogether = 4096;
constexpr Duration kMendAgain = seconds(1);

Status TakenBack() { return Unavailable("what was to be synced could not be written"); }

}  // namespace

void Index::MarkDirty(const Live& live, const RangeSet& groups) {
  if (groups.empty()) return;
  if (live->dirty.empty()) {
    live->dirty_since = options_.clock->Now();
    dirty_order_.push_back(live);
    AskForTick();
  }
  live->dirty.InsertAll(groups);
  dirty_bytes_ += groups.Count() * kGroupSize;
}

void Index::SyncWhatIsDue() {
  const Instant now = options_.clock->Now();
  while (!dirty_order_.empty()) {
    const Live live = dirty_order_.front().lock();
    if (live != nullptr && !live->dirty.empty() && live->phase == LiveBlob::Phase::kOpen) {
      const bool due = dirty_bytes_ >= options_.unsynced_bytes / 2 ||
                       now - live->dirty_since >= options_.unsynced_time / 2;
      if (!due) return;
      StartSync(live);
      // One that is still being synced is looked at again when that has ended.
      if (!live->dirty.empty()) live->next_sync_waiters.push_back([](const Status&) {});
    }
    dirty_order_.pop_front();
  }
}

// Starts a sync of what is dirty, unless one runs; then it is for that one's end to start the next.
void Index::StartSync(const Live& live) {
  if (live->phase != LiveBlob::Phase::kOpen || !live->syncing.empty()) return;
  if (live->dirty.empty()) {
    for (auto& then : std::exchange(live->next_sync_waiters, {})) then(OkStatus());
    return;
  }
  BLOBD_CHECK(live->files != nullptr);
  dirty_bytes_ -= live->dirty.Count() * kGroupSize;
  live->syncing = std::exchange(live->dirty, {});
  live->sync_waiters = std::exchange(live->next_sync_waiters, {});
  RunJob(
      live.get(),
      [&file_system = file_system_, layout = layout_, hash = live->hash, files = live->files,
       may_be_moved = live->may_be_moved, names_synced = live->names_synced]() -> Status {
        // This may be the sync after which all groups are recorded.
        if (!names_synced) {
          if (!may_be_moved) BLOBD_RETURN_IF_ERROR(ClearTarget(file_system, layout, hash));
          BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.partial()));
        }
        return SyncFiles(*files);
      },
      [this, live, generation = live->generation.load()](const Status& status) {
        OnSynced(live, generation, status);
      });
}

void Index::OnSynced(const Live& live, uint64_t generation, const Status& status) {
  (void)gate_.Note(status);
  if (!status.ok()) {
    TakeBackUnsynced(*live, status);
    return OnGroupsRecorded(live, status);
  }
  // One that was ahead failed, and the kernel tells that once.
  if (live->generation != generation) return OnGroupsRecorded(live, TakenBack());
  live->names_synced = true;
  CommitDurably(
      [this, live, generation]() -> Status {
        // Otherwise somebody else has just recorded more than this, or taken it back.
        if (live->phase != LiveBlob::Phase::kOpen || live->generation != generation)
          return OkStatus();
        BlobRow row = live->row;
        row.groups.InsertAll(live->syncing);
        return db_.Put(row);
      },
      [this, live, generation](const Status& recorded) {
        const bool is_wanted =
            live->phase == LiveBlob::Phase::kOpen && live->generation == generation;
        if (is_wanted && recorded.ok()) {
          live->in_db = true;
          live->row.groups.InsertAll(live->syncing);
        } else if (is_wanted) {
          MarkDirty(live, live->syncing);
        }
        const bool is_lost =
            live->phase == LiveBlob::Phase::kOpen && live->generation != generation;
        OnGroupsRecorded(live, recorded.ok() && is_lost ? TakenBack() : recorded);
      });
}

void Index::SyncAhead(const Live& live, SharedFiles files) {
  if (live->phase != LiveBlob::Phase::kOpen || live->is_syncing_ahead) return;
  live->is_syncing_ahead = true;
  RunJob(
      live.get(), [files = std::move(files)] { return files->data->Sync(); },
      [this, live](const Status& status) {
        live->is_syncing_ahead = false;
        (void)gate_.Note(status);
        if (status.ok() || live->phase == LiveBlob::Phase::kGone) return;
        TakeBackUnsynced(*live, status);
        Settle(live);
      });
}

// What the kernel could not write it may have dropped: a later sync would succeed without it. That
// goes for everything written before the failure came back, not only for what was to be synced.
void Index::TakeBackUnsynced(LiveBlob& live, const Status& status) {
  live.groups = live.row.groups;
  live.guard.Reset(TakenIn(live));
  dirty_bytes_ -= live.dirty.Count() * kGroupSize;
  live.dirty = RangeSet();
  ++live.generation;
  live.last_failure = status;
  Tell(live);
}

void Index::OnGroupsRecorded(const Live& live, const Status& status) {
  live->syncing = RangeSet();
  for (auto& then : std::exchange(live->sync_waiters, {})) then(status);
  Settle(live);
}

// Something that was done to the blob has ended: starts the sync that somebody waits for, and lets
// go of what nobody needs.
void Index::Settle(const Live& live) {
  if (live->phase != LiveBlob::Phase::kOpen) return;
  if (!live->next_sync_waiters.empty()) StartSync(live);
  MaybeIdle(live);
}

void Index::PutRow(LiveBlob& live) {
  BLOBD_CHECK(live.phase == LiveBlob::Phase::kOpen);
  // If it fails (a full disk) the next publication tries again, and so does every sync.
  live.in_db = db_.Put(live.row).ok() || live.in_db;
}

void Index::CommitDurably(UniqueFunction<Status()> apply, Answer<Status> then) {
  commits_.push_back({std::move(apply), std::move(then)});
  // Posted behind everything that waits now, so that what those commit goes into the same
  // transaction.
  if (commits_.size() == 1) strand_->Post([self = shared_from_this()] { self->RunCommits(); });
}

void Index::RunCommits() {
  std::vector<Commit> commits = std::exchange(commits_, {});
  if (commits.size() > kCommitsTogether) {
    const auto rest = commits.begin() + kCommitsTogether;
    commits_.assign(std::make_move_iterator(rest), std::make_move_iterator(commits.end()));
    commits.erase(rest, commits.end());
    strand_->Post([self = shared_from_this()] { self->RunCommits(); });
  }
  std::vector<Status> results;
  const Status status = db_.Durably([&]() -> Status {
    for (Commit& commit : commits) {
      results.push_back(db_.Step(std::move(commit.apply)));
      // Some failures end the transaction, and with it what the others did.
      if (!db_.in_transaction()) return results.back();
    }
    return OkStatus();
  });
  NoteDatabase(status);
  if (status.ok()) KeepHidden();
  for (size_t i = 0; i < commits.size(); ++i) commits[i].then(status.ok() ? results[i] : status);
}

// If the log were damaged later, a private blob would be served to everybody. So that it is private
// goes into the database itself before anybody is told. Where that cannot be done now it is tried
// again with the next transaction and at every tick; the transaction itself is synced.
void Index::KeepHidden() {
  if (!was_hidden_) return;
  const StatusOr<bool> copied = db_.Checkpoint();
  if (!copied.ok()) NoteDatabase(copied.status());
  was_hidden_ = !copied.ok() || !*copied;
  if (was_hidden_) AskForTick();
}

// After a sync that failed nothing would be recorded any more until the process ends. Opening the
// database anew is what a new process would do.
void Index::MendDatabase() {
  if (!db_.sync_failed()) return;
  if (std::exchange(can_record_, false)) ++failed_syncs_;
  const Instant now = options_.clock->Now();
  if (now < mend_database_at_) return;
  mend_database_at_ = now + kMendAgain;
  const Status status = db_.Reopen();
  NoteDatabase(status);
  can_record_ = status.ok();
}

// SQLite says of a read-only file system no more than that it could not write.
void Index::NoteDatabase(const Status& status) {
  (void)gate_.Note(status);
  if (status.ok()) return;
  gate_.LookAgain();
  AskForTick();
}

void Index::AskForTick() {
  if (options_.tick_soon && !tick_asked_.exchange(true)) options_.tick_soon();
}

// The probe is a small write and a small transaction, and nobody writes anything else then. What
// cannot be done yet asks for the next tick; what becomes due meanwhile does so by itself.
void Index::Tick() {
  tick_asked_ = false;
  MendDatabase();
  SyncWhatIsDue();
  KeepHidden();
  if (gate_.NeedsProbe() && gate_.ProbeFiles()) gate_.ProbeEnded(db_.Probe());
  if (db_.sync_failed() || was_hidden_ || !dirty_order_.empty() || gate_.IsTroubled()) AskForTick();
}

void Index::AddDiskWatch(std::shared_ptr<DiskWatcher> watcher) {
  if (watcher->ended()) return;
  watcher->Tell(std::make_shared<const DiskState>(gate_.state()));
  disk_watchers_.push_back(std::move(watcher));
}

void Index::RemoveWatch(const std::shared_ptr<DiskWatcher>& watcher) {
  std::erase(disk_watchers_, watcher);
}

void Index::TellDiskState() {
  const auto state = std::make_shared<const DiskState>(gate_.state());
  for (const std::shared_ptr<DiskWatcher>& watcher : disk_watchers_) watcher->Tell(state);
}

void Index::Flush(Answer<Status> then) {
  const auto barrier = std::make_shared<Barrier>(std::move(then));
  const auto part = [&barrier] {
    barrier->Expect();
    return [barrier](const Status& status) { barrier->PartDone(status); };
  };
  for (const auto& [hash, live] : live_) {
    if (live->phase == LiveBlob::Phase::kFinishing) live->finish_waiters.push_back(part());
    if (live->phase != LiveBlob::Phase::kOpen) continue;
    if (!live->dirty.empty()) {
      live->next_sync_waiters.push_back(part());
      StartSync(live);
    } else if (!live->syncing.empty()) {
      live->sync_waiters.push_back(part());
    }
  }
  // Whatever else waits for a transaction.
  CommitDurably([] { return OkStatus(); }, part());
}

}  // namespace blobd::store
