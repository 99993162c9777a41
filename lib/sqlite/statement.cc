#include "sqlite/statement.h"

#include <sqlite3.h>

#include "sqlite/error.h"

namespace blobd::sqlite {

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);  // repeats the error of the last step, which was reported then
}

StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) {
    const int code = bind_error_;
    Reset();
    return ErrorStatus(nullptr, code, sqlite3_sql(handle()));
  }
  if (health_->log_lost) {
    Reset();
    return LogLost();
  }
  if (health_->sync_failed && sqlite3_stmt_readonly(handle()) == 0) {
    Reset();
    return SyncFailed();
  }
  const int code = sqlite3_step(handle());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    Reset();
    return false;
  }
  sqlite3* db = sqlite3_db_handle(handle());
  NoteError(db, code, health_);
  Status status = ErrorStatus(db, code, sqlite3_sql(handle()));
  Reset();
  return status;
}

Status Statement::Run() {
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, Step());
    if (!has_row) return OkStatus();
  }
}

void Statement::Reset() {
  sqlite3_reset(handle());
  sqlite3_clear_bindings(handle());
  bind_error_ = SQLITE_OK;
}

void Statement::BindOne(int index, int64_t value) {
  Note(sqlite3_bind_int64(handle(), index, value));
}

void Statement::BindOne(int index, std::string_view text) {
  Note(sqlite3_bind_text64(handle(), index, text.empty() ? "" : text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::BindOne(int index, ByteView blob) {
  // A null pointer would bind NULL instead of an empty blob.
  const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
  Note(sqlite3_bind_blob64(handle(), index, data, blob.size(), SQLITE_TRANSIENT));
}

void Statement::BindOne(int index, std::nullptr_t) { Note(sqlite3_bind_null(handle(), index)); }

void Statement::Note(int code) {
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

}  // namespace blobd::sqlite
