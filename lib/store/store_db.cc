#include "store/store_db.h"

#include <sqlite3.h>

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
// Sums over rows, blobs being removed, the order of use, and what offline readers may rely on.
// Nothing of the blob is here where neither size nor groups are known: that row keeps it private.
constexpr std::string_view kVersionThree = R"sql(
ALTER TABLE blobs ADD COLUMN row_sum INTEGER NOT NULL DEFAULT 0;
CREATE INDEX blobs_by_use ON blobs(last_use_unix_ms, hash);
CREATE VIEW offline_blobs_v1 AS
SELECT lower(hex(hash)) AS hash,
       CASE state WHEN 1 THEN 'partial' WHEN 4 THEN 'partial' WHEN 5 THEN 'removing'
                  ELSE 'complete' END AS state,
       size,
       size_proven,
       CASE WHEN state IN (2, 3) THEN size END AS verified_bytes,
       is_private,
       last_use_unix_ms
FROM blobs WHERE state <> 1 OR size > 0 OR length(groups) > 0;
)sql";
// What was complete once. That is kept like privacy, also where nothing of the blob is left.
constexpr std::string_view kVersionFour = R"sql(
ALTER TABLE blobs ADD COLUMN was_complete INTEGER NOT NULL DEFAULT 0;
)sql";
constexpr std::array<std::string_view, 4> kMigrations = {kVersionOne, kVersionTwo, kVersionThree,
                                                         kVersionFour};
constexpr sqlite::Schema kSchema{
    .what = "a blob index of blobd",
    .application_id = 0x626c6f53,  // "bloS"
    .migrations = kMigrations,
};

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
  StoreDb db(path, vfs, std::move(database));
  BLOBD_RETURN_IF_ERROR(db.PrepareAll());
  return db;
}

Status StoreDb::PrepareAll() {
  const std::string columns = fmt::format("SELECT {} FROM blobs", kRowColumns);
  const std::string queries[kQueries] = {
      fmt::format("{} WHERE hash=?1", columns),
      "INSERT OR REPLACE INTO blobs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      "DELETE FROM blobs WHERE hash=?1",
      "UPDATE blobs SET last_use_unix_ms=?2 WHERE hash=?1",
      fmt::format("{} WHERE hash>?1 ORDER BY hash", columns),
      fmt::format("{} WHERE (last_use_unix_ms, hash) > (?1, ?2) "
                  "ORDER BY last_use_unix_ms, hash",
                  columns),
      fmt::format("{} WHERE state IN (1, 4)", columns),
      columns,
      "INSERT OR REPLACE INTO small_blobs VALUES(?1, ?2)",
      "DELETE FROM small_blobs WHERE hash=?1",
      "SELECT content FROM small_blobs WHERE hash=?1",
  };
  for (const std::string& sql : queries) {
    StatusOr<sqlite::Statement> statement = database_.Prepare(sql);
    // The migrations have made everything that is named here, so the table of contents is damaged.
    if (!statement.ok() && (sqlite3_errcode(database_.handle()) & 0xff) == SQLITE_ERROR)
      return DataLoss("the tables of store.db are not what they were: {}",
                      Message(statement.status()));
    BLOBD_RETURN_IF_ERROR(statement.status());
    statements_.push_back(*std::move(statement));
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

std::vector<StatusOr<std::optional<BlobRow>>> StoreDb::FindMany(const std::vector<Hash>& hashes) {
  std::vector<StatusOr<std::optional<BlobRow>>> rows;
  rows.reserve(hashes.size());
  const StatusOr<sqlite::Reading> reading = sqlite::Reading::Begin(database_);
  // Without it each is read by itself, and has its own error.
  for (const Hash& hash : hashes) rows.push_back(Find(hash));
  return rows;
}

Status StoreDb::Put(const BlobRow& row) {
  const Bytes groups = EncodeGroups(row.groups);
  return statements_[kPut]
      .Bind(row.hash.view(), int64_t{static_cast<uint8_t>(row.state)},
            static_cast<int64_t>(row.size), int64_t{row.size_proven}, ByteView(groups),
            row.last_use.unix_ms, int64_t{row.is_private}, SumOf(row, groups),
            int64_t{row.was_complete})
      .Run();
}

Status StoreDb::Remove(const Hash& hash) { return statements_[kRemove].Bind(hash.view()).Run(); }

Status StoreDb::SetLastUse(const Hash& hash, WallTime last_use) {
  return statements_[kSetLastUse].Bind(hash.view(), last_use.unix_ms).Run();
}

StatusOr<bool> StoreDb::SetPrivate(const Hash& hash, bool is_private) {
  BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> row, Find(hash));
  if (!row) return false;
  row->is_private = is_private;
  BLOBD_RETURN_IF_ERROR(Put(*row));
  return true;
}

StatusOr<std::vector<BlobRow>> StoreDb::List(const std::optional<Hash>& after, size_t limit) {
  const ByteView from =
      after ? after->view() : ByteView();  // the empty blob is less than every hash
  return ReadGoodRows(statements_[kList].Bind(from), limit);
}

StatusOr<std::vector<BlobRow>> StoreDb::ListByUse(const std::optional<UseCursor>& after,
                                                  size_t limit) {
  const int64_t use = after ? after->last_use.unix_ms : std::numeric_limits<int64_t>::min();
  const ByteView hash = after ? after->hash.view() : ByteView();
  return ReadGoodRows(statements_[kListByUse].Bind(use, hash), limit);
}

StatusOr<std::vector<BlobRow>> StoreDb::ListPartial() {
  return ReadGoodRows(statements_[kListPartial].Bind(), std::numeric_limits<size_t>::max());
}

StatusOr<bool> StoreDb::Checkpoint() {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement checkpoint,
                         database_.Prepare("PRAGMA wal_checkpoint(PASSIVE)"));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, checkpoint.Step());
  if (!has_row) return false;
  sqlite::RowReader row(checkpoint);
  const bool is_busy = row.Boolean();
  const int64_t pages = row.Integer();
  const int64_t copied = row.Integer();
  return !is_busy && copied == pages;
}

Status StoreDb::Reopen() {
  // A second connection of this process believes what the first knows of the log. Frames that are
  // gone, and older ones in their place, would be copied into the database.
  BLOBD_RETURN_IF_ERROR(database_.CheckLog());
  BLOBD_ASSIGN_OR_RETURN(StoreDb fresh, Open(path_, vfs_, false));
  statements_.clear();
  database_ = std::move(fresh.database_);
  statements_ = std::move(fresh.statements_);
  return OkStatus();
}

Status StoreDb::Probe() {
  // It is this number already, but is written all the same.
  return Durably([this] {
    return database_.Execute(fmt::format("PRAGMA user_version={}", kMigrations.size()));
  });
}

StatusOr<Survey> StoreDb::ReadAll() {
  Survey survey;
  sqlite::Statement& statement = statements_[kListAll].Bind();
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return survey;
    Hash hash;
    StatusOr<BlobRow> row = ReadRow(statement, &hash);
    if (!row.ok()) {
      survey.damaged.push_back(hash);
    } else if (row->complete()) {
      ++survey.complete.blobs;
      survey.complete.bytes += row->size;  // wrong, but no more, where there are 4 of 2^62
    } else if (row->state == RowState::kRemoving) {
      survey.removing.push_back(*std::move(row));
    } else if (row->state == RowState::kReopened && row->groups.empty()) {
      survey.doubtful.push_back(hash);
    }
  }
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
