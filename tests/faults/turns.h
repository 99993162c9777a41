// Turns: everything that would run on threads, one task after the other on the caller's thread. Of
// the queues that have something to run, a seeded draw says which is next; each keeps its order.
//
// loop::WorkerPool and loop::Loop are replaced for this (threads.cc is linked in the place of
// theirs): strands and loops made while a Turns lives are queues of it.
//
// Thread: one.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "base/task.h"
#include "base/time.h"

namespace blobd::faults {

class Turns {
 public:
  class Queue final : public Executor, public std::enable_shared_from_this<Queue> {
   public:
    explicit Queue(Turns& turns) : turns_(&turns) {}
    void Post(Task task) override;
    // Destroys what was posted, and from now on what is.
    void Close();

   private:
    friend class Turns;
    Turns* turns_;  // null once closed
    std::deque<Task> tasks_;
  };

  explicit Turns(Rng& rng);
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // The one that lives. REQUIRES: there is one
  static Turns& Current();
  std::shared_ptr<Queue> MakeQueue();
  // Runs one task; false if there is none.
  bool RunOne();
  // The process ends: whatever waits is destroyed unrun.
  void Drop();

  Instant now() const { return now_; }
  void Advance(Duration duration) { now_ = now_ + duration; }

 private:
  Rng& rng_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::vector<std::shared_ptr<Queue>> ready_;  // those with tasks
  std::vector<std::weak_ptr<Queue>> all_;
};

}  // namespace blobd::faults
