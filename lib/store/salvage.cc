#include "store/salvage.h"

#include <sqlite3.h>

#include <optional>
#include <utility>

#include "bao/tree.h"
#include "blake3/hasher.h"
#include "sqlite/files.h"
#include "sqlite/open.h"
#include "sqlite/row.h"
#include "sqlite/salvage.h"

namespace blobd::store {
namespace {

constexpr int64_t kPageSize = 4096;
constexpr const char* kSmallColumns = "hash, content";

struct Copy {
  sqlite::Database database;
  std::string columns;             // of its blobs, as ReadRow wants them
  bool contents_replaced = false;  // what is read may never have been a row: it must have a sum
};

class Workplace {
 public:
  explicit Workplace(const SalvagePaths& paths) : paths_(paths) {}
  ~Workplace() { (void)sqlite::RemoveDatabaseFiles(paths_.work); }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  // The copy, mended where it cannot be read otherwise; nullopt if it cannot be read at all.
  StatusOr<std::optional<Copy>> Open(const std::string& vfs) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_page, MakeCopy());
    StatusOr<sqlite::Database> database = DataLoss("it has no page");
    // SQLite takes an empty file for a new database, and throws the log away.
    if (has_page) {
      database = Try(vfs);
      if (database.ok()) return std::optional<Copy>(CopyOf(*std::move(database), false));
      BLOBD_RETURN_IF_ERROR(sqlite::MendHeader(paths_.work, paths_.pattern));
      database = Try(vfs);
      if (database.ok()) return std::optional<Copy>(CopyOf(*std::move(database), false));
    }
    BLOBD_RETURN_IF_ERROR(sqlite::ReplaceContents(paths_.work, paths_.pattern));
    database = Try(vfs);
    if (!database.ok()) return std::optional<Copy>();
    return std::optional<Copy>(CopyOf(*std::move(database), true));
  }

 private:
  // False: there is not even one page, but perhaps a log.
  StatusOr<bool> MakeCopy() {
    BLOBD_ASSIGN_OR_RETURN(const int64_t size, sqlite::FileSize(paths_.damaged));
    BLOBD_RETURN_IF_ERROR(size >= 0 ? sqlite::CopyFile(paths_.damaged, paths_.work)
                                    : sqlite::MakeEmptyFile(paths_.work).status());
    BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, sqlite::FileSize(paths_.damaged + "-wal"));
    if (log_size > 0)
      BLOBD_RETURN_IF_ERROR(sqlite::CopyFile(paths_.damaged + "-wal", paths_.work + "-wal"));
    return size >= kPageSize;
  }

  static bool CanSelect(sqlite::Database& database, const char* columns) {
    return database.Prepare(fmt::format("SELECT {} FROM blobs", columns)).ok();
  }

  static Copy CopyOf(sqlite::Database database, bool contents_replaced) {
    const char* columns = CanSelect(database, kRowColumns) ? kRowColumns : kRowColumnsThree;
    return {std::move(database), columns, contents_replaced};
  }

  // Opens the copy if its tables can be found.
  StatusOr<sqlite::Database> Try(const std::string& vfs) {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::OpenUnchecked(paths_.work, vfs));
    // A page with one bad cell still has good ones.
    BLOBD_RETURN_IF_ERROR(database.Execute("PRAGMA cell_size_check=OFF"));
    if (!CanSelect(database, kRowColumns) && !CanSelect(database, kRowColumnsThree))
      return DataLoss("it has no blobs");
    BLOBD_RETURN_IF_ERROR(
        database.Prepare(fmt::format("SELECT {} FROM small_blobs", kSmallColumns)).status());
    return database;
  }

  const SalvagePaths& paths_;
};

// The column of kRowColumns.
bool HasSum(sqlite::Statement& statement) {
  return sqlite3_column_int64(statement.handle(), 7) != 0;
}

}  // namespace

Status SalvageDatabase(const SalvagePaths& paths, const std::string& vfs,
                       UniqueFunction<Status(BlobRow row)> take_row,
                       UniqueFunction<Status(const Hash& hash, ByteView content)> take_small) {
  Workplace workplace(paths);
  BLOBD_ASSIGN_OR_RETURN(std::optional<Copy> copy, workplace.Open(vfs));
  if (!copy) return OkStatus();
  const auto take_good_row = [&](sqlite::Statement& statement) -> Status {
    if (copy->contents_replaced && !HasSum(statement)) return OkStatus();
    StatusOr<BlobRow> row = ReadRow(statement);
    return row.ok() ? take_row(*std::move(row)) : OkStatus();
  };
  const sqlite::SalvageSource rows{"blobs", copy->columns, "hash", sqlite::KeyType::kBlob};
  BLOBD_RETURN_IF_ERROR(sqlite::SalvageTable(copy->database, rows, take_good_row).status());
  const auto take_good_small = [&](sqlite::Statement& statement) -> Status {
    sqlite::RowReader row(statement);
    Hash hash;
    row.FixedBlob(hash.bytes);
    const ByteView content = row.Blob(bao::kGroupSize);
    const bool is_good = row.Finish("small_blobs").ok() && blake3::HashOf(content) == hash;
    return is_good ? take_small(hash, content) : OkStatus();
  };
  const sqlite::SalvageSource small{"small_blobs", kSmallColumns, "rowid", sqlite::KeyType::kRowId};
  return sqlite::SalvageTable(copy->database, small, take_good_small).status();
}

}  // namespace blobd::store
