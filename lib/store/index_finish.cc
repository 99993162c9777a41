// Index: from all groups verified to a complete blob; small blobs; imports.
#include <utility>

#include "bao/tree.h"
#include "base/error_reason.h"
#include "store/index.h"

namespace blobd::store {
namespace {

// Brings the files to their exact length and syncs them. What is too short here was never all
// written.
Status SyncWhole(const DiskFiles& files, uint64_t size) {
  const std::pair<File&, uint64_t> expected[] = {{*files.data, size},
                                                 {*files.outboard, bao::OutboardSize(size)}};
  for (const auto& [file, length] : expected) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t present, file.Size());
    if (present < length) return DataLoss("a file of {} bytes has only {}", length, present);
    if (present > length) BLOBD_RETURN_IF_ERROR(file.Truncate(length));
  }
  return SyncFiles(files);
}

// What was in blobs/ before all groups were recorded is removed (ClearTarget), so what is there now
// got there whole and synced, before an earlier try failed or the process ended.
// Then a file at `from` can only be one that a late writer made anew.
Status MoveFile(FileSystem& file_system, const std::string& from, const std::string& to) {
  const Status there = file_system.Open(to, OpenMode::kRead).status();
  if (there.code() == StatusCode::kNotFound) return file_system.Rename(from, to);
  BLOBD_RETURN_IF_ERROR(there);
  const Status status = file_system.Unlink(from);
  return status.code() == StatusCode::kNotFound ? OkStatus() : status;
}

Status MoveToBlobsAndSync(FileSystem& file_system, const Layout& layout, const Hash& hash) {
  const FilePair partial = layout.Partial(hash);
  const FilePair complete = layout.Complete(hash);
  BLOBD_RETURN_IF_ERROR(file_system.MakeDirectory(layout.DirectoryOf(hash)).status());
  // Also if it was there: whoever made it may not have come to this.
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.blobs()));
  BLOBD_RETURN_IF_ERROR(MoveFile(file_system, partial.outboard, complete.outboard));
  BLOBD_RETURN_IF_ERROR(MoveFile(file_system, partial.data, complete.data));
  (void)file_system.Unlink(partial.unproven_log);  // mostly there is none
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.DirectoryOf(hash)));
  return file_system.SyncDirectory(layout.partial());
}

// Where the blob's files may be in blobs/ already, those there are the ones to be replaced: they
// would be preferred, and may be short of groups.
StatusOr<SharedFiles> PlaceImport(FileSystem& file_system, const Layout& layout,
                                  const FilePair& from, const Hash& hash, bool may_be_moved) {
  const FilePair to = may_be_moved ? layout.Complete(hash) : layout.Partial(hash);
  if (may_be_moved) {
    BLOBD_RETURN_IF_ERROR(file_system.MakeDirectory(layout.DirectoryOf(hash)).status());
  } else {
    BLOBD_RETURN_IF_ERROR(ClearTarget(file_system, layout, hash));
  }
  BLOBD_RETURN_IF_ERROR(file_system.Rename(from.outboard, to.outboard));
  BLOBD_RETURN_IF_ERROR(file_system.Rename(from.data, to.data));
  BLOBD_RETURN_IF_ERROR(
      file_system.SyncDirectory(may_be_moved ? layout.DirectoryOf(hash) : layout.partial()));
  return OpenFiles(file_system, to, OpenMode::kReadWrite);
}

}  // namespace

bool Index::HasAllGroups(const LiveBlob& live) const {
  return live.row.size_proven && live.groups.ContainsAll({0, bao::GroupCount(live.row.size)});
}

void Index::Finish(const Live& live, Answer<Status> then) {
  if (live->phase == LiveBlob::Phase::kGone) return FinishGone(live->hash, std::move(then));
  if (live->phase == LiveBlob::Phase::kOpen && !HasAllGroups(*live)) {
    if (!live->last_failure.ok()) return then(live->last_failure);
    return then(FailedPrecondition("groups of blob {} are missing", live->hash.Short()));
  }
  if (live->phase == LiveBlob::Phase::kOpen) StartFinish(live);
  if (live->late.empty()) {
    live->finish_waiters.push_back(std::move(then));
    return;
  }
  // What was published meanwhile may be all that was missing.
  live->finish_waiters.push_back(
      [this, hash = live->hash, then = std::move(then)](const Status& status) mutable {
        const Live again = FindLive(hash);
        if (status.ok() || again == nullptr) return then(status);
        Finish(again, std::move(then));
      });
}

// A blob with a writer is gone because it became complete; but it may have been removed, or groups
// of it withdrawn, since then.
void Index::FinishGone(const Hash& hash, Answer<Status> then) {
  const auto row = db_.Find(hash);
  if (!row.ok()) return then(row.status());
  if (row->has_value() && (*row)->complete()) return then(OkStatus());
  then(Unavailable("blob {} was complete and is so no more; open a new writer", hash.Short()));
}

void Index::StartFinish(const Live& live) {
  live->phase = LiveBlob::Phase::kFinishing;
  live->guard.Close();
  auto sync = [&file_system = file_system_, layout = layout_, hash = live->hash,
               files = live->files, may_be_moved = live->may_be_moved,
               names_synced = live->names_synced, size = live->row.size]() mutable -> Status {
    if (!may_be_moved) BLOBD_RETURN_IF_ERROR(ClearTarget(file_system, layout, hash));
    if (files == nullptr) {
      BLOBD_ASSIGN_OR_RETURN(files, OpenLiveFiles(file_system, layout, hash, may_be_moved));
    }
    if (!names_synced) BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.partial()));
    return SyncWhole(*files, size);
  };
  RunJob(live.get(), std::move(sync), [this, live](const Status& status) {
    if (!status.ok()) {
      // Files that are too short were not synced, but what they lack is looked for. Otherwise only
      // what was synced before can still be relied on.
      const bool is_too_short = status.code() == StatusCode::kDataLoss;
      if (!is_too_short) TakeBackUnsynced(*live, status);
      FinishFailed(live, status);
      if (is_too_short) Withdraw(live->hash, RangeSet::All(), [](const Status&) {});
      return;
    }
    live->names_synced = true;
    // A sync before this one may have failed, and taken back what it was to sync.
    if (!HasAllGroups(*live))
      return FinishFailed(live, Unavailable("groups of the blob could not be written"));
    RecordAllGroups(live);
  });
}

void Index::RecordAllGroups(const Live& live) {
  CommitDurably(
      [this, live]() -> Status {
        BlobRow row = live->row;
        row.groups = live->groups;
        return db_.Put(row);
      },
      [this, live](const Status& status) {
        if (!status.ok()) return FinishFailed(live, status);
        live->in_db = true;
        live->row.groups = live->groups;
        live->may_be_moved = true;
        dirty_bytes_ -= live->dirty.Count() * kGroupSize;
        live->dirty = RangeSet();
        MoveToBlobs(live);
      });
}

void Index::MoveToBlobs(const Live& live) {
  RunJob(
      live.get(),
      [&file_system = file_system_, layout = layout_, hash = live->hash] {
        return MoveToBlobsAndSync(file_system, layout, hash);
      },
      [this, live](const Status& status) {
        if (!status.ok()) return FinishFailed(live, status);
        RecordComplete(live, RowState::kInFiles);
      });
}

void Index::RecordComplete(const Live& live, RowState state) {
  CommitDurably(
      [this, live, state]() -> Status {
        BlobRow row = live->row;
        row.state = state;
        row.groups = RangeSet();
        row.was_complete = false;
        row.last_use = options_.clock->WallNow();
        if (state == RowState::kInRow) {
          BLOBD_RETURN_IF_ERROR(db_.PutContent(live->hash, *live->small));
          was_hidden_ = was_hidden_ || row.is_private;  // by the import that is completed, perhaps
        }
        return db_.Put(row);
      },
      [this, live, state](const Status& status) {
        if (!status.ok()) return FinishFailed(live, status);
        live->row.state = state;
        live->row.groups = RangeSet();
        live->row.was_complete = false;
        Complete(*live);
      });
}

void Index::Complete(LiveBlob& live) {
  live.phase = LiveBlob::Phase::kGone;
  live_.erase(live.hash);
  tally_.CountIn(live.row.size);
  tally_.SetPartial(live.hash, std::nullopt);
  dirty_bytes_ -= live.dirty.Count() * kGroupSize;
  live.dirty = RangeSet();
  // A small blob may have begun in files, under a wrong claim.
  if (live.small && live.in_db) (void)RemoveFiles(file_system_, layout_.Partial(live.hash));
  live.files = nullptr;
  live.small.reset();
  live.late.clear();
  if (watches_.IsWatched(live.hash)) watches_.Tell(InfoOf(live.row));
  for (auto& then : std::exchange(live.next_sync_waiters, {})) then(OkStatus());
  for (auto& then : std::exchange(live.finish_waiters, {})) then(OkStatus());
}

void Index::FinishFailed(const Live& live, const Status& status) {
  live->phase = LiveBlob::Phase::kOpen;
  live->last_failure = status;
  if (live->small) {
    // It was only in memory, and the caller hears that it is not stored.
    live->small.reset();
    live->row.size_proven = false;
    live->groups = live->row.groups;
  }
  live->guard.Open(TakenIn(*live));
  // Dirty is what is verified and neither recorded nor being synced.
  dirty_bytes_ -= live->dirty.Count() * kGroupSize;
  live->dirty = RangeSet();
  RangeSet dirty = live->groups;
  dirty.RemoveAll(live->row.groups);
  dirty.RemoveAll(live->syncing);
  MarkDirty(live, dirty);
  Tell(*live);
  if (live->in_db) PutRow(*live);
  auto waiters = std::exchange(live->finish_waiters, {});
  for (Published& late : std::exchange(live->late, {})) Publish(live, std::move(late));
  for (auto& then : waiters) then(status);
  Settle(live);
}

void Index::StartSmall(const Live& live, Bytes content) {
  live->phase = LiveBlob::Phase::kFinishing;
  live->row.size = content.size();
  live->row.size_proven = true;
  live->groups = RangeSet(Range{0, 1});
  live->small = std::move(content);
  RecordComplete(live, RowState::kInRow);
}

void Index::PutSmall(const Hash& hash, Bytes content, Answer<Status> then) {
  Look(hash, [this, hash, content = std::move(content),
              then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return then(OkStatus());
    if (Status room = gate_.Take(content.size()); !room.ok()) return then(std::move(room));
    const Live live = found->live != nullptr ? found->live : AddLive(hash, *found);
    if (live->phase == LiveBlob::Phase::kOpen) StartSmall(live, std::move(content));
    live->finish_waiters.push_back(std::move(then));
  });
}

void Index::AdoptSmall(const Hash& hash, Bytes content, bool make_private,
                       Answer<StatusOr<bool>> then) {
  Look(hash, [this, hash, content = std::move(content), make_private,
              then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return AdoptComplete(hash, make_private, std::move(then));
    if (Status room = gate_.Take(content.size()); !room.ok()) return then(std::move(room));
    const Live live = found->live != nullptr ? found->live : AddLive(hash, *found);
    // Whichever row is written when it is complete says so too.
    live->row.is_private = live->row.is_private || make_private;
    if (live->phase == LiveBlob::Phase::kOpen) StartSmall(live, std::move(content));
    live->finish_waiters.push_back([then = std::move(then)](const Status& status) mutable {
      if (!status.ok()) return then(status);
      then(true);
    });
  });
}

void Index::AdoptComplete(const Hash& hash, bool make_private, Answer<StatusOr<bool>> then) {
  if (!make_private) return then(false);
  SetPrivate(hash, true, [hash, then = std::move(then)](const Status& status) mutable {
    // A removal came between.
    if (status.code() == StatusCode::kNotFound)
      return then(
          WithReason(Reason::kRemovedMeanwhile,
                     Unavailable("blob {} was removed meanwhile; import it again", hash.Short())));
    if (!status.ok()) return then(status);
    then(false);
  });
}

void Index::Adopt(const Hash& hash, uint64_t size, uint64_t import, bool make_private,
                  Answer<StatusOr<bool>> then) {
  Look(hash, [this, hash, size, import, make_private,
              then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok() || found->complete) {
      (void)RemoveFiles(file_system_, layout_.Import(import));
      if (!found.ok()) return then(found.status());
      return AdoptComplete(hash, make_private, std::move(then));
    }
    const Live live = found->live != nullptr ? found->live : AddLive(hash, *found);
    live->row.is_private = live->row.is_private || make_private;
    if (live->phase == LiveBlob::Phase::kOpen && make_private) {
      if (Status status = RecordPrivate(*live, size); !status.ok()) {
        (void)RemoveFiles(file_system_, layout_.Import(import));
        MaybeIdle(live);
        return then(std::move(status));
      }
    }
    if (live->phase == LiveBlob::Phase::kOpen)
      return MoveImport(live, size, import, std::move(then));
    // Somebody else is about to complete it; if that fails, it is our turn.
    live->finish_waiters.push_back(
        [this, hash, size, import, make_private, then = std::move(then)](const Status&) mutable {
          Adopt(hash, size, import, make_private, std::move(then));
        });
  });
}

// Before there are files under the name of the blob: the next life would find them, and not know.
Status Index::RecordPrivate(LiveBlob& live, uint64_t size) {
  if (live.groups.empty()) live.row.size = size;
  Status status = db_.Durably([this, &live] { return db_.Put(live.row); });
  live.in_db = live.in_db || status.ok();
  NoteDatabase(status);
  if (status.ok()) {
    was_hidden_ = true;
    KeepHidden();
  }
  return status;
}

// Puts the import's files in the place of what was there of the blob, and completes it like any
// other.
void Index::MoveImport(const Live& live, uint64_t size, uint64_t import,
                       Answer<StatusOr<bool>> then) {
  live->phase = LiveBlob::Phase::kFinishing;
  live->guard.Close();
  auto move = [&file_system = file_system_, from = layout_.Import(import), layout = layout_,
               hash = live->hash, may_be_moved = live->may_be_moved]() {
    StatusOr<SharedFiles> files = PlaceImport(file_system, layout, from, hash, may_be_moved);
    if (!files.ok()) (void)RemoveFiles(file_system, from);
    return files;
  };
  auto moved = [this, live, size, then = std::move(then)](StatusOr<SharedFiles> files) mutable {
    if (!files.ok()) {
      then(files.status());
      return FinishFailed(live, files.status());
    }
    live->row.size = size;
    live->row.size_proven = true;
    live->groups = RangeSet(Range{0, bao::GroupCount(size)});
    live->files = *std::move(files);
    live->names_synced = true;
    live->finish_waiters.push_back([then = std::move(then)](const Status& finished) mutable {
      if (!finished.ok()) return then(finished);
      then(true);
    });
    RecordAllGroups(live);
  };
  RunJob(live.get(), std::move(move), std::move(moved));
}

}  // namespace blobd::store
