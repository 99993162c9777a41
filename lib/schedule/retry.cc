#include "schedule/retry.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::schedule {
namespace {
constexpr Duration kBusyDefault = seconds(5);
constexpr Duration kBusyLeast = milliseconds(100);
}  // namespace

RetryPolicy RetryPolicy::OfMirrors() {
  RetryPolicy policy;
  policy.initial_delay = seconds(1);
  policy.fixed = 3;
  policy.growth = Growth::kDoubling;
  policy.retries = 10;
  policy.busy_longest = minutes(5);
  return policy;
}

Duration Doubled(Duration first, uint32_t times, Duration longest) {
  BLOBD_CHECK(times > 0);
  Duration length = std::min(first, longest);
  // Ends early at the cap, so a large count costs nothing and nothing overflows.
  for (uint32_t i = 1; i < times && length < longest; ++i) {
    length = length > longest / 2 ? longest : length * 2;
  }
  return length;
}

Duration RetryDelay(const RetryPolicy& policy, uint32_t failures, Rng& rng) {
  BLOBD_CHECK(failures > 0);
  const Duration delay = [&] {
    if (IsUnreachable(policy, failures)) {
      return Doubled(policy.unreachable_first, failures - policy.retries, policy.unreachable_max);
    }
    if (failures <= policy.fixed) return policy.initial_delay;
    const uint32_t steps = failures - policy.fixed;
    switch (policy.growth) {
      case RetryPolicy::Growth::kLinear:
        return std::min(policy.initial_delay * steps, policy.longest);
      case RetryPolicy::Growth::kDoubling:
        break;
    }
    return Doubled(policy.initial_delay, steps + 1, policy.longest);
  }();
  return delay + rng.Between(Duration(0), delay / 10);
}

Duration BusyDelay(const RetryPolicy& policy, std::optional<Duration> asked) {
  return std::clamp(asked.value_or(kBusyDefault), kBusyLeast, policy.busy_longest);
}

Duration OwnFaultDelay(uint32_t times) { return Doubled(seconds(1), times, seconds(30)); }
Duration NotHereDelay(uint32_t times) { return Doubled(seconds(5), times, minutes(5)); }
Duration AskAgainDelay(uint32_t rounds) { return Doubled(seconds(30), rounds, minutes(10)); }

}  // namespace blobd::schedule
