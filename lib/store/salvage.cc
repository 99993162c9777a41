#include "store/salvage.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "blake3/hasher.h"
#include "sqlite/database.h"
#include "sqlite/error.h"
#include "sqlite/row.h"
#include "store/descriptor.h"

namespace blobd::store {
namespace {

constexpr size_t kHeaderSize = 100;
constexpr size_t kPageSizeAt = 16;
constexpr size_t kChangeCounterAt = 24;
constexpr size_t kPageCountAt = 28;
constexpr size_t kValidForAt = 92;
constexpr size_t kMaxSmall = 16384;

StatusOr<sqlite::Database> Connect(const std::string& path, const std::string& vfs) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    Status status = sqlite::ErrorStatus(handle, code, "open " + path);
    sqlite3_close(handle);
    return status;
  }
  sqlite::Database database(handle);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0"));
  return database;
}

void PutBig32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

// Gives a file whose header is no good that of another database of ours: it is the same in all of
// them but for the number of pages.
void MendHeader(const std::string& path, const std::string& pattern) {
  const Descriptor from(open(pattern.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const Descriptor to(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  std::array<uint8_t, kHeaderSize> header{};
  struct stat facts {};
  if (pread(from.fd(), header.data(), header.size(), 0) != ssize_t{kHeaderSize}) return;
  if (fstat(to.fd(), &facts) != 0) return;
  const uint32_t stored = (uint32_t{header[kPageSizeAt]} << 8) | header[kPageSizeAt + 1];
  const uint32_t page_size = stored == 1 ? 65536 : stored;
  if (page_size == 0) return;
  PutBig32(&header[kPageCountAt], static_cast<uint32_t>(facts.st_size / page_size));
  std::copy_n(&header[kChangeCounterAt], 4, &header[kValidForAt]);
  (void)!pwrite(to.fd(), header.data(), header.size(), 0);
}

// Steps through `sql` until it ends or cannot go on. Only errors of `take` count. True: it was read
// to the end.
template <typename Take>
StatusOr<bool> Scan(sqlite::Database& database, const std::string& sql, Take take) {
  StatusOr<sqlite::Statement> statement = database.Prepare(sql);
  if (!statement.ok()) return false;
  for (;;) {
    const StatusOr<bool> has_row = statement->Step();
    if (!has_row.ok()) return false;
    if (!*has_row) return true;
    BLOBD_RETURN_IF_ERROR(take(*statement));
  }
}

template <typename Take>
Status ScanFromBothEnds(sqlite::Database& database, const std::string& select,
                        const std::string& key, Take take) {
  for (const char* direction : {"ASC", "DESC"}) {
    BLOBD_ASSIGN_OR_RETURN(
        const bool is_whole,
        Scan(database, fmt::format("{} ORDER BY {} {}", select, key, direction), take));
    if (is_whole) break;
  }
  return OkStatus();
}

}  // namespace

Status SalvageDatabase(const std::string& path, const std::string& pattern, const std::string& vfs,
                       UniqueFunction<Status(BlobRow row)> take_row,
                       UniqueFunction<Status(const Hash& hash, ByteView content)> take_small) {
  StatusOr<sqlite::Database> database = Connect(path, vfs);
  if (!database.ok() || !database->QueryInteger("PRAGMA user_version").ok() ||
      !database->QueryInteger("SELECT count(*) FROM sqlite_schema").ok()) {
    database = Unavailable("closed");
    MendHeader(path, pattern);
    database = Connect(path, vfs);
  }
  if (!database.ok()) return OkStatus();  // nothing can be read
  std::string select = fmt::format("SELECT {} FROM blobs", kRowColumns);
  if (!database->Prepare(select).ok())
    select = fmt::format("SELECT {} FROM blobs", kRowColumnsThree);
  BLOBD_RETURN_IF_ERROR(
      ScanFromBothEnds(*database, select, "hash", [&](sqlite::Statement& statement) -> Status {
        StatusOr<BlobRow> row = ReadRow(statement);
        return row.ok() ? take_row(*std::move(row)) : OkStatus();
      }));
  return ScanFromBothEnds(*database, "SELECT hash, content FROM small_blobs NOT INDEXED", "rowid",
                          [&](sqlite::Statement& statement) -> Status {
                            sqlite::RowReader row(statement);
                            Hash hash;
                            row.FixedBlob(hash.bytes);
                            const ByteView content = row.Blob(kMaxSmall);
                            const bool is_good =
                                row.Finish("small_blobs").ok() && blake3::HashOf(content) == hash;
                            return is_good ? take_small(hash, content) : OkStatus();
                          });
}

}  // namespace blobd::store
