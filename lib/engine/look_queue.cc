#include "engine/look_queue.h"

#include <utility>

namespace blobd::engine {

void LookQueue::Ask(const schedule::LookInStore& look) { waiting_.push_back(look); }

void LookQueue::Run() {
  if (is_telling_ || batch_runs_ || waiting_.empty() || running_ >= kAtOnce || slow_ >= kMostSlow)
    return;
  std::vector<schedule::LookInStore> looks;
  std::vector<Hash> hashes;
  while (!waiting_.empty() && running_ + looks.size() < kAtOnce) {
    const bool oldest = std::exchange(oldest_next_, !oldest_next_);
    looks.push_back(oldest ? waiting_.front() : waiting_.back());
    hashes.push_back(looks.back().kind.hash);
    oldest ? waiting_.pop_front() : waiting_.pop_back();
  }
  running_ += looks.size();
  batch_runs_ = true;
  deps_.store.LookupMany(std::move(hashes), deps_.control,
                         [this, looks = std::move(looks),
                          is_first = true](std::vector<store::LookedUp> roots) mutable {
                           if (std::exchange(is_first, false)) {
                             batch_runs_ = false;
                             slow_ += looks.size();
                             running_ -= looks.size();
                           }
                           OnRoots(looks, std::move(roots));
                         });
}

void LookQueue::OnRoots(const std::vector<schedule::LookInStore>& looks,
                        std::vector<store::LookedUp> roots) {
  slow_ -= roots.size();
  running_ += roots.size();
  is_telling_ = true;
  for (store::LookedUp& root : roots) {
    const schedule::LookInStore& look = looks[root.index];
    if (!root.info.ok()) {
      Tell(look, root.info.status());
      continue;
    }
    auto inventory = transfer::InventoryOfRoot(look.kind, *std::move(root.info));
    if (inventory.ok() && inventory->needs_children()) {
      const uint64_t bytes = inventory->root.size;
      (bytes > kLongList ? long_lists_ : lists_).push_back({look, bytes});
      --running_;
    } else {
      Tell(look, std::move(inventory));
    }
  }
  is_telling_ = false;
  RunLists();
  Run();
}

void LookQueue::RunLists() {
  while (!lists_.empty() && lists_running_ < kAtOnce &&
         list_bytes_ + lists_.front().bytes <= kLongList) {
    const List list = lists_.front();
    lists_.pop_front();
    ++lists_running_;
    list_bytes_ += list.bytes;
    LookAtChildren(list.look, list.bytes);
  }
  if (long_lists_.empty() || std::exchange(long_list_runs_, true)) return;
  const List list = long_lists_.front();
  long_lists_.pop_front();
  LookAtChildren(list.look, list.bytes);
}

void LookQueue::LookAtChildren(const schedule::LookInStore& look, uint64_t bytes) {
  transfer::TakeInventory(
      deps_.store, deps_.make_strand(), look.kind,
      [this, look, bytes](StatusOr<transfer::Inventory> inventory) mutable {
        // On a worker: only hand over.
        deps_.control.Post([this, look, bytes, inventory = std::move(inventory)]() mutable {
          if (bytes > kLongList) {
            long_list_runs_ = false;
          } else {
            --lists_running_;
            list_bytes_ -= bytes;
          }
          answer_(look, std::move(inventory));
          RunLists();
        });
      });
}

void LookQueue::Tell(const schedule::LookInStore& look, StatusOr<transfer::Inventory> inventory) {
  --running_;
  answer_(look, std::move(inventory));
}

}  // namespace blobd::engine
