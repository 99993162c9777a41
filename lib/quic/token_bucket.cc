#include "quic/token_bucket.h"

#include <algorithm>

namespace blobd::quic {

bool TokenBucket::Take(Instant now) {
  if (last_ && now > *last_) {
    const double elapsed = std::chrono::duration<double>(now - *last_).count();
    tokens_ = std::min(burst_, tokens_ + elapsed * rate_);
  }
  last_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace blobd::quic
