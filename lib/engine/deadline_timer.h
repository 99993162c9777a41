// DeadlineTimer: the one timer of a state machine: runs when the machine's next deadline comes.
//
// Thread:    the one of the timers.
// Ownership: the timers outlive it. Destroyed, it does not run any more.
#pragma once

#include <optional>
#include <utility>

#include "base/task.h"
#include "base/timers.h"

namespace blobd::engine {

class DeadlineTimer {
 public:
  DeadlineTimer(Timers& timers, UniqueFunction<void()> due)
      : timers_(timers), due_(std::move(due)) {}
  ~DeadlineTimer() { Arm(std::nullopt); }
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  // In place of what it was armed for before; nullopt: it owes nothing.
  void Arm(std::optional<Instant> at) {
    if (at == at_) return;
    if (timer_ != 0) timers_.CancelTimer(std::exchange(timer_, 0));
    at_ = at;
    if (!at) return;
    timer_ = timers_.AddTimer(*at, [this] {
      timer_ = 0;
      at_.reset();
      due_();
    });
  }

 private:
  Timers& timers_;
  UniqueFunction<void()> due_;
  TimerId timer_ = 0;
  std::optional<Instant> at_;
};

}  // namespace blobd::engine
