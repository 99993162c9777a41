#include "engine/metrics_view.h"

#include <algorithm>
#include <chrono>

namespace blobd::engine {

void DurationHistogram::Add(Duration duration) {
  const double took = std::max(0.0, std::chrono::duration<double>(duration).count());
  const auto bound = std::lower_bound(kBoundsSeconds.begin(), kBoundsSeconds.end(), took);
  ++counts_[static_cast<size_t>(bound - kBoundsSeconds.begin())];
  sum_seconds_ += took;
}

}  // namespace blobd::engine
