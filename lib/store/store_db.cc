#include "store/store_db.h"

#include <algorithm>
#include <array>
#include <limits>

#include "bao/tree.h"
#include "sqlite/row.h"
#include "store/group_map.h"

namespace blobd::store {
namespace {

constexpr std::string_view kVersionOne = R"sql(
CREATE TABLE blobs(
  hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
  state INTEGER NOT NULL,
  size INTEGER NOT NULL,
  size_proven INTEGER NOT NULL,
  groups BLOB NOT NULL,
  last_use_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_partial ON blobs(hash) WHERE state = 1;

CREATE TABLE small_blobs(
  hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
  content BLOB NOT NULL
) STRICT;
)sql";
// Private blobs; state 4, a kind of partial blob.
constexpr std::string_view kVersionTwo = R"sql(
ALTER TABLE blobs ADD COLUMN is_private INTEGER NOT NULL DEFAULT 0;
DROP INDEX blobs_partial;
CREATE INDEX blobs_partial ON blobs(hash) WHERE state IN (1, 4);
)sql";
constexpr std::array<std::string_view, 2> kMigrations = {kVersionOne, kVersionTwo};
constexpr sqlite::Schema kSchema{
    .what = "a blob index of blobd",
    .application_id = 0x626c6f53,  // "bloS"
    .migrations = kMigrations,
};

// A map this large would be a blob in millions of pieces.
constexpr size_t kMaxMapBytes = 64 << 20;
constexpr uint64_t kGroupLimit = kMaxStoredSize / bao::kGroupSize;

StatusOr<BlobRow> ReadRow(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  BlobRow blob;
  row.FixedBlob(blob.hash.bytes);
  blob.state = static_cast<RowState>(row.Integer(1, 4));
  blob.size = row.Unsigned(kMaxStoredSize);
  blob.size_proven = row.Boolean();
  const uint64_t limit = blob.size_proven ? bao::GroupCount(blob.size) : kGroupLimit;
  std::optional<RangeSet> groups = DecodeGroups(row.Blob(kMaxMapBytes), limit);
  if (!groups) {
    row.Refuse("is no map of groups");
  } else {
    blob.groups = std::move(*groups);
  }
  blob.last_use.unix_ms = row.Integer();
  blob.is_private = row.Boolean();
  if (blob.complete() && (!blob.size_proven || !blob.groups.empty()))
    row.Refuse("belongs to an impossible blob");
  if (blob.state == RowState::kReopened && !blob.size_proven)
    row.Refuse("belongs to a blob that cannot have been complete");
  if (blob.state == RowState::kInRow && blob.size > bao::kGroupSize)
    row.Refuse("belongs to a blob too large here");
  BLOBD_RETURN_IF_ERROR(row.Finish("blobs"));
  return blob;
}

// At most `limit` rows; those that are damaged are left out.
StatusOr<std::vector<BlobRow>> ReadGoodRows(sqlite::Statement& statement, size_t limit) {
  std::vector<BlobRow> rows;
  while (rows.size() < limit) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return rows;
    StatusOr<BlobRow> row = ReadRow(statement);
    if (row.ok()) rows.push_back(std::move(*row));
  }
  statement.Reset();
  return rows;
}

}  // namespace

StatusOr<StoreDb> StoreDb::Open(const std::string& path, const std::string& vfs, bool quick_check) {
  BLOBD_ASSIGN_OR_RETURN(
      sqlite::Database database,
      sqlite::OpenDatabase(
          path, kSchema, {.sync = sqlite::Sync::kNormal, .vfs = vfs, .quick_check = quick_check}));
  StoreDb db(std::move(database));
  BLOBD_RETURN_IF_ERROR(db.PrepareAll());
  return db;
}

Status StoreDb::PrepareAll() {
  constexpr std::string_view kColumns =
      "SELECT hash, state, size, size_proven, groups, last_use_unix_ms, is_private "
      "FROM blobs ";
  const std::string queries[kQueries] = {
      fmt::format("{} WHERE hash=?1", kColumns),
      "INSERT OR REPLACE INTO blobs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      "DELETE FROM blobs WHERE hash=?1",
      "UPDATE blobs SET last_use_unix_ms=?2 WHERE hash=?1",
      "UPDATE blobs SET is_private=?2 WHERE hash=?1",
      fmt::format("{} WHERE hash>?1 ORDER BY hash", kColumns),
      fmt::format("{} WHERE state IN (1, 4)", kColumns),
      "INSERT OR REPLACE INTO small_blobs VALUES(?1, ?2)",
      "DELETE FROM small_blobs WHERE hash=?1",
      "SELECT content FROM small_blobs WHERE hash=?1",
  };
  for (const std::string& sql : queries) {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement, database_.Prepare(sql));
    statements_.push_back(std::move(statement));
  }
  return OkStatus();
}

Status StoreDb::Durably(UniqueFunction<Status()> work) {
  BLOBD_RETURN_IF_ERROR(sqlite::SetSync(database_, sqlite::Sync::kFull));
  Status status = [&]() -> Status {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(database_));
    BLOBD_RETURN_IF_ERROR(work());
    return transaction.Commit();
  }();
  const Status back = sqlite::SetSync(database_, sqlite::Sync::kNormal);
  return status.ok() ? back : status;
}

Status StoreDb::Step(UniqueFunction<Status()> work) {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Savepoint savepoint, sqlite::Savepoint::Begin(database_));
  BLOBD_RETURN_IF_ERROR(work());
  return savepoint.Release();
}

StatusOr<std::optional<BlobRow>> StoreDb::Find(const Hash& hash) {
  sqlite::Statement& statement = statements_[kFind].Bind(hash.view());
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return std::optional<BlobRow>();
  StatusOr<BlobRow> row = ReadRow(statement);
  statement.Reset();
  BLOBD_RETURN_IF_ERROR(row.status());
  return std::optional<BlobRow>(std::move(*row));
}

Status StoreDb::Put(const BlobRow& row) {
  const Bytes groups = EncodeGroups(row.groups);
  return statements_[kPut]
      .Bind(row.hash.view(), int64_t{static_cast<uint8_t>(row.state)},
            static_cast<int64_t>(row.size), int64_t{row.size_proven}, ByteView(groups),
            row.last_use.unix_ms, int64_t{row.is_private})
      .Run();
}

Status StoreDb::Remove(const Hash& hash) { return statements_[kRemove].Bind(hash.view()).Run(); }

Status StoreDb::SetLastUse(const Hash& hash, WallTime last_use) {
  return statements_[kSetLastUse].Bind(hash.view(), last_use.unix_ms).Run();
}

StatusOr<bool> StoreDb::SetPrivate(const Hash& hash, bool is_private) {
  BLOBD_RETURN_IF_ERROR(statements_[kSetPrivate].Bind(hash.view(), int64_t{is_private}).Run());
  return database_.changed_rows() > 0;
}

StatusOr<std::vector<BlobRow>> StoreDb::List(const std::optional<Hash>& after, size_t limit) {
  const ByteView from =
      after ? after->view() : ByteView();  // the empty blob is less than every hash
  return ReadGoodRows(statements_[kList].Bind(from), limit);
}

StatusOr<std::vector<BlobRow>> StoreDb::ListPartial() {
  return ReadGoodRows(statements_[kListPartial].Bind(), std::numeric_limits<size_t>::max());
}

StatusOr<CompleteTotals> StoreDb::CountComplete() {
  BLOBD_ASSIGN_OR_RETURN(
      sqlite::Statement count,
      // In two halves, of which the sums cannot overflow: damaged rows may say any size.
      database_.Prepare("SELECT count(*), coalesce(sum(size >> 32), 0), "
                        "coalesce(sum(size & 4294967295), 0) FROM blobs "
                        "WHERE state IN (2, 3) AND size BETWEEN 0 AND 4611686018427387904"));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, count.Step());
  if (!has_row) return DataLoss("store.db cannot count its blobs");
  sqlite::RowReader row(count);
  CompleteTotals totals;
  totals.blobs = row.Unsigned();
  const uint64_t high = std::min(row.Unsigned(), kMaxStoredSize >> 32);
  totals.bytes = (high << 32) + std::min(row.Unsigned(), kMaxStoredSize);
  BLOBD_RETURN_IF_ERROR(row.Finish("blobs"));
  return totals;
}

Status StoreDb::PutContent(const Hash& hash, ByteView content) {
  return statements_[kPutContent].Bind(hash.view(), content).Run();
}

Status StoreDb::RemoveContent(const Hash& hash) {
  return statements_[kRemoveContent].Bind(hash.view()).Run();
}

StatusOr<std::optional<Bytes>> StoreDb::Content(const Hash& hash) {
  sqlite::Statement& statement = statements_[kContent].Bind(hash.view());
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return std::optional<Bytes>();
  sqlite::RowReader row(statement);
  const ByteView content = row.Blob(bao::kGroupSize);
  std::optional<Bytes> copy(Bytes(content.begin(), content.end()));
  const Status status = row.Finish("small_blobs");
  statement.Reset();
  BLOBD_RETURN_IF_ERROR(status);
  return copy;
}

}  // namespace blobd::store
