// loop::WorkerPool and loop::Loop without threads, for programs that are linked with this file
// instead of theirs. A strand is a queue of Turns; so is a loop, of which a task is one turn.
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "turns.h"

namespace blobd::loop {
namespace {

using faults::Turns;

std::unordered_map<const Loop*, std::shared_ptr<Turns::Queue>>& QueuesOfLoops() {
  static std::unordered_map<const Loop*, std::shared_ptr<Turns::Queue>> queues;
  return queues;
}

}  // namespace

class WorkerPool::Core {
 public:
  std::vector<std::weak_ptr<Turns::Queue>> strands;
};

WorkerPool::WorkerPool(size_t /*threads*/) : core_(std::make_shared<Core>()) {}

// Unlike the real one it runs nothing more: a process that ends well lets Turns run dry before.
WorkerPool::~WorkerPool() {
  for (const auto& weak : core_->strands) {
    if (const auto strand = weak.lock(); strand != nullptr) strand->Close();
  }
}

std::shared_ptr<Executor> WorkerPool::MakeStrand() {
  std::shared_ptr<Turns::Queue> queue = Turns::Current().MakeQueue();
  std::erase_if(core_->strands, [](const auto& strand) { return strand.expired(); });
  core_->strands.push_back(queue);
  return queue;
}

struct Loop::Watched {};

StatusOr<std::unique_ptr<Loop>> Loop::Create() { return std::unique_ptr<Loop>(new Loop(-1, -1)); }

Loop::Loop(int epoll_fd, int event_fd)
    : epoll_fd_(epoll_fd), event_fd_(event_fd), now_(Turns::Current().now()) {
  QueuesOfLoops()[this] = Turns::Current().MakeQueue();
}

Loop::~Loop() {
  QueuesOfLoops()[this]->Close();
  QueuesOfLoops().erase(this);
}

void Loop::Post(Task task) {
  posted_.push_back(std::move(task));
  if (!std::exchange(may_sleep_, true)) QueuesOfLoops()[this]->Post([this] { Turn(); });
}

bool Loop::Turn() {
  may_sleep_ = false;
  now_ = Turns::Current().now();
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    Task task = std::move(timers_.begin()->second);
    CancelTimer(timers_.begin()->first.second);
    task();
  }
  for (Task& task : std::exchange(posted_, {})) task();
  if (turn_end_) turn_end_();
  for (Task& task : std::exchange(at_turn_end_, {})) task();
  return true;
}

TimerId Loop::AddTimer(Instant at, Task task) {
  const TimerId id = next_timer_++;
  timers_.emplace(TimerKey{at, id}, std::move(task));
  timer_at_.emplace(id, at);
  return id;
}

bool Loop::CancelTimer(TimerId id) {
  const auto it = timer_at_.find(id);
  if (it == timer_at_.end()) return false;
  timers_.erase({it->second, id});
  timer_at_.erase(it);
  return true;
}

void Loop::SetTurnEnd(Task hook) { turn_end_ = std::move(hook); }
void Loop::AtTurnEnd(Task task) { at_turn_end_.push_back(std::move(task)); }

// Its thread ends at once; the turns are taken elsewhere.
void Loop::Run() {}
void Loop::Stop() {}

Status Loop::Watch(int /*fd*/, uint32_t /*events*/, UniqueFunction<void(uint32_t)> /*ready*/) {
  BLOBD_CHECK(false);
  return OkStatus();
}
Status Loop::ChangeEvents(int /*fd*/, uint32_t /*events*/) { return OkStatus(); }
void Loop::Unwatch(int /*fd*/) {}

}  // namespace blobd::loop
