// Commands: the bounded way from gRPC's threads to the control loop [1,024]. A full one is an
// immediate answer, never a wait. Some of it [64] is kept for administrators, who must get in to
// see what is wrong.
//
// Thread: Post from any thread; tasks run on the control loop.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/error_reason.h"
#include "base/status.h"
#include "base/task.h"

namespace blobd::rpc {

// The answer to a call whose command was not taken. Nothing of its own is used up: it may come
// again at once.
inline Status TooManyCommands() {
  return ErrorFor(Reason::kTooManyCommands,
                  "the daemon has too many commands waiting; try again soon");
}

class Commands {
 public:
  explicit Commands(Executor& control, size_t limit = 1024, size_t kept_for_admins = 64)
      : control_(control), limit_(limit), kept_for_admins_(kept_for_admins) {}

  // False if too many commands wait: the task was not taken.
  bool Post(bool is_admin, Task task) {
    const size_t limit = is_admin ? limit_ : limit_ - kept_for_admins_;
    if (waiting_.fetch_add(1, std::memory_order_relaxed) >= limit) {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    control_.Post([this, task = std::move(task)]() mutable {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      task();
    });
    return true;
  }
  // For what must arrive (a watcher that leaves): not counted.
  void PostAlways(Task task) { control_.Post(std::move(task)); }
  // For answers to what the control loop asks of others.
  Executor& control() { return control_; }

 private:
  Executor& control_;
  const size_t limit_;
  const size_t kept_for_admins_;  // of them
  std::atomic<size_t> waiting_ = 0;
};

}  // namespace blobd::rpc
