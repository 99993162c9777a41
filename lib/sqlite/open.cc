#include "sqlite/open.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "base/check.h"
#include "sqlite/error.h"
#include "sqlite/row.h"

namespace blobd::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 5000;  // another process reading (blobctl --offline, a backup)
constexpr int64_t kKeptLogBytes = int64_t{64}
                                  << 20;  // a log grown beyond this is cut at the next checkpoint
constexpr std::string_view kUnfinishedSuffix = ".new";

// `path` with its directory resolved, so that SQLITE_OPEN_NOFOLLOW objects to a link in the file's
// place only.
StatusOr<std::string> ResolveDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(directory.c_str(), nullptr),
                                                             std::free);
  if (resolved == nullptr) return ErrnoStatus(errno, fmt::format("directory of {}", path));
  return fmt::format("{}/{}", resolved.get(),
                     slash == std::string::npos ? path : path.substr(slash + 1));
}

// Size of the file, -1 if there is none.
StatusOr<int64_t> FileSize(const std::string& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return -1;
    return ErrnoStatus(errno, fmt::format("stat {}", path));
  }
  if (!S_ISREG(facts.st_mode)) return FailedPrecondition("{} is not a regular file", path);
  return static_cast<int64_t>(facts.st_size);
}

StatusOr<Database> Connect(const std::string& path, const OpenOptions& options) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  if (code != SQLITE_OK) {
    Status status = ErrorStatus(handle, code, fmt::format("open {}", path));
    sqlite3_close(handle);
    return status;
  }
  Database database(handle);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0"));
  return database;
}

Status Migrate(Database& database, const Schema& schema, size_t version) {
  for (; version < schema.migrations.size(); ++version) {
    BLOBD_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
    BLOBD_RETURN_IF_ERROR(database.Execute(std::string(schema.migrations[version])));
    BLOBD_RETURN_IF_ERROR(database.Execute(fmt::format("PRAGMA user_version={}", version + 1)));
    BLOBD_RETURN_IF_ERROR(transaction.Commit());
  }
  return OkStatus();
}

// Removes what an interrupted creation left.
Status RemoveUnfinished(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
    if (unlink((path + suffix).c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, fmt::format("unlink {}{}", path, suffix));
    }
  }
  return OkStatus();
}

Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", directory));
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? OkStatus() : ErrnoStatus(error, fmt::format("fsync {}", directory));
}

// Builds the database beside its place and renames it there: a crash leaves no empty file that
// would be refused.
Status Create(const std::string& path, const Schema& schema, const OpenOptions& options) {
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  BLOBD_RETURN_IF_ERROR(RemoveUnfinished(unfinished));
  const int fd = open(unfinished.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("create {}", unfinished));
  close(fd);
  {
    BLOBD_ASSIGN_OR_RETURN(Database database, Connect(unfinished, options));
    BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA synchronous=FULL"));
    BLOBD_RETURN_IF_ERROR(database.Execute(
        fmt::format("PRAGMA application_id={}", static_cast<int32_t>(schema.application_id))));
    BLOBD_RETURN_IF_ERROR(Migrate(database, schema, 0));
  }
  if (rename(unfinished.c_str(), path.c_str()) != 0)
    return ErrnoStatus(errno, fmt::format("rename to {}", path));
  return SyncDirectoryOf(path);
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
        "{} was written by a newer blobd: its version is {}, this one knows up to {}", path,
        version, schema.migrations.size());
  }
  // Creation sets both together, so our id without a version is damage.
  if (version < 1) return DataLoss("{} has the impossible version {}", path, version);
  return OkStatus();
}

Status QuickCheck(Database& database, const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(Statement check, database.Prepare("PRAGMA quick_check(1)"));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, check.Step());
  if (!has_row) return DataLoss("{}: quick_check gave no answer", path);
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

Status Prepare(Database& database, const std::string& path, const Schema& schema,
               const OpenOptions& options) {
  BLOBD_RETURN_IF_ERROR(CheckIdentity(database, path, schema));
  BLOBD_RETURN_IF_ERROR(EnterWalMode(database, path));
  if (options.quick_check) BLOBD_RETURN_IF_ERROR(QuickCheck(database, path));
  BLOBD_RETURN_IF_ERROR(SetSync(database, Sync::kFull));
  BLOBD_ASSIGN_OR_RETURN(const int64_t version, database.QueryInteger("PRAGMA user_version"));
  BLOBD_RETURN_IF_ERROR(Migrate(database, schema, static_cast<size_t>(version)));
  return SetSync(database, options.sync);
}

}  // namespace

StatusOr<Database> OpenDatabase(const std::string& path, const Schema& schema,
                                const OpenOptions& options) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  BLOBD_ASSIGN_OR_RETURN(int64_t size, FileSize(resolved));
  if (size < 0) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, FileSize(resolved + "-wal"));
    // SQLite would replay the log into the new database.
    if (log_size > 0)
      return DataLoss("{0} is missing but its log {0}-wal is there: restore or remove it", path);
    BLOBD_RETURN_IF_ERROR(Create(resolved, schema, options));
  } else if (size == 0) {
    return DataLoss("{} is empty; what it held is lost: restore it, or remove it to start anew",
                    path);
  }
  BLOBD_ASSIGN_OR_RETURN(Database database, Connect(resolved, options));
  if (Status status = Prepare(database, path, schema, options); !status.ok()) {
    return status.code() == StatusCode::kDataLoss ||
                   status.code() == StatusCode::kFailedPrecondition
               ? status
               : Annotate(status, path);
  }
  return database;
}

Status SetSync(Database& database, Sync sync) {
  BLOBD_CHECK(!database.in_transaction());
  return database.Execute(sync == Sync::kFull ? "PRAGMA synchronous=FULL"
                                              : "PRAGMA synchronous=NORMAL");
}

}  // namespace blobd::sqlite
