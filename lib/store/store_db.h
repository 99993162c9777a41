// StoreDb: store.db as typed operations. A commit survives the end of the process; only what is
// written inside Durably survives power loss too.
//
// Others may read store.db while it is in use or not (blobctl --offline), and rely on this view:
//   offline_blobs_v1(hash TEXT hex, state TEXT 'complete' | 'partial' | 'removing', size INTEGER,
//                    size_proven INTEGER 0 | 1, verified_bytes INTEGER or NULL for not known here,
//                    is_private INTEGER 0 | 1, last_use_unix_ms INTEGER)
//
// Thread:    one at a time.
// Ownership: owns the connection.
// Errors:    kDataLoss: a row is damaged. kResourceExhausted: disk full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/task.h"
#include "base/time.h"
#include "sqlite/open.h"
#include "store/blob_row.h"
#include "store/blob_use.h"

namespace blobd::store {

struct CompleteTotals {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
};

// What all rows together say.
struct Survey {
  CompleteTotals complete;
  std::vector<Hash> damaged;      // rows that cannot be read
  std::vector<Hash> doubtful;     // kReopened with no groups
  std::vector<BlobRow> removing;  // kRemoving
};

class StoreDb {
 public:
  static StatusOr<StoreDb> Open(const std::string& path, const std::string& vfs, bool quick_check);

  // Runs `work` in one transaction that is synced. If anything fails, nothing of it happened.
  Status Durably(UniqueFunction<Status()> work);

  // Within Durably: if `work` fails, nothing of it happened, and the others' work stays unless
  // in_transaction() is false then.
  Status Step(UniqueFunction<Status()> work);
  bool in_transaction() const { return database_.in_transaction(); }

  StatusOr<std::optional<BlobRow>> Find(const Hash& hash);
  // The same for each of them, read at one time.
  std::vector<StatusOr<std::optional<BlobRow>>> FindMany(const std::vector<Hash>& hashes);
  Status Put(const BlobRow& row);  // inserts or replaces
  Status Remove(const Hash& hash);
  Status SetLastUse(const Hash& hash, WallTime last_use);
  StatusOr<bool> SetPrivate(const Hash& hash, bool is_private);  // false: there is no such row
  // Rows with a hash greater than `after`, in order. The lists pass over damaged rows.
  StatusOr<std::vector<BlobRow>> List(const std::optional<Hash>& after, size_t limit);
  // Those behind `after` in the order of their use.
  StatusOr<std::vector<BlobRow>> ListByUse(const std::optional<UseCursor>& after, size_t limit);
  StatusOr<std::vector<BlobRow>> ListPartial();
  // Reads all rows.
  StatusOr<Survey> ReadAll();

  Status PutContent(const Hash& hash, ByteView content);
  Status RemoveContent(const Hash& hash);
  // The bytes of a blob whose state is kInRow, as they are in the table: nobody checked them.
  StatusOr<std::optional<Bytes>> Content(const Hash& hash);

  // Copies the log into the database, synced: from then on damage to the log cannot take back what
  // was committed before. False: somebody reads an older state, so not all of it could be copied.
  StatusOr<bool> Checkpoint();
  // A sync has failed: nothing can be written any more (sqlite/database.h), until Reopen.
  bool sync_failed() const { return database_.sync_failed(); }
  // Opens the database anew and lets the old connection go after that: so what was committed is
  // there, and what failed is not. What the log holds goes into the database. Leaves all as it was
  // if that fails: kUnavailable where the log lost frames, which only a new process gets over.
  // REQUIRES: no transaction is open
  Status Reopen();
  // Writes something that says nothing, durably: can the database be written?
  Status Probe();

 private:
  enum Query : size_t {
    kFind,
    kPut,
    kRemove,
    kSetLastUse,
    kList,
    kListByUse,
    kListPartial,
    kListAll,
    kPutContent,
    kRemoveContent,
    kContent,
    kQueries
  };

  StoreDb(std::string path, std::string vfs, sqlite::Database database)
      : path_(std::move(path)), vfs_(std::move(vfs)), database_(std::move(database)) {}
  Status PrepareAll();

  std::string path_;
  std::string vfs_;
  sqlite::Database database_;
  std::vector<sqlite::Statement> statements_;  // by Query; after database_, so that they go first
};

}  // namespace blobd::store
