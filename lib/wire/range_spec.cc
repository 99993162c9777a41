#include "wire/range_spec.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"

namespace blobd::wire {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
static_assert(RangeSet::kOpenEnd == kMax, "the wire's last chunk is what a RangeSet calls its end");

constexpr size_t kMinWidthSize = 1;
constexpr size_t kMinRunSize = 2;  // a delta and the count of an empty spec

const ChunkRanges kNothing;

// sum += delta, unless that overflows.
Status Advance(uint64_t& sum, uint64_t delta) {
  if (delta > kMax - sum) return InvalidArgument("a range begins behind 2^64-1");
  sum += delta;
  return OkStatus();
}

}  // namespace

StatusOr<ChunkRanges> ReadRangeSpec(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(kMinWidthSize, kMax));
  RangeSet chunks;
  uint64_t boundary = 0;
  uint64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t width, reader.Varint());
    BLOBD_RETURN_IF_ERROR(Advance(boundary, width));
    if (i % 2 == 0) {
      begin = boundary;
    } else {
      chunks.Insert({begin, boundary});
    }
  }
  // Without an end, the last range has none; from 2^64-1 on there is only the last chunk.
  const bool open = count % 2 == 1;
  if (open) chunks.Insert({begin, RangeSet::kOpenEnd});
  return ChunkRanges(std::move(chunks), open && begin == kMax);
}

void WriteRangeSpec(const ChunkRanges& ranges, Writer& writer) {
  const RangeSet& chunks = ranges.chunks();
  const size_t ends = chunks.ranges().size() - (chunks.is_open_ended() ? 1 : 0);
  writer.Varint(chunks.ranges().size() + ends + (ranges.last_chunk() ? 1 : 0));
  uint64_t boundary = 0;
  for (const Range& range : chunks.ranges()) {
    writer.Varint(range.begin - boundary);
    if (range.end != RangeSet::kOpenEnd) writer.Varint(range.size());
    boundary = range.end;
  }
  if (ranges.last_chunk()) writer.Varint(kMax - boundary);
}

RangeSpecSeq RangeSpecSeq::OfRawBlob(ChunkRanges ranges) {
  RangeSpecSeq seq;
  seq.Append(0, std::move(ranges));
  seq.Append(1, kNothing);
  return seq;
}

RangeSpecSeq RangeSpecSeq::OfHashSeq() {
  RangeSpecSeq seq;
  seq.Append(0, ChunkRanges::All());
  return seq;
}

RangeSpecSeq RangeSpecSeq::OfBlobs(std::span<const ChunkRanges> blobs, bool last_repeats) {
  RangeSpecSeq seq;
  for (size_t i = 0; i < blobs.size(); ++i) seq.Append(i, blobs[i]);
  if (!last_repeats) seq.Append(blobs.size(), kNothing);
  return seq;
}

void RangeSpecSeq::Append(uint64_t index, ChunkRanges ranges) {
  if (!runs_.empty()) {
    BLOBD_CHECK(runs_.back().first_index <= index);
    if (runs_.back().first_index == index) runs_.pop_back();  // it lasted for no blob
  }
  const ChunkRanges& before = runs_.empty() ? kNothing : runs_.back().ranges;
  if (before != ranges) runs_.push_back({index, std::move(ranges)});
}

std::vector<RangeSpecSeq::Run>::const_iterator RangeSpecSeq::RunOf(uint64_t index) const {
  const auto next =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](uint64_t value, const Run& run) { return value < run.first_index; });
  return next == runs_.begin() ? runs_.end() : std::prev(next);
}

const ChunkRanges& RangeSpecSeq::At(uint64_t index) const {
  const auto run = RunOf(index);
  return run == runs_.end() ? kNothing : run->ranges;
}

bool RangeSpecSeq::IsRawBlob() const { return !At(0).empty() && NothingSelectedAfter(0); }

std::optional<uint64_t> RangeSpecSeq::FirstSelectedFrom(uint64_t index) const {
  if (runs_.empty()) return std::nullopt;
  auto run = RunOf(index);
  if (run == runs_.end()) return runs_.front().first_index;  // the first run is not empty
  if (!run->ranges.empty()) return index;
  ++run;  // neighbours differ: what follows an empty run is not empty
  if (run == runs_.end()) return std::nullopt;
  return run->first_index;
}

bool RangeSpecSeq::NothingSelectedAfter(uint64_t index) const {
  return index == kMax || !FirstSelectedFrom(index + 1).has_value();
}

StatusOr<RangeSpecSeq> ReadRangeSpecSeq(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(kMinRunSize, kMax));
  RangeSpecSeq seq;
  seq.runs_.reserve(count);  // bounded by the bytes that are there
  uint64_t index = 0;
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t delta, reader.Varint());
    BLOBD_RETURN_IF_ERROR(Advance(index, delta));
    BLOBD_ASSIGN_OR_RETURN(ChunkRanges ranges, ReadRangeSpec(reader));
    seq.Append(index, std::move(ranges));
  }
  return seq;
}

void WriteRangeSpecSeq(const RangeSpecSeq& seq, Writer& writer) {
  writer.Varint(seq.runs().size());
  uint64_t index = 0;
  for (const RangeSpecSeq::Run& run : seq.runs()) {
    writer.Varint(run.first_index - index);
    WriteRangeSpec(run.ranges, writer);
    index = run.first_index;
  }
}

}  // namespace blobd::wire
