#include "loop/worker_pool.h"

#include <deque>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "loop/thread_name.h"

namespace blobd::loop {
namespace {

// Tasks of one strand that run in a row before others get their turn: enough to make the hand-over
// cheap, few enough that a strand full of hashing does not hold a thread for long.
constexpr int kTasksPerTurn = 8;

}  // namespace

// What threads and strands share; it lives as long as the last of them. A strand is in `ready_` or
// with a thread exactly when it has work, so one lock for all queues is held for a push or a pop
// only.
class WorkerPool::Core {
 public:
  void Post(const std::shared_ptr<Strand>& strand, Task& task);
  // Runs strands until Close was called and nothing is left.
  void Work();
  // From now on posted tasks are destroyed unrun.
  void Close();

 private:
  // The next strand with work; nullptr when the thread should end.
  std::shared_ptr<Strand> Next();
  // Moves the next task of `strand` to `task`. False if there is none, and then the strand is idle.
  bool Take(Strand& strand, Task& task);
  void Requeue(std::shared_ptr<Strand> strand);

  Mutex mutex_;
  CondVar work_;
  std::deque<std::shared_ptr<Strand>> ready_ ABSL_GUARDED_BY(mutex_);
  // Threads that wait for work and that nobody has woken yet. A wait that ends without reason makes
  // it too many by one, and a later notification is in vain; it is never too few.
  size_t asleep_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

class WorkerPool::Strand final : public Executor, public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  void Post(Task task) override { core_->Post(shared_from_this(), task); }

 private:
  friend class Core;
  const std::shared_ptr<Core> core_;
  // Both guarded by the core's mutex.
  std::deque<Task> tasks_;
  bool scheduled_ = false;  // in ready_, or with a thread
};

void WorkerPool::Core::Post(const std::shared_ptr<Strand>& strand, Task& task) {
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    strand->tasks_.push_back(std::move(task));
    if (std::exchange(strand->scheduled_, true)) return;
    ready_.push_back(strand);
    // A thread that is awake looks here before it sleeps.
    if (asleep_ == 0) return;
    --asleep_;
  }
  work_.NotifyOne();
}

void WorkerPool::Core::Close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    asleep_ = 0;
  }
  work_.NotifyAll();
}

std::shared_ptr<WorkerPool::Strand> WorkerPool::Core::Next() {
  const MutexLock lock(mutex_);
  while (ready_.empty() && !closed_) {
    ++asleep_;
    work_.Wait(mutex_);
  }
  if (ready_.empty()) return nullptr;
  std::shared_ptr<Strand> strand = std::move(ready_.front());
  ready_.pop_front();
  return strand;
}

bool WorkerPool::Core::Take(Strand& strand, Task& task) {
  const MutexLock lock(mutex_);
  if (strand.tasks_.empty()) {
    strand.scheduled_ = false;
    return false;
  }
  task = std::move(strand.tasks_.front());
  strand.tasks_.pop_front();
  return true;
}

void WorkerPool::Core::Requeue(std::shared_ptr<Strand> strand) {
  // Nobody is woken: this thread asks for the next strand at once.
  const MutexLock lock(mutex_);
  ready_.push_back(std::move(strand));
}

void WorkerPool::Core::Work() {
  while (std::shared_ptr<Strand> strand = Next()) {
    bool more = true;
    for (int i = 0; more && i < kTasksPerTurn; ++i) {
      Task task;
      more = Take(*strand, task);
      if (more) task();
    }
    if (more) Requeue(std::move(strand));
  }
}

WorkerPool::WorkerPool(size_t threads) : core_(std::make_shared<Core>()) {
  BLOBD_CHECK(threads > 0);
  for (size_t i = 0; i < threads; ++i) {
    threads_.push_back(NamedThread("worker", [core = core_] { core->Work(); }));
  }
}

WorkerPool::~WorkerPool() {
  core_->Close();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<Executor> WorkerPool::MakeStrand() { return std::make_shared<Strand>(core_); }

}  // namespace blobd::loop
