// GetLayout: where the content of a request lies on one line of bytes, so that it can be given to
// several transfers as ranges: the one blob, or the children of a hash sequence one behind the
// other, in the order of the inventory (inventory.h). The root of a sequence is not on it: it is
// held before there is a line.
//
// A child whose size is not proven gets a place of a likely length. It is never cut: who has its
// first byte gets all of it. The same goes for the empty blob, which has a place of one byte so
// that somebody gets it.
//
// Value type, shared and immutable once it is made. Units: bytes of the line; groups of a blob are
// chunk groups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/range_set.h"
#include "transfer/inventory.h"

namespace blobd::transfer {

struct GetLayout {
  uint64_t length = 0;
  std::vector<uint64_t> begins;           // of each blob, ascending; the first is 0
  std::vector<bool> exact;                // its length is its proven size
  std::optional<uint64_t> content_bytes;  // the sum of all sizes, if all are proven
  // The one blob's size is what mirrors say: exact as if it were proven, and void once it is proven
  // to be another (GetEnd::line_is_void).
  bool is_claim = false;

  size_t blobs() const { return begins.size(); }
  Range RangeOf(size_t place) const;
  // The proven size of an exact blob; nullopt for others.
  std::optional<uint64_t> SizeOf(size_t place) const;
  // The places that a range touches: [first, second).
  std::pair<size_t, size_t> PlacesIn(Range range) const;
  // What of a blob lies in the range, whole groups. Of a blob that is never cut: all or nothing.
  Range GroupsIn(size_t place, Range range) const;
  RangeSet ToLine(size_t place, const RangeSet& groups) const;
  // The first place at or behind `wish` where a transfer may end.
  uint64_t BoundaryFrom(uint64_t wish) const;
};

// What a transfer found out about its request: the line, and what of it is not held.
struct GetContent {
  std::shared_ptr<const GetLayout> layout;
  RangeSet missing;
  std::optional<uint64_t> total_bytes;  // of all there is, the root of a sequence included
};

// The line of a request; nullopt if it has nothing on it, or would be longer than any line may be
// (a size can be proven of what nobody has). `sizes`: proven by other means, by place; it may be
// shorter. REQUIRES: the root's size is proven; of a sequence, all children are in the inventory
using ProvenSizes = std::vector<std::optional<uint64_t>>;
std::optional<GetLayout> LayoutOf(const Inventory& inventory, const ProvenSizes& sizes);
// That of one blob. REQUIRES: size > 0
GetLayout LayoutOfBlob(uint64_t size, bool is_claim);
bool AllSizesKnown(const Inventory& inventory);
// What the inventory holds of one blob, on the line.
RangeSet HeldOnLine(const GetLayout& layout, size_t place, const store::BlobInfo& blob);

}  // namespace blobd::transfer
