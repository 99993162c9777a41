#include "store/group_map.h"

#include "bao/tree.h"
#include "base/check.h"

namespace blobd::store {
namespace {

void PutNumber(uint64_t value, Bytes& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
}

std::optional<uint64_t> TakeNumber(ByteView& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 63 && !bytes.empty(); shift += 7) {
    const uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

}  // namespace

Bytes EncodeGroups(const RangeSet& groups) {
  BLOBD_CHECK(!groups.is_open_ended());
  Bytes out;
  uint64_t end = 0;
  for (const Range& range : groups.ranges()) {
    PutNumber(range.begin - end, out);
    PutNumber(range.size(), out);
    end = range.end;
  }
  return out;
}

std::optional<RangeSet> DecodeGroups(ByteView bytes, uint64_t group_limit) {
  RangeSet groups;
  uint64_t end = 0;
  while (!bytes.empty()) {
    const std::optional<uint64_t> gap = TakeNumber(bytes);
    const std::optional<uint64_t> length = gap ? TakeNumber(bytes) : std::nullopt;
    if (!length || *length == 0 || *gap > group_limit - end || *length > group_limit - end - *gap) {
      return std::nullopt;
    }
    groups.Insert({end + *gap, end + *gap + *length});
    end += *gap + *length;
  }
  return groups;
}

uint64_t BytesOfGroups(const RangeSet& groups, uint64_t size, bool size_proven) {
  const uint64_t whole = groups.Count() * bao::kGroupSize;
  if (!size_proven) return whole;
  const uint64_t count = bao::GroupCount(size);
  return groups.Contains(count - 1) ? whole - (count * bao::kGroupSize - size) : whole;
}

}  // namespace blobd::store
