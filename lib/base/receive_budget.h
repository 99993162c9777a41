// ReceiveBudget: the receive windows of all connections of one kind together, so that what others
// may send us before we have dealt with it is bounded (design/transfers.md, "Bounds").
//
// A connection gets what it wants up to half of what is left, so that the next one finds something
// too. When others go it may have more, by the same rule. The least window is given even when
// nothing is left, since a connection without a window is none: then the budget is exceeded by at
// most the least window for each connection.
//
// Thread: one. Units: bytes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace blobd {

class ReceiveBudget {
 public:
  static constexpr uint64_t kLeastWindow = 256 << 10;

  explicit ReceiveBudget(uint64_t total) : total_(total) {}

  // The window of a new connection that wants `wanted`.
  uint64_t Lease(uint64_t wanted) {
    const uint64_t window = WindowFor(0, wanted);
    leased_ += window;
    return window;
  }
  // How much more a connection that holds `held` may have now; to be added to what it holds.
  uint64_t Grow(uint64_t held, uint64_t wanted) {
    BLOBD_CHECK(held <= leased_);
    const uint64_t window = WindowFor(held, wanted);
    if (window <= held) return 0;
    leased_ += window - held;
    return window - held;
  }
  void Release(uint64_t held) {
    BLOBD_CHECK(held <= leased_);
    leased_ -= held;
  }

  uint64_t leased() const { return leased_; }

 private:
  uint64_t WindowFor(uint64_t held, uint64_t wanted) const {
    const uint64_t others = leased_ - held;
    const uint64_t half = others < total_ ? (total_ - others) / 2 : 0;
    return std::min(wanted, std::max(half, kLeastWindow));
  }

  const uint64_t total_;
  uint64_t leased_ = 0;
};

}  // namespace blobd
