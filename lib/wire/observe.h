// What a provider answers to an Observe request: a stream of items, each with its length before it
// (protocol/blobs.md, section 3.5). The first item is all that the provider has, later ones are
// what came since.
//
// Values; any thread.
// Errors: kInvalidArgument: malformed. kResourceExhausted: an item larger than items may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/range_set.h"
#include "base/status.h"

namespace blobd::wire {

inline constexpr size_t kMaxObserveItemSize = 1024 * 1024;

// Claims of a provider, not proofs. Size 0 and no chunks: it knows nothing of the blob.
struct ObserveItem {
  uint64_t size = 0;  // in bytes; the provider has verified it if `chunks` is open-ended
  RangeSet chunks;    // of 1024 bytes
  bool operator==(const ObserveItem&) const = default;
};

struct ObserveFrame {
  ObserveItem item;
  size_t size = 0;  // bytes it took, its length included
};

// The first item in `bytes`, nullopt while it is not all there. Unlike widths in requests,
// boundaries are absolute here: they may repeat, but not descend.
StatusOr<std::optional<ObserveFrame>> DecodeObserveFrame(ByteView bytes);

// Length and item. kResourceExhausted: too many ranges for one item.
StatusOr<Bytes> EncodeObserveFrame(const ObserveItem& item);

}  // namespace blobd::wire
