// LongWaits: when to look next at an intent that may wait for long. It costs an intent nothing but
// its entry; entries of intents that have ended go when they are due.
//
// Thread: the control loop only.
#pragma once

#include <cstddef>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace blobd::engine {

class LongWaits {
 public:
  void Add(IntentId id, Instant due) { queue_.emplace(due, id); }
  // Those that are due, the earliest first, `most` at most. Who is to be looked at again is added
  // again.
  std::vector<IntentId> Take(Instant now, size_t most) {
    std::vector<IntentId> due;
    while (!queue_.empty() && queue_.top().first <= now && due.size() < most) {
      due.push_back(queue_.top().second);
      queue_.pop();
    }
    return due;
  }

 private:
  using Entry = std::pair<Instant, IntentId>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

}  // namespace blobd::engine
