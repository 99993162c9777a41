// Timers: what is due when, in order of time, then kind, then id. Whoever arms a timer knows its
// instant (it is part of the state it belongs to) and names it again to disarm it.
#pragma once

#include <absl/container/btree_set.h>

#include <compare>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace blobd::schedule {

enum class TimerKind : uint8_t {
  kPauseOver,     // a provider's number
  kIdle,          // a provider's number
  kHoldOver,      // a request's id
  kDeadline,      // an intent's id
  kPatienceOver,  // an intent's id
  kSlow,          // a transfer's id
  kAskAgain,      // a request's id
  kSetAsideOver,  // a request's id
};

struct Timer {
  Instant at;
  TimerKind kind = TimerKind::kPauseOver;
  uint64_t id = 0;
  auto operator<=>(const Timer&) const = default;
};

class Timers {
 public:
  // A timer at Instant::Max() never fires: nothing is kept.
  // REQUIRES: it is not armed
  void Arm(const Timer& timer);
  // Nothing happens if it has fired already.
  void Disarm(const Timer& timer);
  // Removes and returns the first that is due, nullopt if none is.
  std::optional<Timer> PopDue(Instant now);

  std::optional<Instant> next() const;
  const absl::btree_set<Timer>& timers() const { return timers_; }

 private:
  absl::btree_set<Timer> timers_;
};

}  // namespace blobd::schedule
