// StoreDb: store.db as typed operations. A commit survives the end of the process; only what is
// written inside Durably survives power loss too.
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

namespace blobd::store {

// No blob can be larger: sizes are signed numbers in the database and offsets of files.
inline constexpr uint64_t kMaxStoredSize = uint64_t{1} << 62;

enum class RowState : uint8_t {
  kPartial = 1,
  kInFiles = 2,  // complete
  kInRow = 3,    // complete; its bytes are in the table small_blobs
  // Partial once more: it was complete, or about to be, and groups were withdrawn. Its files are in
  // blobs/, or in partial/ if they had not been moved yet.
  kReopened = 4,
};

struct BlobRow {
  Hash hash;
  RowState state = RowState::kPartial;
  uint64_t size = 0;  // a claim, 0 for none, until size_proven
  bool size_proven = false;
  RangeSet groups;  // of a partial blob: what is verified and synced. Empty for a complete one.
  WallTime last_use;
  bool is_private = false;

  bool complete() const { return state == RowState::kInFiles || state == RowState::kInRow; }
};

struct CompleteTotals {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
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
  Status Put(const BlobRow& row);  // inserts or replaces
  Status Remove(const Hash& hash);
  Status SetLastUse(const Hash& hash, WallTime last_use);
  StatusOr<bool> SetPrivate(const Hash& hash, bool is_private);  // false: there is no such row
  // Rows with a hash greater than `after`, in order. Both lists pass over damaged rows.
  StatusOr<std::vector<BlobRow>> List(const std::optional<Hash>& after, size_t limit);
  StatusOr<std::vector<BlobRow>> ListPartial();
  // Reads the whole index. Sizes no blob can have are not counted.
  StatusOr<CompleteTotals> CountComplete();

  Status PutContent(const Hash& hash, ByteView content);
  Status RemoveContent(const Hash& hash);
  // The bytes of a blob whose state is kInRow, as they are in the table: nobody checked them.
  StatusOr<std::optional<Bytes>> Content(const Hash& hash);

 private:
  enum Query : size_t {
    kFind,
    kPut,
    kRemove,
    kSetLastUse,
    kSetPrivate,
    kList,
    kListPartial,
    kPutContent,
    kRemoveContent,
    kContent,
    kQueries
  };

  explicit StoreDb(sqlite::Database database) : database_(std::move(database)) {}
  Status PrepareAll();

  sqlite::Database database_;
  std::vector<sqlite::Statement> statements_;  // by Query; after database_, so that they go first
};

}  // namespace blobd::store
