// Rate: how fast bytes come now: over a sliding window of 1.5 s, in slices of 1/8 s
// (design/scheduling.md, "Parts"). Value type; time is an argument and does not go back.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"

namespace blobd::http {

class Rate {
 public:
  void Add(Instant now, uint64_t bytes) {
    Advance(now);
    slices_[static_cast<size_t>(slice_ % kSlices)] += bytes;
  }
  // Bytes per second; what is too young for a whole window counts over its age.
  double PerSecond(Instant now) {
    Advance(now);
    if (!started_) return 0;
    uint64_t bytes = 0;
    for (const uint64_t slice : slices_) bytes += slice;
    const Duration age = std::clamp<Duration>(now - since_, kSlice, kSlice * kSlices);
    return static_cast<double>(bytes) / std::chrono::duration<double>(age).count();
  }

 private:
  static constexpr int64_t kSlices = 12;
  static constexpr Duration kSlice = milliseconds(125);

  void Advance(Instant now) {
    const int64_t slice = now.since_epoch / kSlice;
    if (!started_ || slice - slice_ >= kSlices) {
      slices_.fill(0);
      since_ = now;
      started_ = true;
    } else {
      for (int64_t i = slice_ + 1; i <= slice; ++i) slices_[static_cast<size_t>(i % kSlices)] = 0;
    }
    slice_ = slice;
  }

  std::array<uint64_t, kSlices> slices_{};
  int64_t slice_ = 0;
  Instant since_;  // of the first bytes in the window
  bool started_ = false;
};

}  // namespace blobd::http
