#include "wire/observe.h"

#include <utility>

#include "wire/postcard.h"

namespace blobd::wire {
namespace {

StatusOr<ObserveItem> ReadItem(Reader& reader) {
  ObserveItem item;
  BLOBD_ASSIGN_OR_RETURN(item.size, reader.Varint());
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(1, kMaxObserveItemSize));
  uint64_t begin = 0;
  uint64_t boundary = 0;
  for (size_t i = 0; i < count; ++i) {
    // No blob has a chunk 2^64-1, and a RangeSet could not hold it as a boundary.
    BLOBD_ASSIGN_OR_RETURN(const uint64_t next, reader.VarintUpTo(RangeSet::kOpenEnd - 1));
    if (next < boundary) return InvalidArgument("boundary {} comes after {}", next, boundary);
    boundary = next;
    if (i % 2 == 0) {
      begin = boundary;
    } else {
      item.chunks.Insert({begin, boundary});
    }
  }
  if (count % 2 == 1) item.chunks.Insert({begin, RangeSet::kOpenEnd});
  return item;
}

void WriteItem(const ObserveItem& item, Writer& writer) {
  const auto& ranges = item.chunks.ranges();
  writer.Varint(item.size);
  writer.Varint(2 * ranges.size() - (item.chunks.is_open_ended() ? 1 : 0));
  for (const Range& range : ranges) {
    writer.Varint(range.begin);
    if (range.end != RangeSet::kOpenEnd) writer.Varint(range.end);
  }
}

}  // namespace

StatusOr<std::optional<ObserveFrame>> DecodeObserveFrame(ByteView bytes) {
  Reader reader(bytes);
  const auto length = reader.Varint();
  if (!length.ok()) {
    if (length.status().code() == StatusCode::kOutOfRange) return std::nullopt;
    return length.status();
  }
  if (*length > kMaxObserveItemSize) {
    return ResourceExhausted("an observe item of {} bytes; at most {} are read", *length,
                             kMaxObserveItemSize);
  }
  const auto content = reader.Raw(static_cast<size_t>(*length));
  if (!content.ok()) return std::nullopt;
  Reader inner(*content);
  auto item = ReadItem(inner);
  // The item was all there, so what is missing inside of it will not come.
  if (!item.ok()) return InvalidArgument("observe item: {}", Message(item.status()));
  return ObserveFrame{*std::move(item), reader.position()};
}

StatusOr<Bytes> EncodeObserveFrame(const ObserveItem& item) {
  Writer inner;
  WriteItem(item, inner);
  if (inner.bytes().size() > kMaxObserveItemSize) {
    return ResourceExhausted("an observe item of {} ranges takes more than {} bytes",
                             item.chunks.ranges().size(), kMaxObserveItemSize);
  }
  Writer frame;
  frame.Blob(inner.bytes());
  return frame.Take();
}

}  // namespace blobd::wire
