// loop: what turns. An event loop per thread (epoll_pwait2 and a timer heap), posting between threads, and a pool
// of workers with strands. This is the only room besides base's channels with locks in it: posting.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"

namespace blobd::loop {

using TimerId = uint64_t;  // never 0

// A Loop waits for descriptors, timers and posted tasks and runs their callbacks, on the thread that calls Run.
//
// Thread:    Post and Stop from any thread; all else on the loop's thread, or before Run by the creator.
// Ownership: borrows descriptors, which outlive their watch. Tasks never run at destruction; they are destroyed.
// Units:     timers in nanoseconds of the steady clock (QUIC pacing needs microseconds, hence epoll_pwait2).
class Loop final : public Executor {
 public:
  static StatusOr<std::unique_ptr<Loop>> Create();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Post(Task task) override;

  // The time at the start of this turn; read once per turn.
  Instant Now() const { return now_; }

  // Runs `task` once, not before `at`. Timers of one instant run in the order they were added.
  TimerId AddTimer(Instant at, Task task);
  // False if it ran already or never was.
  bool CancelTimer(TimerId id);

  // `ready` gets the epoll event bits whenever `fd` has one of `events` (level-triggered).
  // REQUIRES: fd is not watched yet
  Status Watch(int fd, uint32_t events, UniqueFunction<void(uint32_t)> ready);
  Status ChangeEvents(int fd, uint32_t events);
  void Unwatch(int fd);

  // `hook` runs once at the end of every turn, after descriptors, timers and tasks: the place to do per batch what
  // must not be done per event (flush packets, post credits). At most one.
  void SetTurnEnd(Task hook);

  // Runs until Stop. What was posted before Stop still runs.
  void Run();
  void Stop();

 private:
  explicit Loop(int epoll_fd, int event_fd);
  void RunPosted();
  void RunTimers();
  void WaitAndDispatch();

  struct Watched {
    uint64_t generation;
    UniqueFunction<void(uint32_t)> ready;
  };

  const int epoll_fd_;
  const int event_fd_;  // becomes readable when something was posted to a waiting loop
  Instant now_;
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  std::unordered_map<TimerId, Instant> timer_at_;
  TimerId next_timer_ = 1;
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
  uint64_t next_generation_ = 1;
  Task turn_end_;

  std::mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace blobd::loop
