// RateMeter: bytes per second over a sliding window of 1.5 s, sampled 8 times a second
// (design/scheduling.md, "Parts").
//
// Thread: one owner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace blobd::engine {

class RateMeter {
 public:
  static constexpr Duration kSampleInterval = milliseconds(125);

  // `total` never goes back. Samples closer together than the interval replace the newest.
  void Sample(Instant now, uint64_t total);
  double rate() const { return rate_; }

 private:
  static constexpr size_t kSamples = 13;  // 12 intervals of 125 ms
  struct Point {
    Instant at;
    uint64_t total = 0;
  };
  std::array<Point, kSamples> points_{};
  size_t count_ = 0;
  size_t next_ = 0;
  double rate_ = 0;
};

}  // namespace blobd::engine
