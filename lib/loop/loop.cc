#include "loop/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <thread>

#include "base/check.h"

namespace blobd::loop {
namespace {

// Descriptors served per turn. A loop with more ready ones takes the rest next turn, so that timers
// and posted tasks are never far away.
constexpr int kEventsPerTurn = 64;

// What epoll gives back with an event: the descriptor, and which of its watches is meant. An event
// that was collected for a watch that ended in the same turn must not reach the next user of the
// number.
uint64_t EventKey(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

}  // namespace

struct Loop::Watched {
  uint32_t generation;
  UniqueFunction<void(uint32_t)> ready;
};

StatusOr<std::unique_ptr<Loop>> Loop::Create() {
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return ErrnoStatus(errno, "epoll_create1");
  const int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) {
    const int error = errno;
    close(epoll_fd);
    return ErrnoStatus(error, "eventfd");
  }
  std::unique_ptr<Loop> loop(new Loop(epoll_fd, event_fd));
  const Status watched = loop->Watch(event_fd, EPOLLIN, [event_fd](uint32_t) {
    uint64_t count = 0;
    // Only empties the counter; a spurious readiness finds nothing to read, which is as good.
    [[maybe_unused]] const ssize_t size = read(event_fd, &count, sizeof count);
  });
  if (!watched.ok()) return watched;
  return loop;
}

Loop::Loop(int epoll_fd, int event_fd)
    : epoll_fd_(epoll_fd), event_fd_(event_fd), now_(SystemClock().Now()) {}

Loop::~Loop() {
  // What a task owns may post again when it goes away, so everything that holds tasks is emptied
  // while the queue still takes them, and the queue outside the lock until it stays so.
  timers_.clear();
  watched_.clear();
  turn_end_ = nullptr;
  at_turn_end_.clear();
  for (;;) {
    std::vector<Task> unrun;
    {
      const MutexLock lock(mutex_);
      unrun.swap(posted_);
    }
    if (unrun.empty()) break;
  }
  // What they posted may have run, and ended us, before they came to wake anybody.
  while (wakers_.load() > 0) std::this_thread::yield();
  close(event_fd_);
  close(epoll_fd_);
}

void Loop::Post(Task task) {
  bool sleeps = false;
  {
    const MutexLock lock(mutex_);
    posted_.push_back(std::move(task));
    sleeps = BeginWake();
  }
  if (sleeps) Wake();
}

void Loop::Stop() {
  bool sleeps = false;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    sleeps = BeginWake();
  }
  if (sleeps) Wake();
}

bool Loop::BeginWake() {
  if (!std::exchange(may_sleep_, false)) return false;
  wakers_.fetch_add(1);
  return true;
}

// Without the lock: who is woken wants it at once, perhaps on this very processor, and would sleep
// again until we go on.
void Loop::Wake() {
  const uint64_t one = 1;
  // Cannot fail: the counter is far from full, since it is written once per sleep.
  BLOBD_CHECK(write(event_fd_, &one, sizeof one) == static_cast<ssize_t>(sizeof one));
  wakers_.fetch_sub(1);  // the loop may be gone from here on
}

TimerId Loop::AddTimer(Instant at, Task task) {
  const TimerId id = next_timer_++;
  timers_.emplace(TimerKey(at, id), std::move(task));
  timer_at_.emplace(id, at);
  return id;
}

bool Loop::CancelTimer(TimerId id) {
  const auto found = timer_at_.find(id);
  if (found == timer_at_.end()) return false;
  const auto node = timers_.extract(TimerKey(found->second, id));
  timer_at_.erase(found);
  return true;  // the task goes away with `node`, when the tables are already right
}

Status Loop::Watch(int fd, uint32_t events, UniqueFunction<void(uint32_t)> ready) {
  BLOBD_CHECK(!watched_.contains(fd));
  epoll_event event{};
  event.events = events;
  event.data.u64 = EventKey(fd, next_generation_);
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0)
    return ErrnoStatus(errno, "epoll_ctl add");
  auto watched = std::make_shared<Watched>();
  watched->generation = next_generation_++;
  watched->ready = std::move(ready);
  watched_.emplace(fd, std::move(watched));
  return OkStatus();
}

Status Loop::ChangeEvents(int fd, uint32_t events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return NotFound("descriptor {} is not watched", fd);
  epoll_event event{};
  event.events = events;
  event.data.u64 = EventKey(fd, found->second->generation);
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0)
    return ErrnoStatus(errno, "epoll_ctl mod");
  return OkStatus();
}

void Loop::Unwatch(int fd) {
  const auto node = watched_.extract(fd);
  if (node.empty()) return;
  // Fails only if the descriptor was closed before, and then epoll forgot it by itself.
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::SetTurnEnd(Task hook) { turn_end_ = std::move(hook); }

void Loop::AtTurnEnd(Task task) { at_turn_end_.push_back(std::move(task)); }

void Loop::Run() {
  while (Turn()) {
  }
  // A Stop from the end of the last turn has had its effect; it must not stop the next Run.
  const MutexLock lock(mutex_);
  stop_ = false;
}

bool Loop::Turn() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = Wait(events.data(), kEventsPerTurn);
  now_ = SystemClock().Now();
  for (int i = 0; i < count; ++i) Dispatch(events[static_cast<size_t>(i)]);
  RunTimers();
  const bool stopped = RunPosted();
  RunTurnEnd();
  return !stopped;
}

int Loop::Wait(epoll_event* events, int capacity) {
  std::optional<Duration> timeout;
  if (!timers_.empty()) {
    const Instant first = timers_.begin()->first.first;
    if (first != Instant::Max()) {
      timeout = std::max(Duration::zero(), first - SystemClock().Now());
    }
  }
  if (!at_turn_end_.empty()) timeout = Duration::zero();
  {
    const MutexLock lock(mutex_);
    if (!posted_.empty() || stop_) timeout = Duration::zero();
    may_sleep_ = timeout != Duration::zero();
  }
  timespec wait{};
  if (timeout) {
    wait.tv_sec = static_cast<time_t>(timeout->count() / 1'000'000'000);
    wait.tv_nsec = static_cast<long>(timeout->count() % 1'000'000'000);
  }
  const int count = epoll_pwait2(epoll_fd_, events, capacity, timeout ? &wait : nullptr, nullptr);
  {
    const MutexLock lock(mutex_);
    may_sleep_ = false;
  }
  BLOBD_CHECK(count >= 0 || errno == EINTR);
  return std::max(count, 0);
}

void Loop::Dispatch(const epoll_event& event) {
  const auto fd = static_cast<int>(static_cast<uint32_t>(event.data.u64));
  const auto found = watched_.find(fd);
  if (found == watched_.end() || EventKey(fd, found->second->generation) != event.data.u64) return;
  const std::shared_ptr<Watched> keep = found->second;  // the callback may end its own watch
  keep->ready(event.events);
}

void Loop::RunTimers() {
  // Timers that are added meanwhile wait for the next turn, so that one that renews itself cannot
  // hold the loop.
  const TimerId limit = next_timer_;
  TimerKey last(Instant::FromNanos(0), 0);
  for (;;) {
    auto next = timers_.upper_bound(last);
    while (next != timers_.end() && next->first.second >= limit) ++next;
    if (next == timers_.end() || next->first.first > now_) return;
    last = next->first;
    Task task = std::move(next->second);
    timers_.erase(next);
    timer_at_.erase(last.second);
    task();
  }
}

void Loop::RunTurnEnd() {
  if (turn_end_) turn_end_();
  std::vector<Task> tasks;
  tasks.swap(at_turn_end_);
  for (Task& task : tasks) task();
}

bool Loop::RunPosted() {
  std::vector<Task> tasks;
  bool stopped = false;
  {
    const MutexLock lock(mutex_);
    tasks.swap(posted_);
    stopped = std::exchange(stop_, false);
  }
  for (Task& task : tasks) {
    task();
    task = nullptr;  // what it owns goes away in order, not at the end of the batch
  }
  return stopped;
}

}  // namespace blobd::loop
