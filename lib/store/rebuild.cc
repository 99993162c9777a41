#include "store/rebuild.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/units.h"
#include "blake3/hasher.h"
#include "store/salvage.h"

namespace blobd::store {
namespace {

// quick_check reads all of the database; for one this large opening would take seconds. Its rows
// are checked when they are read, and small blobs against their hash.
constexpr uint64_t kQuickCheckLimit = 256 * kMiB;
// Rows that go into one transaction of the new database.
constexpr size_t kRowsTogether = 4096;
constexpr std::string_view kDamaged = "store.db.damaged-";

// nullopt: there is no such file.
StatusOr<std::optional<uint64_t>> SizeOf(FileSystem& file_system, const std::string& path) {
  StatusOr<std::unique_ptr<File>> file = file_system.Open(path, OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) return std::optional<uint64_t>();
  BLOBD_RETURN_IF_ERROR(file.status());
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  return std::optional<uint64_t>(size);
}

Status UnlinkIfThere(FileSystem& file_system, const std::string& path) {
  const Status status = file_system.Unlink(path);
  return status.code() == StatusCode::kNotFound ? OkStatus() : status;
}

// The largest N of store.db.damaged-N; 0: there is none.
StatusOr<uint64_t> NewestDamaged(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system.List(layout.root()));
  uint64_t newest = 0;
  for (const std::string& name : names) {
    if (!name.starts_with(kDamaged)) continue;
    uint64_t number = 0;
    std::from_chars(name.data() + kDamaged.size(), name.data() + name.size(), number);
    newest = std::max(newest, number);
  }
  return newest;
}

// The database first: a log without its database is known for what it is, but not the reverse.
Status MoveAside(FileSystem& file_system, const Layout& layout, const std::string& to) {
  for (const char* suffix : {"", "-wal"}) {
    const Status status = file_system.Rename(layout.database() + suffix, to + suffix);
    if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  }
  BLOBD_RETURN_IF_ERROR(UnlinkIfThere(file_system, layout.database() + "-shm"));
  return file_system.SyncDirectory(layout.root());
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

Status Rebuild(FileSystem& file_system, const Layout& layout, const std::string& vfs,
               const std::string& source, WallTime now) {
  const std::string unfinished = layout.database() + ".rebuilt";
  BLOBD_RETURN_IF_ERROR(RemoveDatabase(file_system, unfinished));
  {
    BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(unfinished, vfs, false));
    Filler filler(file_system, layout, db, now);
    if (!source.empty()) {
      BLOBD_RETURN_IF_ERROR(SalvageDatabase(
          source, unfinished, vfs, [&](BlobRow row) { return filler.TakeRow(std::move(row)); },
          [&](const Hash& hash, ByteView content) { return filler.TakeSmall(hash, content); }));
    }
    BLOBD_RETURN_IF_ERROR(filler.TakeFiles());
  }
  // Closing has moved everything from the log into the database.
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> log,
                         SizeOf(file_system, unfinished + "-wal"));
  if (log && *log > 0) return Unavailable("the new store.db could not be closed");
  BLOBD_RETURN_IF_ERROR(file_system.Rename(unfinished, layout.database()));
  return file_system.SyncDirectory(layout.root());
}

StatusOr<bool> HasBlobs(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system.List(layout.blobs()));
  bool has_blobs = false;
  for (const std::string& name : names) {
    BLOBD_RETURN_IF_ERROR(ForEachBlobIn(file_system, layout, name, [&](const Hash&) {
      has_blobs = true;
      return OkStatus();
    }));
    if (has_blobs) break;
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
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> moved, SizeOf(file_system, complete.data));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> moved_outboard,
                         SizeOf(file_system, complete.outboard));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> data, SizeOf(file_system, partial.data));
  if (!moved && !data) return std::optional<BlobRow>();
  row.size = std::min(moved ? *moved : *data, kMaxStoredSize);
  if (moved || moved_outboard) {
    row.state = RowState::kReopened;
    row.size_proven = true;
    row.was_complete = true;
  }
  return std::optional<BlobRow>(std::move(row));
}

StatusOr<OpenedDb> OpenOrRebuildDb(FileSystem& file_system, const Layout& layout,
                                   const std::string& vfs, WallTime now) {
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> size,
                         SizeOf(file_system, layout.database()));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<uint64_t> log,
                         SizeOf(file_system, layout.database() + "-wal"));
  const bool quick_check = size.value_or(0) <= kQuickCheckLimit;
  BLOBD_ASSIGN_OR_RETURN(const uint64_t newest, NewestDamaged(file_system, layout));
  std::string damage;
  if (size || log) {
    StatusOr<StoreDb> db = StoreDb::Open(layout.database(), vfs, quick_check);
    if (db.ok()) return OpenedDb{*std::move(db), "", log.value_or(0) > 0};
    if (db.status().code() != StatusCode::kDataLoss) return db.status();
    damage = Message(db.status());
  } else {
    BLOBD_ASSIGN_OR_RETURN(const bool has_blobs, HasBlobs(file_system, layout));
    if (!has_blobs && newest == 0) {
      BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(layout.database(), vfs, false));
      return OpenedDb{std::move(db), "", false};
    }
    damage = fmt::format("{} is missing", layout.database());
  }
  const bool has_any = size || log;
  const uint64_t number = has_any ? newest + 1 : newest;
  std::string source;
  if (number > 0) source = fmt::format("{}/{}{}", layout.root(), kDamaged, number);
  if (has_any) BLOBD_RETURN_IF_ERROR(MoveAside(file_system, layout, source));
  BLOBD_RETURN_IF_ERROR(Rebuild(file_system, layout, vfs, source, now));
  BLOBD_ASSIGN_OR_RETURN(StoreDb db, StoreDb::Open(layout.database(), vfs, false));
  std::string note =
      fmt::format("{}; made anew from the files in {}, which are hashed again before they are used",
                  damage, layout.blobs());
  if (!source.empty()) note += fmt::format("; the old one is kept as {}", source);
  return OpenedDb{std::move(db), std::move(note), false};
}

}  // namespace blobd::store
