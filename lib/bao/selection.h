// ChunkSelection: which chunks of one blob are asked for, before its size need be known.
//
// Value type. Units: chunks of 1024 bytes, counted from the start of the blob.
#pragma once

#include <cstdint>
#include <utility>

#include "base/range_set.h"

namespace blobd::bao {

struct ChunkSelection {
  RangeSet chunks;
  // The last chunk too, whichever that is ("2^64-1 .." on the wire): it alone proves the size of
  // the blob. An open-ended `chunks` asks for it anyway.
  bool last_chunk = false;

  static ChunkSelection All() { return {RangeSet::All(), false}; }
  static ChunkSelection LastChunk() { return {RangeSet(), true}; }

  // Nothing is asked for; then nothing is sent either, not even a size.
  bool empty() const { return chunks.empty() && !last_chunk; }

  // The chunks of a blob of `size` bytes that answer this selection: those that exist, and the last
  // one if anything at or behind it is asked for (protocol/blobs.md, section 5). Empty only if the
  // selection asks for none of them. REQUIRES: size <= kMaxBlobSize
  RangeSet Effective(uint64_t size) const;

  bool operator==(const ChunkSelection&) const = default;
};

}  // namespace blobd::bao
