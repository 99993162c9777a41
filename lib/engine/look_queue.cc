#include "engine/look_queue.h"

#include <utility>

namespace blobd::engine {

void LookQueue::Ask(const schedule::LookInStore& look) {
  waiting_.push_back(look);
  RunMore();
}

void LookQueue::RunMore() {
  while (running_ < kAtOnce && !waiting_.empty()) {
    const bool oldest = std::exchange(oldest_next_, !oldest_next_);
    const schedule::LookInStore look = oldest ? waiting_.front() : waiting_.back();
    oldest ? waiting_.pop_front() : waiting_.pop_back();
    Run(look);
  }
}

void LookQueue::Run(const schedule::LookInStore& look) {
  ++running_;
  transfer::TakeInventory(
      deps_.store, deps_.make_strand(), look.kind,
      [this, look](StatusOr<transfer::Inventory> inventory) mutable {
        // On a worker: only hand over.
        deps_.control.Post([this, look, inventory = std::move(inventory)]() mutable {
          --running_;
          RunMore();
          answer_(look, std::move(inventory));
        });
      });
}

}  // namespace blobd::engine
