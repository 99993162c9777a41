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

// Calls `take_row` for each good row, then `take_small` for each good small blob; for some of them
// more than once. What cannot be read is passed over: a page that is damaged ends a scan, so the
// tables are read from both ends. `pattern` is a good store.db, whose header is tried if the
// damaged one has none. Returns the first error of what was called.
Status SalvageDatabase(const std::string& path, const std::string& pattern, const std::string& vfs,
                       UniqueFunction<Status(BlobRow row)> take_row,
                       UniqueFunction<Status(const Hash& hash, ByteView content)> take_small);

}  // namespace blobd::store
