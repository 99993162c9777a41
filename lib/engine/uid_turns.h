// UidTurns: what each uid has under way at once is bounded, the rest waits for its turn, in order.
// So a uid that asks much waits for itself, and has a share of what all uids wait for.
//
// Thread: one owner; no locking inside.
// Limits: how much waits is for those to bound who let calls in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/task.h"

namespace blobd::engine {

class UidTurns {
 public:
  // `most`: the weight that one uid has under way, unless one call alone is heavier.
  explicit UidTurns(size_t most) : most_(most) {}

  // Runs `start` now, or when enough of what came before has ended. It must lead to one End of the
  // same weight, later.
  void Start(uint32_t uid, size_t weight, Task start);
  // Starts what has its turn now.
  void End(uint32_t uid, size_t weight);

  size_t uids() const { return of_uid_.size(); }

 private:
  struct Waiting {
    size_t weight = 0;
    Task start;
  };
  struct Turns {
    size_t running = 0;
    size_t weight = 0;  // of what runs
    std::deque<Waiting> waiting;
  };
  bool HasRoom(const Turns& turns, size_t weight) const {
    return turns.running == 0 || turns.weight + weight <= most_;
  }

  const size_t most_;
  std::unordered_map<uint32_t, Turns> of_uid_;  // of whom something runs
};

}  // namespace blobd::engine
