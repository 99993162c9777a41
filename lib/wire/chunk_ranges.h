// ChunkRanges: which chunks of one blob a request is about, or a provider has (protocol/blobs.md,
// section 3.2).
//
// Sizes are not known when one asks, so besides chunks by number one may ask for "the last chunk,
// whichever that is". On the wire this is chunk 2^64-1 and everything behind it. A RangeSet ends
// before 2^64-1 (that number means "without end" there), so this one wish stands beside it as a
// flag. Nothing else is lost: a blob has at most 2^54 chunks, hence a range that ends exactly at
// 2^64-1 and the same range without end ask for the same.
//
// Value type, kept in a normal form so that equal wishes compare equal and have one encoding: an
// open-ended set contains the last chunk anyway, and its flag is not set.
//
// Units: chunks of 1024 bytes, counted from the start of the blob.
#pragma once

#include <cstdint>
#include <string>

#include "base/range_set.h"

namespace blobd::wire {

inline constexpr uint64_t kChunkSize = 1024;

class ChunkRanges {
 public:
  ChunkRanges() = default;  // nothing
  // Not explicit: every set of chunks is a wish, it only cannot name the last chunk without all
  // before it.
  ChunkRanges(RangeSet chunks, bool last_chunk = false);  // NOLINT(google-explicit-constructor)

  static ChunkRanges All() { return ChunkRanges(RangeSet::All()); }
  // The size probe: what it brings proves the size of the blob.
  static ChunkRanges LastChunk() { return ChunkRanges(RangeSet(), true); }

  bool empty() const { return chunks_.empty() && !last_chunk_; }
  bool is_all() const { return chunks_ == RangeSet::All(); }
  // The chunks asked for by number; [n, kOpenEnd) is "from n on".
  const RangeSet& chunks() const { return chunks_; }
  // The last chunk is asked for beyond chunks(). False if chunks() is open-ended.
  bool last_chunk() const { return last_chunk_; }

  // What a blob of `chunk_count` chunks owes to this wish: the members below chunk_count, and the
  // last chunk if anything at or behind it is asked for (protocol/blobs.md, section 5, "Effective
  // selection").
  // REQUIRES: chunk_count > 0 (an empty blob has one empty chunk)
  RangeSet Within(uint64_t chunk_count) const;

  // "0..16 64.. last", for logs; "nothing" if empty.
  std::string ToString() const;
  bool operator==(const ChunkRanges&) const = default;

 private:
  RangeSet chunks_;
  bool last_chunk_ = false;  // false if chunks_ is open-ended
};

}  // namespace blobd::wire
