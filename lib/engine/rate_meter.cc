#include "engine/rate_meter.h"

namespace blobd::engine {

void RateMeter::Sample(Instant now, uint64_t total) {
  if (count_ > 0) {
    Point& newest = points_[(next_ + kSamples - 1) % kSamples];
    const Point& before = points_[(next_ + kSamples - 2) % kSamples];
    if (count_ > 1 && now - before.at < kSampleInterval) {
      newest = {now, total};
    } else {
      points_[next_] = {now, total};
      next_ = (next_ + 1) % kSamples;
      if (count_ < kSamples) ++count_;
    }
  } else {
    points_[0] = {now, total};
    next_ = 1;
    count_ = 1;
  }
  const Point& newest = points_[(next_ + kSamples - 1) % kSamples];
  const Point& oldest = points_[(next_ + kSamples - count_) % kSamples];
  const double elapsed = std::chrono::duration<double>(newest.at - oldest.at).count();
  rate_ = elapsed <= 0 ? 0 : static_cast<double>(newest.total - oldest.total) / elapsed;
}

}  // namespace blobd::engine
