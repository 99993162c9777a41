// Blocks of an outboard that the disk cannot read any more. The disk would put another in the place
// of one that is written, but the kernel reads a block first that is written in part: a pair, which
// is smaller, could never be written there again.
//
// Not for data: whoever reads that would take the zeros of a hole for bytes of the blob, where it
// now gets an error. A pair is believed only if it fits the one above it.
//
// Thread: any; blocks on the disk.
// Memory: 256 KiB.
#pragma once

#include <cstdint>

#include "base/range_set.h"
#include "base/status.h"
#include "store/file_system.h"

namespace blobd::store {

// What file systems give out, in bytes. Where their blocks are larger, a hole of this size does not
// help, and writing goes on to fail; where they are smaller, good ones beside a bad one go as well,
// and are missed when they are read.
constexpr uint64_t kDiskBlock = 4096;

// Makes holes of those blocks that hold some of `bytes` and cannot be read, as far as that can be
// done. Reads all of `bytes`.
Status DiscardBadBlocks(File& outboard, Range bytes);

}  // namespace blobd::store
