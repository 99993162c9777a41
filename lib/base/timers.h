// Timers: what a state machine's driver needs of a loop besides posting: the time, and to be called
// at a time. Implemented by loop::Loop, and by virtual time in simulations.
//
// Thread: the loop's.
#pragma once

#include <cstdint>

#include "base/task.h"
#include "base/time.h"

namespace blobd {

using TimerId = uint64_t;  // never 0

class Timers {
 public:
  virtual ~Timers() = default;
  // The time at the start of this turn; read once per turn.
  virtual Instant Now() const = 0;
  // Runs `task` once, not before `at`. Timers of one instant run in the order they were added.
  virtual TimerId AddTimer(Instant at, Task task) = 0;
  // False if it ran already or never was.
  virtual bool CancelTimer(TimerId id) = 0;
};

}  // namespace blobd
