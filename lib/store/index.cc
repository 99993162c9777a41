#include "store/index.h"

#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "store/disk_writer.h"

namespace blobd::store {
namespace {

// quick_check reads all of the database; for one this large opening would take seconds. Its rows
// are checked when they are read, and small blobs against their hash.
constexpr uint64_t kQuickCheckLimit = 256 * kMiB;

}  // namespace

StatusOr<std::shared_ptr<Index>> Index::Open(const std::string& state_dir,
                                             loop::WorkerPool& workers, FileSystem& file_system,
                                             const DiskStore::Options& options) {
  const Layout layout(state_dir);
  for (const std::string& directory : {layout.blobs(), layout.partial()}) {
    BLOBD_RETURN_IF_ERROR(file_system.MakeDirectory(directory).status());
  }
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(state_dir));
  bool quick_check = false;
  if (auto file = file_system.Open(layout.database(), OpenMode::kRead); file.ok()) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
    quick_check = size <= kQuickCheckLimit;
  }
  BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(layout.database(), options.vfs, quick_check));
  BLOBD_ASSIGN_OR_RETURN(const CompleteTotals totals, db.CountComplete());
  std::shared_ptr<Index> index(
      new Index(layout, workers, file_system, options, std::move(db), totals));
  BLOBD_RETURN_IF_ERROR(index->TidyPartial());
  return index;
}

Index::Index(Layout layout, loop::WorkerPool& workers, FileSystem& file_system,
             const DiskStore::Options& options, StoreDb db, CompleteTotals totals)
    : layout_(std::move(layout)),
      workers_(workers),
      file_system_(file_system),
      options_(options),
      strand_(workers.MakeStrand()),
      db_(std::move(db)),
      totals_(totals) {}

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
  return db_.Put(guess);
}

void Index::Look(const Hash& hash, Answer<StatusOr<Found>> then) {
  if (Live live = FindLive(hash); live != nullptr) {
    if (live->phase != LiveBlob::Phase::kLoading) return then(Found{std::nullopt, std::move(live)});
    live->load_waiters.push_back(std::move(then));
    return;
  }
  StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
  if (!row.ok()) return then(row.status());
  if (!row->has_value()) return then(Found());
  if ((*row)->complete()) return then(Found{std::move(*row), nullptr});
  Load(std::move(**row), std::move(then));
}

void Index::Load(BlobRow row, Answer<StatusOr<Found>> then) {
  const Live live = AddLive(row.hash);
  live->phase = LiveBlob::Phase::kLoading;
  live->row = std::move(row);
  live->in_db = true;
  live->load_waiters.push_back(std::move(then));
  RunJob(
      live.get(),
      [&file_system = file_system_, layout = layout_, claimed = live->row] {
        return LoadFiles(file_system, layout, claimed);
      },
      [this, live](StatusOr<Loaded> loaded) { OnLoaded(live, std::move(loaded)); });
}

StatusOr<Index::Loaded> Index::LoadFiles(FileSystem& file_system, const Layout& layout,
                                         const BlobRow& row) {
  const FilePair partial = layout.Partial(row.hash);
  const bool is_moving = row.size_proven && row.groups.ContainsAll({0, bao::GroupCount(row.size)});
  StatusOr<SharedFiles> files =
      is_moving ? OpenMovingFiles(file_system, partial, layout.Complete(row.hash))
                : OpenFiles(file_system, partial, OpenMode::kReadWrite);
  if (files.status().code() == StatusCode::kNotFound) return Loaded();
  BLOBD_RETURN_IF_ERROR(files.status());
  Loaded loaded{*files, row.groups, {}, is_moving};
  BLOBD_ASSIGN_OR_RETURN(const uint64_t file_size, loaded.files->data->Size());
  loaded.has_data = file_size > 0;
  if (!row.groups.empty()) {
    uint64_t needed = row.groups.ranges().back().end * kGroupSize;
    if (row.size_proven) needed = std::min(needed, row.size);
    // Somebody cut the file: nothing the row claims is believed without looking.
    if (file_size < needed) loaded.known = RangeSet();
  }
  if (row.size == 0) return loaded;
  BLOBD_ASSIGN_OR_RETURN(loaded.found, RecoverGroups(row.hash, row.size, loaded.known,
                                                     *loaded.files->data, *loaded.files->outboard));
  return loaded;
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
    for (auto& then : waiters) then(Found());
    return;
  }
  if (changed) PutRow(*live);
  MarkDirty(live, loaded->found.groups);
  auto answer = [live, waiters = std::move(waiters), this](const Status&) mutable {
    for (auto& then : waiters) Look(live->hash, std::move(then));
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

Index::Live Index::AddLive(const Hash& hash) {
  auto live = std::make_shared<LiveBlob>(hash);
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
  // What cannot be removed is tidied up at the next opening.
  (void)RemoveFiles(file_system_, layout_.Partial(live.hash));
  if (live.in_db) (void)db_.Remove(live.hash);
}

// Lets go of files nobody writes, and of a blob nobody has anything of.
void Index::MaybeIdle(const Live& live) {
  if (live->phase != LiveBlob::Phase::kOpen || live->writers > 0) return;
  if (!live->dirty.empty() || !live->syncing.empty()) return;
  if (live->groups.empty() && !live->unrecovered) return Discard(*live);
  live->files = nullptr;
}

void Index::OpenWriter(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return then(AlreadyExists("blob {} is complete", hash.Short()));
    const Live live = found->live != nullptr ? found->live : AddLive(hash);
    if (live->phase == LiveBlob::Phase::kFinishing) {
      // Either it is complete then, or there is something to be written again.
      live->finish_waiters.push_back([this, hash, then = std::move(then)](const Status&) mutable {
        OpenWriter(hash, std::move(then));
      });
      return;
    }
    if (live->files == nullptr && live->may_be_moved && !live->groups.empty())
      return ReopenForWriter(live, std::move(then));
    ++live->writers;
    then(std::shared_ptr<BlobWriter>(
        std::make_shared<DiskWriter>(shared_from_this(), live, live->files)));
  });
}

// In partial/ the writer would make files anew, beside those that hold the groups.
void Index::ReopenForWriter(const Live& live, Answer<StatusOr<std::shared_ptr<BlobWriter>>> then) {
  auto open = [&file_system = file_system_, partial = layout_.Partial(live->hash),
               complete = layout_.Complete(live->hash)] {
    return OpenMovingFiles(file_system, partial, complete);
  };
  RunJob(live.get(), std::move(open),
         [this, live, then = std::move(then)](StatusOr<SharedFiles> files) mutable {
           const bool is_open = live->phase == LiveBlob::Phase::kOpen && live->may_be_moved;
           if (is_open && !files.ok()) return then(files.status());
           if (is_open && live->files == nullptr) live->files = *std::move(files);
           OpenWriter(live->hash, std::move(then));
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

// Looks again, under another size, for groups that the last life wrote. Those that are found fit
// the hash, so the claim need not be true.
void Index::Recover(const Live& live, uint64_t size) {
  const uint64_t generation = live->generation;
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
    if (live->phase != LiveBlob::Phase::kOpen || HasAllGroups(*live)) return;
    if (!loaded.ok() || live->generation != generation) return MaybeIdle(live);
    RangeSet fresh = std::move(loaded->found.groups);
    fresh.RemoveAll(live->groups);
    if (fresh.empty()) return MaybeIdle(live);
    live->unrecovered = false;
    if (live->files == nullptr) live->files = std::move(loaded->files);
    if (loaded->found.has_last) {
      live->row.size = size;
      live->row.size_proven = true;
      PutRow(*live);
    }
    live->groups.InsertAll(fresh);
    MarkDirty(live, fresh);
    if (HasAllGroups(*live)) return StartFinish(live);
    SyncWhatIsDue();
  });
}

void Index::Publish(const Live& live, Published published) {
  if (live->phase != LiveBlob::Phase::kOpen) {
    // A writer that came late made files anew beside the complete ones.
    if (live->phase == LiveBlob::Phase::kGone && published.files != nullptr &&
        FindLive(live->hash) == nullptr) {
      (void)RemoveFiles(file_system_, layout_.Partial(live->hash));
    }
    return;
  }
  if (published.small) return StartSmall(live, std::move(*published.small));
  // Nothing can be new; and where its files are, the writer may not know.
  if (HasAllGroups(*live)) return;
  if (published.generation != live->generation) published.groups = RangeSet();
  bool changed = !live->in_db && !published.groups.empty();
  if (published.proven_size && !live->row.size_proven) {
    live->row.size = *published.proven_size;
    live->row.size_proven = true;
    changed = true;
  } else if (published.claimed_size && !live->row.size_proven &&
             live->row.size != *published.claimed_size && !published.groups.empty()) {
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
  SyncWhatIsDue();
}

void Index::Release(const Live& live) {
  if (live->phase == LiveBlob::Phase::kGone) return;
  BLOBD_CHECK(live->writers > 0);
  --live->writers;
  MaybeIdle(live);
}

}  // namespace blobd::store
