// The map of a partial blob's verified groups as bytes in store.db: for each range the distance
// from the end of the one before and its length, as LEB128 numbers. A thousand scattered ranges
// take about 4 KB.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/range_set.h"

namespace blobd::store {

// REQUIRES: the set has an end
Bytes EncodeGroups(const RangeSet& groups);
// nullopt if the bytes are no such map or a range ends behind `group_limit`.
std::optional<RangeSet> DecodeGroups(ByteView bytes, uint64_t group_limit);

// Bytes of the groups of a blob of `size` bytes; the last one may be short. `size` counts only if
// it is proven.
uint64_t BytesOfGroups(const RangeSet& groups, uint64_t size, bool size_proven);

}  // namespace blobd::store
