#include "wire/chunk_ranges.h"

#include <utility>

#include "base/check.h"

namespace blobd::wire {

ChunkRanges::ChunkRanges(RangeSet chunks, bool last_chunk)
    : chunks_(std::move(chunks)), last_chunk_(last_chunk && !chunks_.is_open_ended()) {}

RangeSet ChunkRanges::Within(uint64_t chunk_count) const {
  BLOBD_CHECK(chunk_count > 0);
  const uint64_t last = chunk_count - 1;
  RangeSet selected = chunks_.Intersection(Range{0, chunk_count});
  if (last_chunk_ || (!chunks_.empty() && chunks_.ranges().back().end > last)) {
    selected.Insert({last, chunk_count});
  }
  return selected;
}

std::string ChunkRanges::ToString() const {
  if (empty()) return "nothing";
  std::string text = chunks_.ToString();
  if (last_chunk_) text += text.empty() ? "last" : " last";
  return text;
}

}  // namespace blobd::wire
