// Reading groups and their pairs back from the disk, to see which of them fit the hash: groups that
// were written and not yet recorded when the process ended, and groups that somebody doubts.
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

// All functions:
// Thread: any; block on the disk.
// Memory: one group, or less than a MiB where pairs are mended, and one number pair per range of
//         groups or extent of the file.
// Cost:   they read and hash the groups in doubt, and the pairs above them.
// Errors: the disk's. A file that is too short is none, nor one with bad sectors: what it lacks
// does
//         not fit. Where nothing at all can be read, UNAVAILABLE.
// REQUIRES: 0 < size <= kMaxStoredSize

// Those of `groups` that fit. A group fits if its value is what the pairs on its path say, and a
// pair is believed only if its own value is what the pair above it, and in the end `hash`, says. So
// no wrong byte in either file, and no wrong `size`, makes a group fit that is not the blob's: at
// worst some are missed, as everything beneath a wrong pair is.
StatusOr<RangeSet> FittingGroups(const Hash& hash, uint64_t size, RangeSet groups, File& data,
                                 File& outboard);

// The same, but where a pair does not fit, and the data below it is among the groups that should be
// `whole` and does fit, the pairs of that part are computed and written anew, and synced. Rot in an
// outboard so costs no data. Where the disk cannot read a pair, what it cannot read of the outboard
// below that becomes holes, and is read through for it (bad_blocks.h).
StatusOr<RangeSet> MendGroups(const Hash& hash, uint64_t size, RangeSet groups,
                              const RangeSet& whole, File& data, File& outboard);

// As FittingGroups, but what fits is written once more, and so are the pairs above it. A sync may
// have failed in the life that wrote it. Then the kernel has dropped what it could not write, may
// show it all the same as long as the machine runs, and tells the next sync that all is well: Linux
// does this on ext4 and XFS. What was written again the next sync has to write. After an error
// nothing may be relied on.
StatusOr<RangeSet> WriteAgain(const Hash& hash, uint64_t size, RangeSet groups, File& data,
                              File& outboard);

// The groups of `data` that hold bytes, are not in `known`, and fit: written again, as above.
StatusOr<RecoveredGroups> RecoverGroups(const Hash& hash, uint64_t size, const RangeSet& known,
                                        File& data, File& outboard);

// Writes the outboard of `data` if that has `size` bytes and is the blob `hash`, and says whether
// it is. Not synced.
StatusOr<bool> MendOutboard(const Hash& hash, uint64_t size, File& data, File& outboard);

}  // namespace blobd::store
