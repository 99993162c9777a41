// Salvage: reads what can still be read of a damaged store.db. Rows are believed for what they say
// about privacy, sizes and use if their sums fit, and never for what is verified; small blobs are
// believed if their bytes fit their hash.
//
// Thread: one; waits for the disk.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/task.h"
#include "store/blob_row.h"

namespace blobd::store {

struct SalvagePaths {
  std::string damaged;  // is left as it is; it or its log may be missing
  std::string work;     // where a copy of it is made, and removed in the end
  std::string pattern;  // a good store.db, whose first page is tried if the damaged one has none
};

// Calls `take_row` for each good row, then `take_small` for each good small blob; for some of them
// more than once. What cannot be read is passed over, and of a damaged table no more than that
// (sqlite/salvage.h). Returns the first error of what was called, or of copying: there must be room
// for the copy.
Status SalvageDatabase(const SalvagePaths& paths, const std::string& vfs,
                       UniqueFunction<Status(BlobRow row)> take_row,
                       UniqueFunction<Status(const Hash& hash, ByteView content)> take_small);

}  // namespace blobd::store
