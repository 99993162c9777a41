// Index: removing blobs. Nothing is claimed any more from the first, durable step on; whoever looks
// for the blob while its files go waits for them, so that the next one's files are its own.
#include <utility>

#include "base/error_reason.h"
#include "store/index.h"

namespace blobd::store {
namespace {

// The files of a blob, wherever they are, durably: also where none is found, since a life that
// ended before its syncs may have unlinked them, and power loss would bring them back.
Status UnlinkAll(FileSystem& file_system, const Layout& layout, const Hash& hash) {
  BLOBD_RETURN_IF_ERROR(RemoveFiles(file_system, layout.Complete(hash)));
  BLOBD_RETURN_IF_ERROR(RemoveFiles(file_system, layout.Partial(hash)));
  Status synced = file_system.SyncDirectory(layout.DirectoryOf(hash));
  if (!synced.ok() && synced.code() != StatusCode::kNotFound) return synced;
  return file_system.SyncDirectory(layout.partial());
}

}  // namespace

void Index::Remove(const Hash& hash, Answer<StatusOr<uint64_t>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return RemoveUnread(hash, found.status(), std::move(then));
    if (found->complete && found->complete->state == RowState::kInRow)
      return RemoveSmall(*found->complete, std::move(then));
    if (found->complete) {
      const uint64_t disk_bytes = DiskBytes(InfoOf(*found->complete));
      return RemoveFilesOf(*std::move(found->complete), disk_bytes, std::move(then));
    }
    const Live& live = found->live;
    if (live == nullptr && found->was_complete) {
      const Status forgotten = ForgetItWasComplete(hash);
      if (!forgotten.ok()) return then(forgotten);
    }
    const bool has_any = live != nullptr && (!live->groups.empty() || live->writers > 0 ||
                                             live->unrecovered || live->keeps_unproven);
    if (!has_any)
      return then(ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short()));
    if (live->writers > 0)
      return then(ErrorFor(Reason::kBlobInUse, "blob {} is being written: cancel that first",
                           hash.Short()));
    const bool is_finishing = live->phase == LiveBlob::Phase::kFinishing;
    if (!is_finishing && live->syncing.empty())
      return RemoveFilesOf(live->row, DiskBytes(InfoOf(*live)) + UnprovenBytes(live->row),
                           std::move(then));
    // What is on its way would be recorded after us.
    auto& waiters = is_finishing ? live->finish_waiters : live->sync_waiters;
    waiters.push_back([this, hash, then = std::move(then)](const Status&) mutable {
      Remove(hash, std::move(then));
    });
  });
}

// What cannot be looked at (a bad sector, a link in its place) can be removed all the same.
void Index::RemoveUnread(const Hash& hash, const Status& why, Answer<StatusOr<uint64_t>> then) {
  const StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
  const bool has_files = row.ok() && row->has_value() && (*row)->state != RowState::kInRow &&
                         FindLive(hash) == nullptr;
  if (!has_files || removals_.contains(hash)) return then(why);
  RemoveFilesOf(**row, DiskBytes(InfoOf(**row)), std::move(then));
}

Status Index::ForgetItWasComplete(const Hash& hash) {
  Status status = db_.Durably([this, &hash]() -> Status {
    BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> row, db_.Find(hash));
    if (!row) return OkStatus();
    row->was_complete = false;
    return row->is_private ? db_.Put(*row) : db_.Remove(hash);
  });
  NoteDatabase(status);
  return status;
}

void Index::RemoveSmall(const BlobRow& row, Answer<StatusOr<uint64_t>> then) {
  const Status removed = db_.Durably([this, &row]() -> Status {
    BLOBD_RETURN_IF_ERROR(db_.RemoveContent(row.hash));
    return Forget(row);
  });
  NoteDatabase(removed);
  if (!removed.ok()) return then(removed);
  tally_.CountOut(row.size);
  TellAbsent(row);
  then(row.size);
}

void Index::RemoveFilesOf(BlobRow row, uint64_t disk_bytes, Answer<StatusOr<uint64_t>> then) {
  const bool was_complete = row.complete();
  const uint64_t size = row.size;
  row.state = RowState::kRemoving;
  row.groups = RangeSet();
  row.was_complete = false;
  const Status recorded = db_.Durably([this, &row] { return db_.Put(row); });
  NoteDatabase(recorded);
  if (!recorded.ok()) return then(recorded);
  if (const auto it = withdrawals_.find(row.hash); it != withdrawals_.end())
    it->second.was_removed = true;
  if (was_complete) tally_.CountOut(size);
  if (const Live live = FindLive(row.hash); live != nullptr) {
    live->phase = LiveBlob::Phase::kGone;
    live->files = nullptr;
    dirty_bytes_ -= live->dirty.Count() * kGroupSize;
    live->dirty = RangeSet();
    live_.erase(row.hash);
    for (auto& waiter : std::exchange(live->next_sync_waiters, {})) waiter(OkStatus());
  }
  TellAbsent(row);
  UnlinkRemoved(row.hash, [disk_bytes, then = std::move(then)](const Status& status) mutable {
    if (!status.ok()) return then(status);
    then(disk_bytes);
  });
}

// REQUIRES: the row says kRemoving, and nobody removes its files yet
void Index::UnlinkRemoved(const Hash& hash, Answer<Status> then) {
  BLOBD_CHECK(removals_.try_emplace(hash).second);
  RunJob(
      nullptr,
      [&file_system = file_system_, layout = layout_, hash] {
        return UnlinkAll(file_system, layout, hash);
      },
      [this, hash, then = std::move(then)](Status status) mutable {
        if (status.ok()) {
          const StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
          status = row.status();
          // If the row cannot be removed now, this is done again when somebody looks for the blob.
          const bool is_there = row.ok() && row->has_value();
          if (is_there && (*row)->state == RowState::kRemoving) status = Forget(**row);
        }
        std::vector<Task> waiters = std::move(removals_.extract(hash).mapped());
        then(std::move(status));
        for (Task& waiter : waiters) waiter();
      });
}

// What the last life did not come to. What cannot be done is tried again when somebody looks for
// the blob.
void Index::FinishRemoval(const BlobRow& row) {
  if (UnlinkAll(file_system_, layout_, row.hash).ok()) (void)Forget(row);
}

// Where the log lost its end, a blob that was being removed may have come back since.
Status Index::FinishRemovals(Survey& survey, bool log_in_doubt) {
  for (const BlobRow& row : survey.removing) {
    std::optional<BlobRow> there;
    if (log_in_doubt) {
      BLOBD_ASSIGN_OR_RETURN(
          there, RowFromWhatIsThere(file_system_, layout_, db_, row.hash, row.last_use));
    }
    if (!there) {
      FinishRemoval(row);
      continue;
    }
    there->is_private = row.is_private;
    BLOBD_RETURN_IF_ERROR(db_.Durably([this, &there] { return db_.Put(*there); }));
    survey.doubtful.push_back(row.hash);
  }
  return OkStatus();
}

void Index::TellAbsent(const BlobRow& row) {
  tally_.SetPartial(row.hash, std::nullopt);
  BlobInfo absent;
  absent.hash = row.hash;
  absent.is_private = row.is_private;
  absent.was_complete = row.was_complete;
  watches_.Tell(std::move(absent));
}

}  // namespace blobd::store
