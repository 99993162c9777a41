// OwnerCounts: whose intents want a kind, and how many each has: of all, of those that have not
// ended (an end takes a while to become durable), and of these, of those bound by a quota. Nearly
// always it is one user.
#pragma once

#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "base/check.h"

namespace blobd::engine {

class OwnerCounts {
 public:
  void Add(uint32_t uid) {
    auto it = Find(uid);
    if (it == counts_.end()) it = counts_.insert(it, Count{uid});
    ++it->intents;
    ++it->unfinished;
  }
  // REQUIRES: Has(uid), and that one was not bound.
  void Bind(uint32_t uid) { ++Of(uid).bound; }
  // REQUIRES: Has(uid), and one that has not ended.
  void Finish(uint32_t uid, bool is_bound) {
    Count& count = Of(uid);
    --count.unfinished;
    if (is_bound) --count.bound;
  }
  // REQUIRES: Has(uid), and one that has ended.
  void Remove(uint32_t uid) {
    if (--Of(uid).intents == 0) counts_.erase(Find(uid));
  }

  bool Has(uint32_t uid) const {
    return std::any_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.uid == uid; });
  }
  bool HasUnfinished(uint32_t uid) const {
    return std::any_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.uid == uid && each.unfinished > 0; });
  }
  // All of them are this user's.
  bool HasOnly(uint32_t uid) const {
    return std::all_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.uid == uid; });
  }
  // Whether it is so of one who is bound.
  template <typename Predicate>
  bool AnyBound(Predicate predicate) const {
    return std::any_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.bound > 0 && predicate(each.uid); });
  }
  template <typename Function>
  void ForEachUnfinished(Function function) const {
    for (const Count& each : counts_) {
      if (each.unfinished > 0) function(each.uid);
    }
  }
  bool empty() const { return counts_.empty(); }
  // Of all together.
  uint64_t intents() const {
    return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0},
                           [](uint64_t sum, const Count& each) { return sum + each.intents; });
  }

 private:
  struct Count {
    uint32_t uid;
    uint32_t intents = 0;
    uint32_t unfinished = 0;
    uint32_t bound = 0;
  };
  using Counts = absl::InlinedVector<Count, 2>;

  Counts::iterator Find(uint32_t uid) {
    return std::find_if(counts_.begin(), counts_.end(),
                        [&](const Count& each) { return each.uid == uid; });
  }

  Count& Of(uint32_t uid) {
    const auto it = Find(uid);
    BLOBD_CHECK(it != counts_.end());
    return *it;
  }

  Counts counts_;
};

}  // namespace blobd::engine
