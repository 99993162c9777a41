// The two lists of ranges in requests (protocol/blobs.md, section 3.2): a range spec says which
// chunks of one blob are wanted, a RangeSpecSeq says it for every blob of a hash sequence, without
// end.
//
// Writing gives the canonical form. Reading is as lenient as the reference: widths of zero, ranges
// that touch, runs of length zero, equal neighbours and leading empty runs are accepted and vanish.
// Sums above 2^64-1 are kInvalidArgument. What is read takes memory in proportion to the bytes it
// came from, some 25 times as much at worst; a list that claims more elements than the bytes could
// hold allocates nothing.
//
// Values; any thread. Errors are those of Reader.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "wire/chunk_ranges.h"
#include "wire/postcard.h"

namespace blobd::wire {

StatusOr<ChunkRanges> ReadRangeSpec(Reader& reader);
void WriteRangeSpec(const ChunkRanges& ranges, Writer& writer);

// Blob index 0 is the root itself, index i the i-th hash of the root; in a GetMany, index i is hash
// number i of the list. Kept as runs, never expanded: every question below costs the logarithm of
// the number of runs.
class RangeSpecSeq {
 public:
  struct Run {
    uint64_t first_index = 0;  // the run lasts until the next one begins; the last run has no end
    ChunkRanges ranges;
    bool operator==(const Run&) const = default;
  };

  RangeSpecSeq() = default;  // nothing of any blob
  // Ranges of one raw blob. This is the only shape that a provider does not take for a hash
  // sequence.
  static RangeSpecSeq OfRawBlob(ChunkRanges ranges);
  // All of the root and of all its children.
  static RangeSpecSeq OfHashSeq();
  // blobs[i] of blob i. What follows gets the last of them if `last_repeats`, else nothing.
  static RangeSpecSeq OfBlobs(std::span<const ChunkRanges> blobs, bool last_repeats);

  // From blob `index` on, `ranges` are wanted of each (until the next Append).
  // REQUIRES: `index` is not less than in the Append before
  void Append(uint64_t index, ChunkRanges ranges);

  const ChunkRanges& At(uint64_t index) const;
  // Nothing is selected anywhere.
  bool empty() const { return runs_.empty(); }
  // Something of the root and nothing behind it: the request is about one raw blob. On the wire
  // these are the two elements (0, spec) and (1, nothing). Other spellings of the same wish read as
  // one, too: a provider of 0.35 sends nothing to them unless the root is a hash sequence, newer
  // ones send the root as we do.
  bool IsRawBlob() const;
  // The first index >= `index` of which something is selected, if there is one.
  std::optional<uint64_t> FirstSelectedFrom(uint64_t index) const;
  bool NothingSelectedAfter(uint64_t index) const;
  // The selection has no end: every blob from some index on is selected.
  bool is_open_ended() const { return !runs_.empty() && !runs_.back().ranges.empty(); }

  const std::vector<Run>& runs() const { return runs_; }
  bool operator==(const RangeSpecSeq&) const = default;

 private:
  friend StatusOr<RangeSpecSeq> ReadRangeSpecSeq(Reader& reader);

  // The last run that begins at or before `index`, or end().
  std::vector<Run>::const_iterator RunOf(uint64_t index) const;

  // Indices ascend, neighbours differ, and the first run is not empty.
  std::vector<Run> runs_;
};

StatusOr<RangeSpecSeq> ReadRangeSpecSeq(Reader& reader);
void WriteRangeSpecSeq(const RangeSpecSeq& seq, Writer& writer);

}  // namespace blobd::wire
