#include "sqlite/database.h"

#include <sqlite3.h>

#include <utility>

#include "base/check.h"
#include "sqlite/error.h"

namespace blobd::sqlite {

namespace {

constexpr int kCheckpointPages = 1000;  // SQLite's own default

constexpr std::array<std::string_view, 5> kWords = {"BEGIN IMMEDIATE", "BEGIN", "COMMIT",
                                                    "SAVEPOINT step", "RELEASE step"};

int OnCommit(void* context, sqlite3* db, const char* name, int pages) {
  Health* health = static_cast<Health*>(context);
  health->log_pages = static_cast<uint64_t>(pages);
  if (pages < kCheckpointPages) return SQLITE_OK;
  const int code = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // Anything else is tried again after the next commit, which is in the log all the same.
  NoteError(db, code, health);
  return SQLITE_OK;
}

}  // namespace

Database::Database(sqlite3* db) : health_(std::make_unique<Health>()), db_(db) {
  sqlite3_wal_hook(db, &OnCommit, health_.get());
}

Database& Database::operator=(Database&& other) noexcept {
  words_ = std::move(other.words_);  // before the connection that the old ones belong to closes
  db_ = std::move(other.db_);
  health_ = std::move(other.health_);
  return *this;
}

void Database::Closer::operator()(sqlite3* db) const {
  // Refuses while statements are left; that would be a leak of ours.
  BLOBD_CHECK(sqlite3_close(db) == SQLITE_OK);
}

Status Database::CheckLog() {
  LookAtLog(handle(), health_.get());
  return health_->log_lost ? LogLost() : OkStatus();
}

Status Database::Execute(const std::string& sql) {
  if (sync_failed()) return SyncFailed();
  return Undo(sql.c_str());
}

Status Database::Say(Word word) {
  if (sync_failed()) return SyncFailed();
  const auto index = static_cast<size_t>(word);
  std::optional<Statement>& statement = words_.at(index);
  if (!statement) {
    BLOBD_ASSIGN_OR_RETURN(statement, Prepare(kWords.at(index)));
  }
  return statement->Run();
}

Status Database::Undo(const char* sql) {
  const int code = sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return OkStatus();
  NoteError(handle(), code, health_.get());
  return ErrorStatus(handle(), code, sql);
}

StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorStatus(handle(), code, sql);
  return Statement(statement, health_.get());
}

StatusOr<int64_t> Database::QueryInteger(std::string_view sql) {
  BLOBD_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return DataLoss("{}: no row", sql);
  return sqlite3_column_int64(statement.handle(), 0);
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

int64_t Database::changed_rows() const { return sqlite3_changes64(handle()); }

int64_t Database::last_inserted() const { return sqlite3_last_insert_rowid(handle()); }

StatusOr<Transaction> Transaction::Begin(Database& database) {
  BLOBD_RETURN_IF_ERROR(database.Say(Database::Word::kBegin));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // A rollback that fails leaves nothing to do: SQLite then has rolled back already.
  if (database_ != nullptr && database_->in_transaction()) (void)database_->Undo("ROLLBACK");
}

Status Transaction::Commit() {
  BLOBD_CHECK(database_ != nullptr);
  if (!database_->in_transaction()) return Aborted("the transaction was rolled back");
  BLOBD_RETURN_IF_ERROR(database_->Say(Database::Word::kCommit));
  database_ = nullptr;
  return OkStatus();
}

StatusOr<Reading> Reading::Begin(Database& database) {
  BLOBD_RETURN_IF_ERROR(database.Say(Database::Word::kBeginReading));
  return Reading(database);
}

Reading::Reading(Reading&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Reading::~Reading() {
  if (database_ != nullptr && database_->in_transaction()) (void)database_->Undo("ROLLBACK");
}

StatusOr<Savepoint> Savepoint::Begin(Database& database) {
  BLOBD_CHECK(database.in_transaction());
  BLOBD_RETURN_IF_ERROR(database.Say(Database::Word::kSavepoint));
  return Savepoint(database);
}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Savepoint::~Savepoint() {
  if (database_ == nullptr || !database_->in_transaction()) return;
  (void)database_->Undo("ROLLBACK TO step; RELEASE step");
}

Status Savepoint::Release() {
  BLOBD_CHECK(database_ != nullptr);
  if (!database_->in_transaction()) return Aborted("the transaction was rolled back");
  BLOBD_RETURN_IF_ERROR(database_->Say(Database::Word::kRelease));
  database_ = nullptr;
  return OkStatus();
}

}  // namespace blobd::sqlite
