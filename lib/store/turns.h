// Turns: what would take all workers for hours if it ran at once goes one after the other.
//
// Thread: the index strand only.
#pragma once

#include <deque>
#include <utility>

#include "base/task.h"

namespace blobd::store {

class Turns {
 public:
  // Calls `go` when it is its turn, perhaps at once. It ends with End.
  void Ask(Task go) {
    waiting_.push_back(std::move(go));
    if (!std::exchange(is_taken_, true)) Next();
  }
  void End() {
    is_taken_ = !waiting_.empty();
    if (is_taken_) Next();
  }

 private:
  void Next() {
    Task go = std::move(waiting_.front());
    waiting_.pop_front();
    go();
  }

  std::deque<Task> waiting_;
  bool is_taken_ = false;
};

}  // namespace blobd::store
