#include "sqlite/open.h"

#include <sqlite3.h>

#include "base/check.h"
#include "sqlite/copy.h"
#include "sqlite/error.h"
#include "sqlite/files.h"
#include "sqlite/findings.h"
#include "sqlite/row.h"
#include "sqlite/row_sum.h"
#include "sqlite/swap.h"

namespace blobd::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 5000;  // another process reading (blobctl --offline, a backup)
constexpr int64_t kKeptLogBytes = int64_t{64}
                                  << 20;  // a log grown beyond this is cut at the next checkpoint
constexpr int kMaxValueBytes = 64 << 20;  // of a text or blob: a hostile file could claim 1 GB
constexpr std::string_view kUnfinishedSuffix = ".new";

StatusOr<Database> Connect(const std::string& path, const std::string& vfs,
                           int access = SQLITE_OPEN_READWRITE) {
  sqlite3* handle = nullptr;
  const int flags = access | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                    SQLITE_OPEN_EXRESCODE;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    Status status = ErrorStatus(handle, code, fmt::format("open {}", path));
    sqlite3_close(handle);
    return status;
  }
  Database database(handle);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0"));
  BLOBD_RETURN_IF_ERROR(RegisterRowSum(database));
  return database;
}

Status Migrate(Database& database, const Schema& schema, size_t version) {
  for (; version < schema.migrations.size(); ++version) {
    BLOBD_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
    const Status made = database.Execute(std::string(schema.migrations[version]));
    // A step of ours fits what the step before it has made: the number of the version is damaged,
    // or what it stands for.
    if (!made.ok() && (sqlite3_errcode(database.handle()) & 0xff) == SQLITE_ERROR) {
      return DataLoss("{} does not have the tables of its version {}: {}", schema.what, version,
                      Message(made));
    }
    BLOBD_RETURN_IF_ERROR(made);
    BLOBD_RETURN_IF_ERROR(database.Execute(fmt::format("PRAGMA user_version={}", version + 1)));
    BLOBD_RETURN_IF_ERROR(transaction.Commit());
  }
  return OkStatus();
}

// Builds the database beside its place and renames it there: a crash leaves no empty file that
// would be refused.
Status Create(const std::string& path, const Schema& schema, const OpenOptions& options) {
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  BLOBD_RETURN_IF_ERROR(MakeEmptyFile(unfinished).status());
  {
    BLOBD_ASSIGN_OR_RETURN(Database database, Connect(unfinished, options.vfs));
    BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA synchronous=FULL"));
    BLOBD_RETURN_IF_ERROR(database.Execute(
        fmt::format("PRAGMA application_id={}", static_cast<int32_t>(schema.application_id))));
    BLOBD_RETURN_IF_ERROR(Migrate(database, schema, 0));
  }
  return RenameDurably(unfinished, path);
}

// The newest copy kept that we can open, for a message; empty if there is none.
std::string AdviceOnNewer(const std::string& path, const Schema& schema) {
  for (auto version = static_cast<int64_t>(schema.migrations.size()); version > 0; --version) {
    const std::string copy = KeptCopyName(path, version);
    const StatusOr<int64_t> size = FileSize(copy);
    if (!size.ok() || *size <= 0) continue;
    return fmt::format(
        "; {} is what it was before version {}: to go back, restore that (what came later is not "
        "in it)",
        copy, version + 1);
  }
  return {};
}

Status CheckIdentity(Database& database, const std::string& path, const Schema& schema) {
  BLOBD_ASSIGN_OR_RETURN(const int64_t id, database.QueryInteger("PRAGMA application_id"));
  if (static_cast<uint32_t>(id) != schema.application_id) {
    return FailedPrecondition("{} is not {}: its application id is {:#010x}, not {:#010x}", path,
                              schema.what, static_cast<uint32_t>(id), schema.application_id);
  }
  BLOBD_ASSIGN_OR_RETURN(const int64_t version, database.QueryInteger("PRAGMA user_version"));
  if (version > static_cast<int64_t>(schema.migrations.size())) {
    return FailedPrecondition(
        "{} was made by a newer blobd: its version is {}, this one knows up to {}{}", path, version,
        schema.migrations.size(), AdviceOnNewer(path, schema));
  }
  // Creation sets both together, so our id without a version is damage.
  if (version < 1) return DataLoss("{} has the impossible version {}", path, version);
  return OkStatus();
}

Status CheckPages(Database& database, const std::string& path, bool indexes_too) {
  BLOBD_ASSIGN_OR_RETURN(Statement check, database.Prepare(indexes_too ? "PRAGMA integrity_check(1)"
                                                                       : "PRAGMA quick_check(1)"));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, check.Step());
  if (!has_row) return DataLoss("{}: its check gave no answer", path);
  const std::string verdict = RowReader(check).Text(4096);
  if (verdict != "ok") return DataLoss("{} is damaged: {}", path, verdict);
  return OkStatus();
}

Status EnterWalMode(Database& database, const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(Statement pragma, database.Prepare("PRAGMA journal_mode=WAL"));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, pragma.Step());
  if (!has_row || RowReader(pragma).Text(16) != "wal") {
    return FailedPrecondition("{}: the file system cannot hold a write-ahead log", path);
  }
  pragma.Reset();
  return database.Execute(fmt::format("PRAGMA journal_size_limit={}", kKeptLogBytes));
}

// Moves everything from the log into the database, and cuts it. Where that cannot be done now (a
// full disk, somebody reading) the log stays as it is, which is as good unless a sync had failed.
Status EmptyLog(Database& database) {
  const int code = sqlite3_wal_checkpoint_v2(database.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE,
                                             nullptr, nullptr);
  if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_FULL) return OkStatus();
  return ErrorStatus(database.handle(), code, "empty the log");
}

Status Prepare(Database& database, const std::string& path, const Schema& schema,
               const OpenOptions& options) {
  BLOBD_RETURN_IF_ERROR(CheckIdentity(database, path, schema));
  BLOBD_RETURN_IF_ERROR(EnterWalMode(database, path));
  if (options.quick_check) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
    BLOBD_RETURN_IF_ERROR(CheckPages(database, path, size <= options.full_check_up_to));
  }
  BLOBD_RETURN_IF_ERROR(SetSync(database, Sync::kFull));
  BLOBD_RETURN_IF_ERROR(EmptyLog(database));
  BLOBD_ASSIGN_OR_RETURN(const int64_t version, database.QueryInteger("PRAGMA user_version"));
  const bool migrates = version < static_cast<int64_t>(schema.migrations.size());
  if (migrates && options.keep_copies) {
    BLOBD_RETURN_IF_ERROR(CopyDatabase(database, KeptCopyName(path, version), false));
  }
  BLOBD_RETURN_IF_ERROR(Migrate(database, schema, static_cast<size_t>(version)));
  // A transaction that outgrows the cache would be written twice to the log, sums last: a process
  // killed then leaves what looks like lost commits (log_scan.h).
  BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA cache_spill=OFF"));
  return SetSync(database, options.sync);
}

}  // namespace

StatusOr<Database> OpenDatabase(const std::string& path, const Schema& schema,
                                const OpenOptions& options, OpenFindings* findings) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  BLOBD_RETURN_IF_ERROR(FinishSwap(resolved));
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(resolved));
  if (size < 0) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, FileSize(resolved + "-wal"));
    // SQLite would replay the log into the new database.
    if (log_size > 0)
      return DataLoss("{0} is missing but its log {0}-wal is there: restore or remove it", path);
    if (findings != nullptr) BLOBD_RETURN_IF_ERROR(NoteIfLost(resolved));
    BLOBD_RETURN_IF_ERROR(Create(resolved, schema, options));
  } else if (size == 0) {
    return DataLoss("{} is empty; what it held is lost: restore it, or remove it to start anew",
                    path);
  }
  if (findings != nullptr) {
    BLOBD_ASSIGN_OR_RETURN(*findings, FindInLog(resolved, options.boot_id));
  }
  BLOBD_ASSIGN_OR_RETURN(Database database, Connect(resolved, options.vfs));
  if (Status status = Prepare(database, resolved, schema, options); !status.ok()) {
    return status.code() == StatusCode::kDataLoss ||
                   status.code() == StatusCode::kFailedPrecondition
               ? status
               : Annotate(status, path);
  }
  if (findings != nullptr) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, FileSize(resolved + "-wal"));
    if (log_size <= 0 || findings->log == LogState::kWhole) NoteBoot(resolved, options.boot_id);
  }
  return database;
}

StatusOr<Database> OpenReader(const std::string& path, const std::string& vfs) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  return Connect(resolved, vfs, SQLITE_OPEN_READONLY);
}

StatusOr<Database> OpenUnchecked(const std::string& path, const std::string& vfs) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  return Connect(resolved, vfs);
}

StatusOr<int64_t> CheckCopy(const std::string& path, const Schema& schema) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(resolved));
  if (size < 0) return NotFound("there is no {}", path);
  if (size == 0) return DataLoss("{} is empty", path);
  BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, FileSize(resolved + "-wal"));
  if (log_size > 0) {
    return FailedPrecondition("{0} is no backup: it has a log, {0}-wal", path);
  }
  BLOBD_ASSIGN_OR_RETURN(Database database, Connect(resolved, {}, SQLITE_OPEN_READONLY));
  BLOBD_RETURN_IF_ERROR(CheckIdentity(database, path, schema));
  BLOBD_RETURN_IF_ERROR(CheckPages(database, path, true));
  return database.QueryInteger("PRAGMA user_version");
}

Status SetSync(Database& database, Sync sync) {
  BLOBD_CHECK(!database.in_transaction());
  return database.Execute(sync == Sync::kFull ? "PRAGMA synchronous=FULL"
                                              : "PRAGMA synchronous=NORMAL");
}

}  // namespace blobd::sqlite
