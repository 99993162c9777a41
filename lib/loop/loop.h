// loop: what turns. An event loop per thread (epoll_pwait2 and a timer heap), posting between
// threads, and a pool of workers with strands. This is the only room besides base's channels with
// locks in it: posting.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "base/timers.h"

namespace blobd::loop {

using blobd::TimerId;

// A Loop waits for descriptors, timers and posted tasks and runs their callbacks, on the thread
// that calls Run.
//
// Thread:    Post and Stop from any thread; all else on the loop's thread, or before Run by the
//            creator.
// Ownership: borrows descriptors, which outlive their watch. Tasks never run at destruction; they
//            are destroyed.
// Units:     timers in nanoseconds of the steady clock (QUIC pacing needs microseconds, hence
//            epoll_pwait2).
class Loop final : public Executor, public Timers {
 public:
  static StatusOr<std::unique_ptr<Loop>> Create();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Post(Task task) override;

  // The time at the start of this turn; read once per turn.
  Instant Now() const override { return now_; }

  // Runs `task` once, not before `at`. Timers of one instant run in the order they were added.
  TimerId AddTimer(Instant at, Task task) override;
  // False if it ran already or never was.
  bool CancelTimer(TimerId id) override;

  // `ready` gets the epoll event bits whenever `fd` has one of `events` (level-triggered).
  // REQUIRES: fd is not watched yet
  Status Watch(int fd, uint32_t events, UniqueFunction<void(uint32_t)> ready);
  Status ChangeEvents(int fd, uint32_t events);
  void Unwatch(int fd);

  // `hook` runs once at the end of every turn, after descriptors, timers and tasks: the place to do
  // per batch what must not be done per event (flush packets, post credits). At most one.
  void SetTurnEnd(Task hook);
  // Runs `task` once at the end of this turn, after the hook, and outside a turn at the end of the
  // next one, which then does not sleep. What is added from such a task runs one turn later. For
  // rooms that have batches of their own without owning the loop.
  void AtTurnEnd(Task task);

  // Runs until Stop. What was posted before Stop still runs. May be called again afterwards; a Stop
  // before Run lets it run what was posted and return.
  void Run();
  void Stop();

 private:
  struct Watched;
  using TimerKey = std::pair<Instant, TimerId>;

  Loop(int epoll_fd, int event_fd);
  // One turn: wait, then descriptors, timers, posted tasks, the hook. False when Stop was called.
  bool Turn();
  int Wait(epoll_event* events, int capacity);
  void Dispatch(const epoll_event& event);
  void RunTimers();
  bool RunPosted();
  void RunTurnEnd();
  // True: it may sleep, and the caller has to Wake it.
  bool BeginWake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();

  const int epoll_fd_;
  const int event_fd_;  // becomes readable when something was posted to a loop that may sleep
  Instant now_;
  std::map<TimerKey, Task> timers_;
  std::unordered_map<TimerId, Instant> timer_at_;  // the same timers, by id
  TimerId next_timer_ = 1;
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
  uint32_t next_generation_ = 1;
  Task turn_end_;
  std::vector<Task> at_turn_end_;

  Mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  // True from before the loop waits until somebody woke it or it woke by itself. Only then is a
  // Post a system call.
  bool may_sleep_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<int> wakers_ = 0;  // between BeginWake and the end of Wake
};

}  // namespace blobd::loop
