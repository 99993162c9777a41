// ServeWindow: how many bytes may be on their way to one stream or node, read or being read and not
// acknowledged. It begins small, so that a peer that never reads holds little, and doubles whenever
// a whole window was acknowledged within kRound: it never holds more than a few seconds of what the
// peer has shown to take. Hence a byte that is sent on a slow link waits seconds, not minutes, for
// its acknowledgement, and a stall is told from slowness.
//
// Value type. Units: bytes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace blobd::transfer {

class ServeWindow {
 public:
  static constexpr Duration kRound = seconds(2);

  // REQUIRES: start <= most
  ServeWindow(uint64_t start, uint64_t most) : size_(start), most_(most) {}

  uint64_t size() const { return size_; }
  uint64_t Room(uint64_t outstanding) const { return size_ - std::min(size_, outstanding); }

  // Bytes are on their way where there were none: a round begins.
  void Begin(Instant now) {
    acknowledged_ = 0;
    began_ = now;
  }
  void OnAcknowledged(uint64_t bytes, Instant now) {
    acknowledged_ += bytes;
    if (acknowledged_ < size_) return;
    if (now - began_ <= kRound) size_ = std::min(2 * size_, most_);
    Begin(now);
  }

 private:
  uint64_t size_;
  uint64_t most_;
  uint64_t acknowledged_ = 0;  // in this round
  Instant began_;
};

}  // namespace blobd::transfer
