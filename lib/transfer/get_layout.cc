#include "transfer/get_layout.h"

#include <algorithm>

#include "bao/tree.h"
#include "base/check.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;
using store::kGroupSize;

// The place of a child of which nobody knows anything, where nothing is known of the others either.
constexpr uint64_t kGuessedSize = 1 << 20;
constexpr uint64_t kLongestLine = uint64_t{1} << 62;

std::optional<uint64_t> KnownSize(const Inventory::Child& child, const ProvenSizes& sizes) {
  if (child.blob.size_proven) return child.blob.size;
  return child.place < sizes.size() ? sizes[child.place] : std::nullopt;
}

}  // namespace

Range GetLayout::RangeOf(size_t place) const {
  return {begins[place], place + 1 < begins.size() ? begins[place + 1] : length};
}

std::optional<uint64_t> GetLayout::SizeOf(size_t place) const {
  if (!exact[place]) return std::nullopt;
  return RangeOf(place).size();
}

std::pair<size_t, size_t> GetLayout::PlacesIn(Range range) const {
  if (range.empty()) return {0, 0};
  const auto first = std::upper_bound(begins.begin(), begins.end(), range.begin) - 1;
  const auto last = std::lower_bound(first, begins.end(), range.end);
  return {static_cast<size_t>(first - begins.begin()), static_cast<size_t>(last - begins.begin())};
}

Range GetLayout::GroupsIn(size_t place, Range range) const {
  const Range blob = RangeOf(place);
  const Range common = {std::max(blob.begin, range.begin), std::min(blob.end, range.end)};
  if (common.empty()) return {};
  if (!exact[place]) {
    return common.begin == blob.begin ? Range{0, RangeSet::kOpenEnd} : Range{};
  }
  return {(common.begin - blob.begin) / kGroupSize,
          (common.end - blob.begin + kGroupSize - 1) / kGroupSize};
}

RangeSet GetLayout::ToLine(size_t place, const RangeSet& groups) const {
  RangeSet line;
  const Range blob = RangeOf(place);
  const uint64_t count = bao::GroupCount(blob.size());
  for (const Range& range : groups.ranges()) {
    const uint64_t end = range.end >= count ? blob.end : blob.begin + range.end * kGroupSize;
    if (range.begin < count) line.Insert({blob.begin + range.begin * kGroupSize, end});
  }
  return line;
}

uint64_t GetLayout::BoundaryFrom(uint64_t wish) const {
  if (wish >= length) return length;
  const auto [place, behind] = PlacesIn({wish, wish + 1});
  const Range blob = RangeOf(place);
  if (wish == blob.begin) return wish;
  if (!exact[place]) return blob.end;
  const uint64_t groups = (wish - blob.begin + kGroupSize - 1) / kGroupSize;
  return std::min(blob.end, blob.begin + groups * kGroupSize);
}

bool AllSizesKnown(const Inventory& inventory) {
  if (!inventory.root.size_proven) return false;
  if (inventory.kind.format == BlobFormat::kRaw) return true;
  return inventory.children_known &&
         std::all_of(inventory.children.begin(), inventory.children.end(),
                     [](const Inventory::Child& child) { return child.blob.size_proven; });
}

GetLayout LayoutOfBlob(uint64_t size, bool is_claim) {
  BLOBD_CHECK(size > 0);
  GetLayout layout;
  layout.length = size;
  layout.begins = {0};
  layout.exact = {true};
  layout.is_claim = is_claim;
  if (!is_claim) layout.content_bytes = size;
  return layout;
}

std::optional<GetLayout> LayoutOf(const Inventory& inventory, const ProvenSizes& sizes) {
  BLOBD_CHECK(inventory.root.size_proven);
  GetLayout layout;
  if (inventory.kind.format == BlobFormat::kRaw) {
    layout.length = std::max<uint64_t>(1, inventory.root.size);
    layout.begins = {0};
    layout.exact = {inventory.root.size > 0};
    layout.content_bytes = inventory.root.size;
    return layout;
  }
  BLOBD_CHECK(inventory.children_known);
  uint64_t sum = 0;
  uint64_t known = 0;
  for (const Inventory::Child& child : inventory.children) {
    const std::optional<uint64_t> size = KnownSize(child, sizes);
    if (!size) continue;
    ++known;
    sum = std::min(kLongestLine, sum + std::min(*size, kLongestLine));
  }
  const uint64_t guess = sum == 0 ? kGuessedSize : std::max<uint64_t>(1, sum / known);
  layout.begins.reserve(inventory.children.size());
  layout.exact.reserve(inventory.children.size());
  for (const Inventory::Child& child : inventory.children) {
    const std::optional<uint64_t> size = KnownSize(child, sizes);
    layout.begins.push_back(layout.length);
    layout.exact.push_back(size.value_or(0) > 0);
    layout.length += std::max<uint64_t>(1, size.value_or(guess));
    if (layout.length > kLongestLine) return std::nullopt;
  }
  if (layout.length == 0) return std::nullopt;
  if (known == inventory.children.size()) layout.content_bytes = sum;
  return layout;
}

RangeSet HeldOnLine(const GetLayout& layout, size_t place, const BlobInfo& blob) {
  if (blob.state == BlobState::kComplete) return RangeSet(layout.RangeOf(place));
  if (!layout.exact[place]) return {};
  return layout.ToLine(place, blob.groups);
}

}  // namespace blobd::transfer
