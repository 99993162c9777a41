// Index: what the last life left: tidying up at opening, and loading the blobs that are not
// complete.
#include <algorithm>
#include <utility>

#include "store/index.h"

namespace blobd::store {

// Removes what interrupted imports left, and makes files and rows of partial blobs fit each other.
Status Index::TidyPartial() {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                         file_system_.List(layout_.partial()));
  for (const std::string& name : names) {
    if (IsImportName(name)) {
      // What cannot be removed (somebody's directory) does no harm.
      (void)file_system_.Unlink(layout_.partial() + "/" + name);
    } else if (const std::optional<Hash> hash = HashOfPartialName(name)) {
      BLOBD_RETURN_IF_ERROR(TidyPartialFile(*hash));
    }
  }
  return OkStatus();
}

Status Index::TidyPartialFile(const Hash& hash) {
  const StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
  if (!row.ok()) return OkStatus();  // whoever asks for the blob gets the error
  const FilePair paths = layout_.Partial(hash);
  if (row->has_value()) {
    if ((*row)->complete()) (void)RemoveFiles(file_system_, paths);
    return OkStatus();
  }
  // The process ended before the row was written. The length of the file is the best guess at the
  // blob's size; an outboard without data says nothing.
  auto file = file_system_.Open(paths.data, OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) (void)RemoveFiles(file_system_, paths);
  // Neither a link nor a directory is ours; whoever writes the blob gets the error.
  if (!file.ok()) return OkStatus();
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  BlobRow guess;
  guess.hash = hash;
  guess.size = std::min(size, kMaxStoredSize);
  guess.last_use = options_.clock->WallNow();
  // A private blob has a synced row before it has files.
  guess.is_private = rows_may_be_lost_;
  return db_.Put(guess);
}

void Index::Look(const Hash& hash, Answer<StatusOr<Found>> then) {
  LookAt(hash, nullptr, std::move(then));
}

void Index::LookAt(const Hash& hash, StatusOr<std::optional<BlobRow>>* read,
                   Answer<StatusOr<Found>> then) {
  if (const auto removal = removals_.find(hash); removal != removals_.end()) {
    removal->second.push_back(
        [this, hash, then = std::move(then)]() mutable { Look(hash, std::move(then)); });
    return;
  }
  if (Live live = FindLive(hash); live != nullptr) {
    if (live->phase != LiveBlob::Phase::kLoading) return then(Found{std::nullopt, std::move(live)});
    live->load_waiters.push_back(std::move(then));
    return;
  }
  StatusOr<std::optional<BlobRow>> row = read != nullptr ? std::move(*read) : db_.Find(hash);
  if (row.status().code() == StatusCode::kDataLoss && MendRow(hash).ok()) {
    row = db_.Find(hash);
    // It was counted, most likely, and is again when it is complete.
    if (row.ok() && row->has_value() && !(*row)->complete()) tally_.CountOut((*row)->size);
  }
  if (!row.ok()) return then(row.status());
  if (!row->has_value()) return then(Found());
  if ((*row)->complete()) return then(Found{std::move(*row), nullptr});
  if ((*row)->state == RowState::kRemoving) {
    // Its files could not be removed before, and must not be taken for those of the next one.
    return UnlinkRemoved(hash, [this, hash, then = std::move(then)](const Status& status) mutable {
      if (!status.ok()) return then(status);
      Look(hash, std::move(then));
    });
  }
  Load(std::move(**row), std::move(then));
}

void Index::Load(BlobRow row, Answer<StatusOr<Found>> then) {
  const Live live = AddLive(row.hash, {});
  live->phase = LiveBlob::Phase::kLoading;
  live->row = std::move(row);
  live->in_db = true;
  live->load_waiters.push_back(std::move(then));
  live->strand = workers_.MakeStrand();
  std::make_shared<Loading>(
      shared_from_this(), live->row, live->strand,
      [this, live](StatusOr<Loaded> loaded) { OnLoaded(live, std::move(loaded)); })
      ->Start();
}

void Index::OnLoaded(const Live& live, StatusOr<Loaded> loaded) {
  std::vector<Answer<StatusOr<Found>>> waiters = std::exchange(live->load_waiters, {});
  live->phase = LiveBlob::Phase::kOpen;
  if (!loaded.ok()) {
    live->phase = LiveBlob::Phase::kGone;
    live_.erase(live->hash);
    for (auto& then : waiters) then(loaded.status());
    return;
  }
  live->files = loaded->files;
  live->groups = loaded->known;
  live->groups.InsertAll(loaded->found.groups);
  const bool changed = live->row.groups != loaded->known || loaded->found.has_last;
  live->row.groups = loaded->known;
  live->row.size_proven = live->row.size_proven || loaded->found.has_last;
  live->may_be_moved = loaded->is_moving;
  live->unrecovered = live->groups.empty() && loaded->has_data && !live->row.size_proven;
  if (live->groups.empty() && !live->unrecovered) {
    Discard(*live);
    for (auto& then : waiters) {
      // One before may have begun the blob anew, and what there was of it may still be going.
      if (FindLive(live->hash) != nullptr || removals_.contains(live->hash)) {
        Look(live->hash, std::move(then));
      } else {
        then(Found{std::nullopt, nullptr, live->row.is_private, live->row.was_complete});
      }
    }
    return;
  }
  if (changed) PutRow(*live);
  MarkDirty(live, loaded->found.groups);
  Tell(*live);
  auto answer = [this, live, waiters = std::move(waiters)](const Status& status) mutable {
    // Nothing of it could be kept: loading it again would end the same way.
    const bool is_lost = !status.ok() && live->groups.empty();
    for (auto& then : waiters) is_lost ? then(status) : Look(live->hash, std::move(then));
  };
  if (HasAllGroups(*live)) {
    StartFinish(live);
    live->finish_waiters.push_back(std::move(answer));
  } else {
    StartSync(live);
    answer(OkStatus());
    MaybeIdle(live);
  }
}

// Looks again, under another size, for groups that the last life wrote. Those that are found fit
// the hash, so the claim need not be true. Somebody may write without proof meanwhile: what is
// written over was found in vain.
void Index::Recover(const Live& live, uint64_t size) {
  const uint64_t generation = live->generation;
  live->guard.BeginLook();
  auto look = [&file_system = file_system_, files = live->files, hash = live->hash,
               partial = layout_.Partial(live->hash), size]() mutable -> StatusOr<Loaded> {
    if (files == nullptr) {
      BLOBD_ASSIGN_OR_RETURN(files, OpenFiles(file_system, partial, OpenMode::kReadWrite));
    }
    Loaded loaded;
    BLOBD_ASSIGN_OR_RETURN(loaded.found,
                           RecoverGroups(hash, size, RangeSet(), *files->data, *files->outboard));
    loaded.files = std::move(files);
    return loaded;
  };
  RunJob(live.get(), std::move(look), [this, live, size, generation](StatusOr<Loaded> loaded) {
    const bool is_believed = loaded.ok() && live->generation == generation;
    const bool is_wanted = live->phase == LiveBlob::Phase::kOpen && !HasAllGroups(*live);
    // What is named and not kept would be nobody's to write.
    RangeSet fresh =
        live->guard.EndLook(is_believed && is_wanted ? loaded->found.groups : RangeSet());
    if (!is_wanted) return;
    fresh.RemoveAll(live->groups);
    if (fresh.empty()) return MaybeIdle(live);
    live->unrecovered = false;
    if (live->files == nullptr) live->files = std::move(loaded->files);
    if (loaded->found.has_last) {
      live->row.size = size;
      live->row.size_proven = true;
      live->guard.Name({bao::GroupCount(size), RangeSet::kOpenEnd});
      PutRow(*live);
    }
    live->groups.InsertAll(fresh);
    MarkDirty(live, fresh);
    Tell(*live);
    if (HasAllGroups(*live)) return StartFinish(live);
    SyncWhatIsDue();
  });
}

}  // namespace blobd::store
