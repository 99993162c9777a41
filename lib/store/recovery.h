// Finding the verified groups of a partial blob that its map does not name: what was written and
// not yet recorded when the process ended.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "base/range_set.h"
#include "base/status.h"
#include "store/file_system.h"

namespace blobd::store {

struct RecoveredGroups {
  RangeSet groups;        // those that are not in `known`
  bool has_last = false;  // the last group is among them, which proves the size
};

// Hashes every group of `data` that holds bytes and is not in `known`, and gives those that fit. A
// group fits if its value is what the pairs on its path say, and a pair is believed only if its own
// value is what the pair above it, and in the end `hash`, says. So no wrong byte in either file,
// and no wrong `size`, makes a group appear that is not the blob's: at worst some are not found.
//
// Thread: any; blocks on the disk.
// Memory: one group, and one number pair per extent of the file.
// Cost:   reads and hashes the groups in doubt, and the pairs above them.
// REQUIRES: 0 < size <= kMaxStoredSize
StatusOr<RecoveredGroups> RecoverGroups(const Hash& hash, uint64_t size, const RangeSet& known,
                                        File& data, File& outboard);

}  // namespace blobd::store
