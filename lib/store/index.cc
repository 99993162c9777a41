#include "store/index.h"

#include <utility>

#include "base/error_reason.h"
#include "store/disk_writer.h"

namespace blobd::store {
StatusOr<std::shared_ptr<Index>> Index::Open(const std::string& state_dir,
                                             loop::WorkerPool& workers, FileSystem& file_system,
                                             const DiskStore::Options& options) {
  const Layout layout(state_dir);
  for (const std::string& directory : {layout.blobs(), layout.partial()}) {
    BLOBD_RETURN_IF_ERROR(file_system.MakeDirectory(directory).status());
  }
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(state_dir));
  BLOBD_ASSIGN_OR_RETURN(
      OpenedDb opened, OpenOrRebuildDb(file_system, layout, options.vfs, options.clock->WallNow()));
  Survey& survey = opened.survey;
  std::shared_ptr<Index> index(
      new Index(layout, workers, file_system, options, std::move(opened.db), survey.complete));
  index->opening_note_ = std::move(opened.note);
  // Not so where the log lost its end: what is private is in the database itself (KeepHidden).
  index->rows_may_be_lost_ = opened.is_rebuilt || !survey.damaged.empty();
  BLOBD_RETURN_IF_ERROR(index->FinishRemovals(survey, opened.log_in_doubt));
  BLOBD_RETURN_IF_ERROR(index->MendRows(survey.damaged));
  BLOBD_RETURN_IF_ERROR(index->TidyPartial());
  BLOBD_ASSIGN_OR_RETURN(const std::vector<BlobRow> partial, index->db_.ListPartial());
  for (const BlobRow& row : partial) index->CountPartial(row);
  index->StartDoubting(std::move(survey.doubtful), opened.had_log || !survey.damaged.empty());
  return index;
}

Index::Index(Layout layout, loop::WorkerPool& workers, FileSystem& file_system,
             const DiskStore::Options& options, StoreDb db, const CompleteTotals& totals)
    : layout_(std::move(layout)),
      workers_(workers),
      file_system_(file_system),
      options_(options),
      strand_(workers.MakeStrand()),
      db_(std::move(db)),
      tally_(totals),
      gate_(
          file_system_, layout_.partial(), {options_.reserve_bytes, options_.reserve_percent},
          *options_.clock,
          // While the index is being made nobody watches yet.
          [this] {
            strand_->Post([weak = weak_from_this()] {
              if (const std::shared_ptr<Index> index = weak.lock()) index->TellDiskState();
            });
          },
          [this] { AskForTick(); }) {}

namespace {

uint64_t EndOf(const RangeSet& groups) { return groups.empty() ? 0 : groups.ranges().back().end; }

}  // namespace

Index::Live Index::AddLive(const Hash& hash, const Found& absent) {
  BLOBD_CHECK(!removals_.contains(hash));  // its files would go under it
  auto live = std::make_shared<LiveBlob>(hash);
  live->row.is_private = absent.is_private;
  live->row.was_complete = absent.was_complete;
  live->row.last_use = options_.clock->WallNow();
  BLOBD_CHECK(live_.emplace(hash, live).second);
  return live;
}

Index::Live Index::FindLive(const Hash& hash) const {
  const auto it = live_.find(hash);
  return it == live_.end() ? nullptr : it->second;
}

// Forgets a blob of which nothing is verified, and removes what there is of it.
void Index::Discard(LiveBlob& live) {
  BLOBD_CHECK(live.groups.empty() && live.writers == 0);
  live.phase = LiveBlob::Phase::kGone;
  live.files = nullptr;
  live_.erase(live.hash);
  tally_.SetPartial(live.hash, std::nullopt);
  if (live.may_be_moved && live.in_db) {
    // Files in blobs/ that come back with power loss would be taken for those of a lost row.
    BlobRow row = live.row;
    row.state = RowState::kRemoving;
    row.groups = RangeSet();
    const Status recorded = db_.Put(row);
    NoteDatabase(recorded);
    if (recorded.ok()) return UnlinkRemoved(live.hash, [](const Status&) {});
  }
  // What cannot be removed is tidied up at the next opening.
  (void)RemoveFiles(file_system_, layout_.Partial(live.hash));
  if (live.may_be_moved) (void)RemoveFiles(file_system_, layout_.Complete(live.hash));
  if (live.in_db) (void)Forget(live.row);
}

// Nothing is left of the blob. That it is private is kept: otherwise getting it again would make it
// known. That it was complete is, too: its bytes rotted, and whoever asks must not take it for one
// that never was here.
Status Index::Forget(const BlobRow& row) {
  if (!row.is_private && !row.was_complete) return db_.Remove(row.hash);
  if (row.state == RowState::kPartial && row.size == 0 && row.groups.empty()) return OkStatus();
  BlobRow rest;
  rest.hash = row.hash;
  rest.last_use = row.last_use;
  rest.is_private = row.is_private;
  rest.was_complete = row.was_complete;
  return db_.Put(rest);
}

// Lets go of files nobody writes, and of a blob nobody has anything of.
void Index::MaybeIdle(const Live& live) {
  if (live->phase != LiveBlob::Phase::kOpen || live->writers > 0) return;
  if (!live->dirty.empty() || !live->syncing.empty()) return;
  if (std::exchange(live->unproven_is_unwanted, false)) {
    live->keeps_unproven = live->unrecovered = false;
    (void)file_system_.Unlink(layout_.Partial(live->hash).unproven_log);
  }
  if (live->groups.empty() && !live->unrecovered && !live->keeps_unproven) {
    return live->in_db && !live->last_failure.ok() ? LetGo(*live) : Discard(*live);
  }
  live->files = nullptr;
}

// What a failed sync took back may be on the disk all the same, all of it in blobs/ even: whoever
// asks next has it hashed.
void Index::LetGo(LiveBlob& live) {
  BLOBD_CHECK(live.groups.empty() && live.writers == 0);
  live.phase = LiveBlob::Phase::kGone;
  live.files = nullptr;
  live_.erase(live.hash);
  CountPartial(live.row);
}

// The open files, or else opens them once what was started before has been done to them.
void Index::WithFiles(const Live& live, Answer<StatusOr<SharedFiles>> then) {
  if (live->files != nullptr) return then(live->files);
  auto open = [&file_system = file_system_, layout = layout_, hash = live->hash,
               may_be_moved = live->may_be_moved] {
    return OpenLiveFiles(file_system, layout, hash, may_be_moved);
  };
  RunJob(live.get(), std::move(open), std::move(then));
}

void Index::OpenWriter(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return then(AlreadyExists("blob {} is complete", hash.Short()));
    const Live live = found->live != nullptr ? found->live : AddLive(hash, *found);
    if (live->phase == LiveBlob::Phase::kFinishing) {
      // Either it is complete then, or there is something to be written again.
      live->finish_waiters.push_back([this, hash, then = std::move(then)](const Status&) mutable {
        OpenWriter(hash, std::move(then));
      });
      return;
    }
    if (live->files == nullptr && live->may_be_moved) return ReopenForWriter(live, std::move(then));
    Touch(live->row, live->in_db);
    if (live->writers == 0) live->guard.Reset(TakenIn(*live));
    live->unproven_is_unwanted = false;
    ++live->writers;
    then(std::shared_ptr<BlobWriter>(
        std::make_shared<DiskWriter>(shared_from_this(), live, live->files)));
  });
}

// In partial/ the writer would make files anew, beside those that hold the groups.
void Index::ReopenForWriter(const Live& live, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then) {
  WithFiles(live, [this, live, then = std::move(then)](StatusOr<SharedFiles> files) mutable {
    const bool is_open = live->phase == LiveBlob::Phase::kOpen && live->may_be_moved;
    if (is_open && !files.ok()) return then(files.status());
    if (is_open && live->files == nullptr) live->files = *std::move(files);
    OpenWriter(live->hash, std::move(then));
  });
}

void Index::KeepUnproven(const Hash& hash) {
  const Live live = FindLive(hash);
  if (live == nullptr) return;
  live->keeps_unproven = true;
  CountPartial(*live);
}

void Index::ForgetUnproven(const Hash& hash) {
  Look(hash, [this](const StatusOr<Found>& found) {
    if (!found.ok() || found->live == nullptr) return;
    found->live->unproven_is_unwanted = true;
    MaybeIdle(found->live);
  });
}

void Index::Claim(const Live& live, uint64_t size) {
  // While nothing is verified any claim will do; later the one under which groups were verified is
  // kept.
  if (live->phase != LiveBlob::Phase::kOpen || live->row.size_proven || live->row.size == size)
    return;
  if (live->row.size != 0 && !live->groups.empty()) return;
  live->row.size = size;
  PutRow(*live);
  if (live->unrecovered) Recover(live, size);
}

void Index::Publish(const Live& live, Published published) {
  if (live->phase == LiveBlob::Phase::kGone) {
    // A writer that came late made files anew beside the complete ones.
    if (published.files != nullptr && FindLive(live->hash) == nullptr)
      (void)RemoveFiles(file_system_, layout_.Partial(live->hash));
    return;
  }
  if (live->phase == LiveBlob::Phase::kFinishing) {
    // By an import, say, that may fail: nobody would bring again what a writer has named. What was
    // taken back is known only as long as there are writers.
    if (published.withdrawals != live->withdrawals) published.groups.RemoveAll(live->withdrawn);
    published.withdrawals = live->withdrawals;
    live->late.push_back(std::move(published));
    return;
  }
  if (published.small) return StartSmall(live, std::move(*published.small));
  // Nothing can be new; and where its files are, the writer may not know.
  if (HasAllGroups(*live)) return;
  if (published.generation != live->generation) published.groups = RangeSet();
  if (published.withdrawals != live->withdrawals) published.groups.RemoveAll(live->withdrawn);
  bool changed = !live->in_db && !published.groups.empty();
  if (published.proven_size && !live->row.size_proven) {
    live->row.size = *published.proven_size;
    live->row.size_proven = true;
    changed = true;
  } else if (published.claimed_size && !live->row.size_proven &&
             live->row.size != *published.claimed_size &&
             EndOf(published.groups) > EndOf(live->groups)) {
    // The claim under which the furthest group verified: all groups before it are found under that
    // one too, since its path passes them by as they are. A lie that fits what is near the
    // beginning only must not hide the rest after a crash.
    live->row.size = *published.claimed_size;
    changed = true;
  }
  if (live->files == nullptr && !published.groups.empty()) live->files = std::move(published.files);
  if (changed) PutRow(*live);
  RangeSet fresh = std::move(published.groups);
  fresh.RemoveAll(live->groups);
  live->groups.InsertAll(fresh);
  if (!fresh.empty()) live->last_failure = OkStatus();
  MarkDirty(live, fresh);
  if (changed || !fresh.empty()) Tell(*live);
  SyncWhatIsDue();
}

void Index::Release(const Live& live) {
  BLOBD_CHECK(live->writers > 0);
  if (--live->writers == 0) {
    live->withdrawn = RangeSet();
    live->promise.End(gate_);
  }
  if (live->phase != LiveBlob::Phase::kGone) MaybeIdle(live);
}

void Index::SetPrivate(const Hash& hash, bool is_private, Answer<Status> then) {
  Look(hash, [this, hash, is_private, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (!found->complete && (found->live == nullptr || found->live->groups.empty()))
      return then(ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short()));
    // The row in memory changes in the same step, so that whoever writes it next agrees.
    auto apply = [this, hash, is_private]() -> Status {
      const Live live = FindLive(hash);
      if (live != nullptr) live->row.is_private = is_private;
      BLOBD_ASSIGN_OR_RETURN(const bool has_row, db_.SetPrivate(hash, is_private));
      const bool has_none_yet =
          !has_row && live != nullptr && live->phase == LiveBlob::Phase::kOpen;
      if (!has_row && !has_none_yet)
        return ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short());
      if (has_none_yet) BLOBD_RETURN_IF_ERROR(db_.Put(live->row));
      was_hidden_ = was_hidden_ || is_private;
      return OkStatus();
    };
    auto applied = [this, hash, then = std::move(then)](const Status& status) mutable {
      const Live live = status.ok() ? nullptr : FindLive(hash);
      if (live != nullptr) {
        const StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
        if (row.ok() && row->has_value()) live->row.is_private = (*row)->is_private;
      }
      then(status);
    };
    CommitDurably(std::move(apply), std::move(applied));
  });
}

}  // namespace blobd::store
