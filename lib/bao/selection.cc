#include "bao/selection.h"

#include "bao/tree.h"

namespace blobd::bao {

RangeSet ChunkSelection::Effective(uint64_t size) const {
  const uint64_t count = ChunkCount(size);
  RangeSet effective = chunks.Intersection(Range{0, count});
  if (last_chunk || chunks.Intersects({count - 1, RangeSet::kOpenEnd})) {
    effective.Insert({count - 1, count});
  }
  return effective;
}

}  // namespace blobd::bao
