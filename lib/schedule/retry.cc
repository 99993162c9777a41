#include "schedule/retry.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::schedule {
namespace {
constexpr Duration kBusyDefault = seconds(5);
constexpr Duration kBusyLeast = milliseconds(100);
constexpr Duration kBusyMost = minutes(10);
}  // namespace

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
  const Duration delay =
      IsUnreachable(policy, failures)
          ? Doubled(policy.unreachable_first, failures - policy.retries, policy.unreachable_max)
          : policy.initial_delay * failures;
  return delay + rng.Between(Duration(0), delay / 10);
}

Duration BusyDelay(std::optional<Duration> asked) {
  return std::clamp(asked.value_or(kBusyDefault), kBusyLeast, kBusyMost);
}

}  // namespace blobd::schedule
