// What store.db says of one blob, and how a row says it.
//
// Every row carries a sum over what it says of its blob, so that a row in which bits flipped is an
// error and not a claim; when the blob was used last is not in it, since nothing is believed for
// its sake. Rows written before there were sums have none (0).
//
// Thread: any; values and pure functions.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/status.h"
#include "base/time.h"
#include "sqlite/statement.h"

namespace blobd::store {

// No blob can be larger: sizes are signed numbers in the database and offsets of files.
inline constexpr uint64_t kMaxStoredSize = uint64_t{1} << 62;

enum class RowState : uint8_t {
  kPartial = 1,
  kInFiles = 2,  // complete
  kInRow = 3,    // complete; its bytes are in the table small_blobs
  // Partial once more: it was complete, or about to be, and groups were withdrawn. Its files are in
  // blobs/, or in partial/ if they had not been moved yet.
  // With no groups: nothing is believed of them until they have been hashed again.
  kReopened = 4,
  kRemoving = 5,  // nothing of it is claimed; its files are removed, and then the row
};

struct BlobRow {
  Hash hash;
  RowState state = RowState::kPartial;
  uint64_t size = 0;  // a claim, 0 for none, until size_proven
  bool size_proven = false;
  RangeSet groups;  // of a partial blob: what is verified and synced. Empty for a complete one.
  WallTime last_use;
  bool is_private = false;
  // Of a blob that is not complete: it was once, and what is missing rotted. Cleared when it is
  // complete again, or removed. Always so of kReopened.
  bool was_complete = false;

  bool complete() const { return state == RowState::kInFiles || state == RowState::kInRow; }
};

// The columns ReadRow reads, in order.
inline constexpr const char* kRowColumns =
    "hash, state, size, size_proven, groups, last_use_unix_ms, is_private, row_sum, was_complete";
// The same of a database of version three, which no migration has reached because it is damaged.
inline constexpr const char* kRowColumnsThree =
    "hash, state, size, size_proven, groups, last_use_unix_ms, is_private, row_sum, 0";

// The row at which the statement stands. kDataLoss: it is damaged; `hash`, if not null, is what it
// says of that all the same.
StatusOr<BlobRow> ReadRow(sqlite::Statement& statement, Hash* hash = nullptr);

// The sum of a row of which the groups are encoded as `groups`. Never 0.
int64_t SumOf(const BlobRow& row, ByteView groups);

}  // namespace blobd::store
