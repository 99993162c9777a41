// Throttle: one limit of the bandwidth, for all downloads or for all uploads of nodes and mirrors
// alike (design/mirrors.md, "Bandwidth"): schedule/rate_limiter.h with the time of a loop.
//
// Who receives asks for what has arrived and was consumed, and gives credit back to its sender as
// it is granted: so every byte that came is paid for, also what came unasked in a first window,
// and who waits holds no bytes. Who sends asks first, and sends what is granted.
//
// The limit is on what is on the wire: payload is granted a little less (kHeaders).
//
// Thread:    the loop's alone. Callbacks come from its timers, never from within a call but
// Release. Ownership: callbacks must not outlive what they refer to: they hold it weakly, or
// Cancel. Cost:      none while nothing is limited. Else for each ask, never for each packet.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/task.h"
#include "base/timers.h"
#include "schedule/rate_limiter.h"

namespace blobd::transfer {

class Throttle {
 public:
  // Of the wire's bytes so many are headers of packets and the like: 3 %, in the middle of what
  // they are with Ethernet's datagrams (5 %) and with large ones (0.2 %).
  static constexpr uint64_t kHeaders = 33;
  // So much of the rate may be on its way to us unasked, on one connection.
  static constexpr Duration kWindow = milliseconds(250);
  static constexpr uint64_t kLeastWindow = 64 * 1024;
  static constexpr uint64_t kMostWindow = 4 << 20;

  using Granted = UniqueFunction<void(uint64_t bytes)>;

  explicit Throttle(Timers& timers) : timers_(timers) {}
  ~Throttle();
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  // Sets, changes or (nullopt) removes the limit.
  // REQUIRES: not 0
  void SetRate(std::optional<uint64_t> bytes_per_second);
  std::optional<uint64_t> rate() const { return rate_; }
  // What a connection's window should be under the rate. REQUIRES: rate()
  uint64_t window() const;
  // `changed` is called after each SetRate that changed something.
  void OnChange(UniqueFunction<void()> changed) { watchers_.push_back(std::move(changed)); }

  // False: there is no limit, and nobody waits: whoever wants to go on does so without asking.
  bool limits() const { return rate_.has_value() || !asks_.empty(); }
  // Wants `bytes` for `owner`. They are granted in one or more slices.
  // REQUIRES: bytes > 0
  schedule::AskId Ask(uint64_t owner, uint64_t bytes, Granted granted);
  // Its callback is not called again.
  void Cancel(schedule::AskId ask);
  // The owner is gone: whatever it waits for is granted now, and counted for nobody.
  void Release(uint64_t owner);

  size_t waiting() const { return asks_.size(); }
  bool HoldsBack(uint64_t owner) const { return limiter_.Waits(owner); }
  // What the limit does, for monitoring.
  struct Effect {
    uint64_t held_back_bytes = 0;  // that wait
    Duration limited{0};           // for so long in all something has waited
  };
  Effect effect() const;

 private:
  struct Waiting {
    uint64_t owner = 0;
    uint64_t left = 0;
    std::shared_ptr<Granted> granted;  // shared with its own call
  };

  void Step();
  void Arm();

  Timers& timers_;
  schedule::RateLimiter limiter_;
  std::optional<uint64_t> rate_;
  std::map<schedule::AskId, Waiting> asks_;
  std::vector<UniqueFunction<void()>> watchers_;
  TimerId timer_ = 0;
  Instant timer_at_;
  std::optional<Instant> limited_since_;  // set iff something waits
  Duration limited_{0};                   // before that
};

}  // namespace blobd::transfer
