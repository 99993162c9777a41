// TokenBucket: a budget that comes back with time, `burst` at once, then `per_second`.
//
// Thread: one. Time is an argument and does not go back.
#pragma once

#include <optional>

#include "base/time.h"

namespace blobd::quic {

class TokenBucket {
 public:
  TokenBucket(double burst, double per_second) : burst_(burst), rate_(per_second), tokens_(burst) {}
  // Takes one token; false if there is none.
  bool Take(Instant now);

 private:
  double burst_;
  double rate_;
  double tokens_;
  std::optional<Instant> last_;
};

}  // namespace blobd::quic
