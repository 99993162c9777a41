// retry: how long a provider that failed is left alone. Pure arithmetic (design/scheduling.md,
// "Providers and retries").
#pragma once

#include <cstdint>
#include <optional>

#include "base/rng.h"
#include "base/time.h"
#include "schedule/scheduler.h"

namespace blobd::schedule {

// So many failures in a row, and it is unreachable.
inline bool IsUnreachable(const RetryPolicy& policy, uint32_t failures) {
  return failures > policy.retries;
}

// The wait after the `failures`-th failure in a row: as the policy grows, or, once unreachable, the
// long delay that doubles up to its cap; plus up to 10 % from `rng`, so that those who failed
// together do not return together. REQUIRES: failures > 0
Duration RetryDelay(const RetryPolicy& policy, uint32_t failures, Rng& rng);

// What a provider that said "busy" asked for, bounded: a peer must not put us off for ever, nor for
// no time at all.
Duration BusyDelay(const RetryPolicy& policy, std::optional<Duration> asked);

// A fault of our own is not made better by trying at once: the wait after the `times`-th in a row,
// unless we hear earlier that it is over. REQUIRES: times > 0
Duration OwnFaultDelay(uint32_t times);

// What a provider does not have now it may have later: when it may be asked again, while others
// deliver. REQUIRES: times > 0
Duration NotHereDelay(uint32_t times);

// Standing providers are asked again for what nobody has. REQUIRES: rounds > 0
Duration AskAgainDelay(uint32_t rounds);

// How long a provider is not used for a request of which a caller cancelled a transfer: enough for
// others to take the part over.
inline constexpr Duration kSetAside = seconds(5);

// So much verified since the last failure makes a provider as good as new.
inline constexpr uint64_t kBytesThatClear = 1 << 20;

// `first` doubled (`times` - 1) times, at most `longest`. REQUIRES: times > 0
Duration Doubled(Duration first, uint32_t times, Duration longest);

}  // namespace blobd::schedule
