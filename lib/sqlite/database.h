// sqlite: the little of SQLite that registry and store share: connections, statements,
// transactions, and opening a database so that a foreign, newer or damaged one is refused (open.h).
// It knows nothing of what is stored.
//
// Database is one connection.
//
// Thread:    one at a time (the connection has no mutex of its own).
// Ownership: owns the connection. Statements and transactions made from it go away before it does.
// Errors:    as ErrorStatus maps them (error.h). After a sync that failed the kernel may have
// dropped
//            what was to be synced and tell the next sync that all is well, so from then on nothing
//            can be changed any more (kUnavailable) until the database is opened anew. Reading goes
//            on, unless the log has lost frames.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "sqlite/statement.h"

struct sqlite3;

namespace blobd::sqlite {

class Database {
 public:
  // Takes the connection over, and its checkpoints: they run after commits that leave a thousand
  // pages in the log, and a sync of theirs that fails is not overlooked.
  explicit Database(sqlite3* db);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&& other) noexcept;
  ~Database() = default;

  // Runs statements that give no rows, separated by semicolons.
  Status Execute(const std::string& sql);
  // The sql is ours, never built from input.
  StatusOr<Statement> Prepare(std::string_view sql);
  // The single integer in the single row that `sql` gives.
  StatusOr<int64_t> QueryInteger(std::string_view sql);

  // False after SQLite itself has rolled a failed transaction back (a full disk does that).
  bool in_transaction() const;
  // Rows changed by the last statement that ran.
  int64_t changed_rows() const;
  // The rowid of the last row that was inserted into a table that has them.
  int64_t last_inserted() const;
  bool sync_failed() const { return health_->sync_failed; }
  // Whether all that was committed here is still in the log. If not, nothing can be read either,
  // before a new process opens the database. Reads the log once.
  Status CheckLog();
  sqlite3* handle() const { return db_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
  };
  friend class Transaction;
  friend class Reading;
  friend class Savepoint;
  // What opens and ends a transaction or a step of one, which is said for every group of changes
  // and every change: prepared once.
  enum class Word { kBegin, kBeginReading, kCommit, kSavepoint, kRelease };
  Status Say(Word word);
  // Also after a sync has failed.
  Status Undo(const char* sql);

  std::unique_ptr<Health> health_;
  std::unique_ptr<sqlite3, Closer> db_;
  std::array<std::optional<Statement>, 5> words_;  // by Word; they go before the connection does
};

// A write transaction: taken at once (BEGIN IMMEDIATE), undone unless Commit returned OK.
class Transaction {
 public:
  static StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // null once committed or moved from
};

// Many reads as one: all see the same, and the locks of the log are taken once instead of for each.
// Nothing is written while it lives.
class Reading {
 public:
  // An error if a transaction is open.
  static StatusOr<Reading> Begin(Database& database);
  Reading(Reading&& other) noexcept;
  Reading& operator=(Reading&&) = delete;
  ~Reading();

 private:
  explicit Reading(Database& database) : database_(&database) {}
  Database* database_;  // null once moved from
};

// A step inside a transaction that can be undone alone. Undone unless Release returned OK.
class Savepoint {
 public:
  // REQUIRES: a transaction is open; savepoints are not nested
  static StatusOr<Savepoint> Begin(Database& database);
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  ~Savepoint();

  Status Release();

 private:
  explicit Savepoint(Database& database) : database_(&database) {}
  Database* database_;  // null once released or moved from
};

}  // namespace blobd::sqlite
