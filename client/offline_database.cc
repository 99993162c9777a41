#include "client/offline_database.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/utf8.h"

namespace blobd::client {

std::string OfflineRow::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return text == nullptr ? std::string() : std::string(text, static_cast<size_t>(size));
}

StatusOr<OfflineDatabase> OfflineDatabase::Open(const std::string& path) {
  // SQLite says "unable to open" to everything, and follows links in directories only if they are
  // resolved.
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  const std::filesystem::path resolved =
      std::filesystem::canonical(directory.empty() ? "." : directory, error) /
      std::filesystem::path(path).filename();
  struct stat facts {};
  if (error || lstat(resolved.c_str(), &facts) != 0)
    return ErrnoStatus(error ? error.value() : errno, "open " + EscapeForTerminal(path));
  if (!S_ISREG(facts.st_mode))
    return FailedPrecondition("{} is no regular file", EscapeForTerminal(path));
  if (access(resolved.c_str(), R_OK) != 0)
    return ErrnoStatus(errno, "open " + EscapeForTerminal(path));
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(resolved.c_str(), &opened,
                                   SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, nullptr);
  OfflineDatabase database(path, opened);
  if (code != SQLITE_OK) return database.ErrorOf(code);
  // The file may be anybody's work.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_busy_timeout(opened, 2000);
  return database;
}

Status OfflineDatabase::ErrorOf(int code) const {
  const std::string where = EscapeForTerminal(path_);
  const char* what = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_.get());
  switch (code & 0xff) {
    case SQLITE_ERROR:
      return FailedPrecondition(
          "{} has not what is to be read: a blobd of another version made it ({})", where,
          EscapeForTerminal(what));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLoss("{} is damaged: {}; start blobd and run \"blobctl registry recover\"", where,
                      what);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return PermissionDenied("{}: {}; it is for root, or for the user whose daemon it is", where,
                              what);
    default:
      return MakeStatus(StatusCode::kUnavailable, "{}: {}", where, what);
  }
}

Status OfflineDatabase::ForEach(const std::string& sql, const std::vector<Value>& values,
                                const std::function<void(const OfflineRow&)>& row) const {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_.get(), sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  for (size_t i = 0; i < values.size(); ++i) {
    const int index = static_cast<int>(i) + 1;
    if (const auto* number = std::get_if<int64_t>(&values[i])) {
      sqlite3_bind_int64(statement, index, *number);
    } else {
      const std::string& text = std::get<std::string>(values[i]);
      sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()),
                        SQLITE_TRANSIENT);
    }
  }
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) row(OfflineRow(statement));
  Status status = code == SQLITE_DONE ? OkStatus() : ErrorOf(code);
  sqlite3_finalize(statement);
  return status;
}

}  // namespace blobd::client
