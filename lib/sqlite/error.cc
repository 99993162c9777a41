#include "sqlite/error.h"

#include <sqlite3.h>

#include <utility>

#include "base/error_reason.h"
#include "sqlite/log_scan.h"

namespace blobd::sqlite {
namespace {

StatusCode CodeOf(int code) {
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
      code == SQLITE_CONSTRAINT_ROWID) {
    return StatusCode::kAlreadyExists;
  }
  switch (code & 0xff) {  // extended codes carry the primary one in their low byte
    case SQLITE_FULL:
      return StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
      return StatusCode::kUnavailable;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return StatusCode::kPermissionDenied;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return StatusCode::kInvalidArgument;
    default:
      return StatusCode::kInternal;
  }
}

bool IsFailedSync(int code) { return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC; }

}  // namespace

void NoteError(sqlite3* db, int code, Health* health) {
  if (!IsFailedSync(code)) return;
  health->sync_failed = true;
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  LookAtLog(db, health);
}

void LookAtLog(sqlite3* db, Health* health) {
  const char* file = sqlite3_db_filename(db, "main");
  if (file == nullptr || *file == '\0') return;
  const StatusOr<LogScan> log = ScanLog(sqlite3_filename_wal(file));
  health->log_lost = !log.ok() || log->good_frames < health->log_pages;
}

Status SyncFailed() {
  return ErrorFor(
      Reason::kDiskFailed,
      "a sync of the database failed, so nothing more is written: check the disk and restart "
      "blobd");
}

Status LogLost() {
  return ErrorFor(
      Reason::kDiskFailed,
      "the log of the database lost what a failed sync was to write: check the disk and restart "
      "blobd");
}

Status ErrorStatus(sqlite3* db, int code, std::string_view what) {
  const char* message = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  if (IsFailedSync(code)) return Annotate(SyncFailed(), what);
  const int system_error = db != nullptr ? sqlite3_system_errno(db) : 0;
  if ((code & 0xff) == SQLITE_IOERR && system_error != 0) {
    return Annotate(ErrnoStatus(system_error, message), what);
  }
  Status status = MakeStatus(CodeOf(code), "{}: {}", what, message);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return WithReason(Reason::kDatabaseDamaged, std::move(status));
    case SQLITE_FULL:
      return WithReason(Reason::kDiskFull, std::move(status));
    case SQLITE_READONLY:
      return WithReason(Reason::kDiskReadOnly, std::move(status));
    default:
      return status;
  }
}

}  // namespace blobd::sqlite
