#include "store/rebuild.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "blake3/hasher.h"
#include "sqlite/log_scan.h"
#include "store/move_aside.h"
#include "store/salvage.h"

namespace blobd::store {
namespace {

// quick_check reads all of the database; for one this large opening would take seconds. Its rows
// are checked when they are read, and small blobs against their hash.
constexpr uint64_t kQuickCheckLimit = 256 * kMiB;
// Rows that go into one transaction of the new database.
constexpr size_t kRowsTogether = 4096;

// nullopt: there is no such file.
StatusOr<std::optional<uint64_t>> SizeOf(FileSystem& file_system, const std::string& path) {
  StatusOr<std::unique_ptr<File>> file = file_system.Open(path, OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) return std::optional<uint64_t>();
  BLOBD_RETURN_IF_ERROR(file.status());
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  return std::optional<uint64_t>(size);
}

// The same where anything may have been put: nullopt also if it is no file, or cannot be opened.
StatusOr<std::optional<uint64_t>> SizeOfOurs(FileSystem& file_system, const std::string& path) {
  StatusOr<std::optional<uint64_t>> size = SizeOf(file_system, path);
  const StatusCode code = size.status().code();
  const bool is_for_want_of_memory = code == StatusCode::kUnavailable;
  if (!size.ok() && !is_for_want_of_memory) return std::optional<uint64_t>();
  return size;
}

Status UnlinkIfThere(FileSystem& file_system, const std::string& path) {
  const Status status = file_system.Unlink(path);
  return status.code() == StatusCode::kNotFound ? OkStatus() : status;
}

// Fills a new database.
class Filler {
 public:
  Filler(FileSystem& file_system, const Layout& layout, StoreDb& db, WallTime now)
      : file_system_(file_system), layout_(layout), db_(db), now_(now) {}

  Status TakeRow(BlobRow row) {
    switch (row.state) {
      case RowState::kInFiles:
      case RowState::kReopened:
        row.state = RowState::kReopened;
        row.was_complete = true;
        break;
      case RowState::kPartial:
        row.size_proven = false;
        break;
      case RowState::kInRow:  // until its bytes are found
        row.state = RowState::kPartial;
        row.size = 0;
        row.size_proven = false;
        row.was_complete = true;
        break;
      case RowState::kRemoving:
        break;
    }
    row.groups = RangeSet();
    return Put(std::move(row), std::nullopt);
  }

  Status TakeSmall(const Hash& hash, ByteView content) {
    if (!std::exchange(has_rows_, true)) BLOBD_RETURN_IF_ERROR(Write());
    BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> row, db_.Find(hash));
    if (row && row->state != RowState::kPartial) return OkStatus();
    if (!row) row = Unknown(hash);
    row->state = RowState::kInRow;
    row->size = content.size();
    row->size_proven = true;
    row->groups = RangeSet();
    row->was_complete = false;
    return Put(*std::move(row), Bytes(content.begin(), content.end()));
  }

  Status TakeFiles() {
    BLOBD_RETURN_IF_ERROR(Write());
    BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           file_system_.List(layout_.blobs()));
    for (const std::string& name : names) {
      BLOBD_RETURN_IF_ERROR(ForEachBlobIn(file_system_, layout_, name,
                                          [this](const Hash& hash) { return TakeFilesOf(hash); }));
    }
    return Write();
  }

 private:
  struct Waiting {
    BlobRow row;
    std::optional<Bytes> content;
  };

  BlobRow Unknown(const Hash& hash) const {
    BlobRow row;
    row.hash = hash;
    row.last_use = now_;
    row.is_private = true;
    return row;
  }

  Status TakeFilesOf(const Hash& hash) {
    BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> row, db_.Find(hash));
    // A partial one of which all groups were recorded may be among them as well.
    if (row && row->state != RowState::kPartial) return OkStatus();
    BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> there,
                           RowFromWhatIsThere(file_system_, layout_, db_, hash, now_));
    if (!there) return OkStatus();
    if (row) there->is_private = row->is_private;
    if (row && !there->complete()) there->was_complete |= row->was_complete;
    if (row) there->last_use = row->last_use;
    return Put(*std::move(there), std::nullopt);
  }

  Status Put(BlobRow row, std::optional<Bytes> content) {
    waiting_.push_back({std::move(row), std::move(content)});
    return waiting_.size() < kRowsTogether ? OkStatus() : Write();
  }

  Status Write() {
    if (waiting_.empty()) return OkStatus();
    const Status status = db_.Durably([this]() -> Status {
      for (const Waiting& item : waiting_) {
        if (item.content) BLOBD_RETURN_IF_ERROR(db_.PutContent(item.row.hash, *item.content));
        BLOBD_RETURN_IF_ERROR(db_.Put(item.row));
      }
      return OkStatus();
    });
    waiting_.clear();
    return status;
  }

  FileSystem& file_system_;
  const Layout& layout_;
  StoreDb& db_;
  const WallTime now_;
  std::vector<Waiting> waiting_;
  bool has_rows_ = false;  // all of them are written
};

Status RemoveDatabase(FileSystem& file_system, const std::string& path) {
  for (const char* suffix : {"-wal", "-shm", "-journal", ""})
    BLOBD_RETURN_IF_ERROR(UnlinkIfThere(file_system, path + suffix));
  return OkStatus();
}

// REQUIRES: this rebuild is under way, and what was damaged is moved aside
Status Rebuild(FileSystem& file_system, const Layout& layout, const std::string& vfs,
               uint32_t number, WallTime now) {
  const std::string unfinished = layout.database() + ".rebuilt";
  const std::string source = DamagedPath(layout, number);
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> source_size, SizeOf(file_system, source));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> source_log,
                         SizeOf(file_system, source + "-wal"));
  BLOBD_RETURN_IF_ERROR(RemoveDatabase(file_system, unfinished));
  {
    BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(unfinished, vfs, false));
    Filler filler(file_system, layout, db, now);
    if (source_size || source_log) {
      BLOBD_RETURN_IF_ERROR(SalvageDatabase(
          {source, layout.database() + ".salvage", unfinished}, vfs,
          [&](BlobRow row) { return filler.TakeRow(std::move(row)); },
          [&](const Hash& hash, ByteView content) { return filler.TakeSmall(hash, content); }));
    }
    BLOBD_RETURN_IF_ERROR(filler.TakeFiles());
  }
  // Closing has moved everything from the log into the database.
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> log,
                         SizeOf(file_system, unfinished + "-wal"));
  if (log && *log > 0) return Unavailable("the new store.db could not be closed");
  return EndRebuild(file_system, layout, number, unfinished);
}

// Are there files of blobs, whole or not, that some store.db must have told of?
StatusOr<bool> HasBlobs(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> partial,
                         file_system.List(layout.partial()));
  bool has_blobs = std::any_of(partial.begin(), partial.end(), [](const std::string& name) {
    return HashOfPartialName(name).has_value();
  });
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system.List(layout.blobs()));
  for (const std::string& name : names) {
    if (has_blobs) break;
    BLOBD_RETURN_IF_ERROR(ForEachBlobIn(file_system, layout, name, [&](const Hash&) {
      has_blobs = true;
      return OkStatus();
    }));
  }
  return has_blobs;
}

}  // namespace

Status ForEachBlobIn(FileSystem& file_system, const Layout& layout, const std::string& name,
                     UniqueFunction<Status(const Hash& hash)> take) {
  if (name.size() != 2) return OkStatus();
  const StatusOr<std::vector<std::string>> files = file_system.List(layout.blobs() + "/" + name);
  if (!files.ok()) return OkStatus();  // no directory of ours
  std::optional<Hash> last;
  for (const std::string& file : *files) {
    const std::optional<Hash> hash = HashOfPartialName(file);
    if (!hash || hash == last || !hash->ToHex().starts_with(name)) continue;
    last = hash;
    BLOBD_RETURN_IF_ERROR(take(*hash));
  }
  return OkStatus();
}

StatusOr<std::optional<BlobRow>> RowFromWhatIsThere(FileSystem& file_system, const Layout& layout,
                                                    StoreDb& db, const Hash& hash, WallTime now) {
  BlobRow row;
  row.hash = hash;
  row.last_use = now;
  row.is_private = true;
  const StatusOr<std::optional<Bytes>> content = db.Content(hash);
  if (content.ok() && content->has_value() && blake3::HashOf(**content) == hash) {
    row.state = RowState::kInRow;
    row.size = (*content)->size();
    row.size_proven = true;
    return std::optional<BlobRow>(std::move(row));
  }
  const FilePair complete = layout.Complete(hash);
  const FilePair partial = layout.Partial(hash);
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> moved,
                         SizeOfOurs(file_system, complete.data));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> moved_outboard,
                         SizeOfOurs(file_system, complete.outboard));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> data, SizeOfOurs(file_system, partial.data));
  if (!moved && !data) return std::optional<BlobRow>();
  row.size = std::min(moved ? *moved : *data, kMaxStoredSize);
  if (moved || moved_outboard) {
    row.state = RowState::kReopened;
    row.size_proven = true;
    row.was_complete = true;
  }
  return std::optional<BlobRow>(std::move(row));
}

namespace {

// Says what is wrong with store.db if it has to be made anew, else `opened` is it.
StatusOr<std::string> OpenOrFindDamage(FileSystem& file_system, const Layout& layout,
                                       const std::string& vfs, std::optional<OpenedDb>* opened) {
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> size,
                         SizeOf(file_system, layout.database()));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> log,
                         SizeOf(file_system, layout.database() + "-wal"));
  // SQLite leaves an empty log beside its database: without that it says nothing.
  if (!size && log.value_or(0) == 0) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_blobs, HasBlobs(file_system, layout));
    if (has_blobs) return fmt::format("{} is missing", layout.database());
  }
  // Before SQLite does, which drops what is behind a damaged frame.
  BLOBD_ASSIGN_OR_RETURN(const sqlite::LogScan scan, sqlite::ScanLog(layout.database() + "-wal"));
  const bool quick_check = size.value_or(0) <= kQuickCheckLimit;
  StatusOr<StoreDb> db = StoreDb::Open(layout.database(), vfs, quick_check);
  if (db.status().code() == StatusCode::kDataLoss) return std::string(Message(db.status()));
  BLOBD_RETURN_IF_ERROR(db.status());
  // Which reads every page that has rows of blobs, also of a large one.
  StatusOr<Survey> survey = db->ReadAll();
  if (survey.status().code() == StatusCode::kDataLoss)
    return fmt::format("{} is damaged: {}", layout.database(), Message(survey.status()));
  BLOBD_RETURN_IF_ERROR(survey.status());
  const bool in_doubt = scan.state > sqlite::LogState::kTornTail;
  std::string note;
  if (in_doubt) {
    note = fmt::format(
        "the log of {} is torn behind {} good pages, by a power loss or by damage: {} transactions "
        "are lost; blobs that were being removed and have files are hashed again and kept",
        layout.database(), scan.good_frames, scan.suspect_commits);
  }
  opened->emplace(OpenedDb{*std::move(db), *std::move(survey), std::move(note), log.value_or(0) > 0,
                           in_doubt, false});
  return std::string();
}

// The rebuild that is to be ended. nullopt: none.
StatusOr<std::optional<uint32_t>> RebuildToEnd(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint32_t> number,
                         RebuildUnderWay(file_system, layout));
  if (!number) return number;
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> size,
                         SizeOf(file_system, layout.database()));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> moved,
                         SizeOf(file_system, DamagedPath(layout, *number)));
  if (!size || !moved) return number;
  BLOBD_RETURN_IF_ERROR(AbandonRebuild(file_system, layout, *number));
  return std::optional<uint32_t>();
}

}  // namespace

StatusOr<OpenedDb> OpenOrRebuildDb(FileSystem& file_system, const Layout& layout,
                                   const std::string& vfs, WallTime now) {
  BLOBD_ASSIGN_OR_RETURN(std::optional<uint32_t> number, RebuildToEnd(file_system, layout));
  std::string damage = fmt::format("{} was being made anew when blobd ended", layout.database());
  if (!number) {
    std::optional<OpenedDb> opened;
    BLOBD_ASSIGN_OR_RETURN(damage, OpenOrFindDamage(file_system, layout, vfs, &opened));
    if (opened) return *std::move(opened);
    BLOBD_ASSIGN_OR_RETURN(number, BeginRebuild(file_system, layout));
  }
  BLOBD_RETURN_IF_ERROR(MoveAside(file_system, layout, *number));
  BLOBD_RETURN_IF_ERROR(Rebuild(file_system, layout, vfs, *number, now));
  BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(layout.database(), vfs, false));
  BLOBD_ASSIGN_OR_RETURN(Survey survey, db.ReadAll());
  std::string note =
      fmt::format("{}; made anew from the files in {}, which are hashed again before they are used",
                  damage, layout.blobs());
  const std::string kept = DamagedPath(layout, *number);
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> kept_size, SizeOf(file_system, kept));
  if (kept_size) note += fmt::format("; the old one is kept as {}", kept);
  return OpenedDb{std::move(db), std::move(survey), std::move(note), false, false, true};
}

}  // namespace blobd::store
