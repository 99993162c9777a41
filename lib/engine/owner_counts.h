// OwnerCounts: whose intents want a kind, and how many each has. Nearly always it is one user.
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
    const auto it = Find(uid);
    if (it != counts_.end()) {
      ++it->intents;
    } else {
      counts_.push_back({uid, 1});
    }
  }

  // REQUIRES: Has(uid)
  void Remove(uint32_t uid) {
    const auto it = Find(uid);
    BLOBD_CHECK(it != counts_.end());
    if (--it->intents == 0) counts_.erase(it);
  }

  bool Has(uint32_t uid) const {
    return std::any_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.uid == uid; });
  }
  // All of them are this user's.
  bool HasOnly(uint32_t uid) const {
    return std::all_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return each.uid == uid; });
  }
  template <typename Predicate>
  bool Any(Predicate predicate) const {
    return std::any_of(counts_.begin(), counts_.end(),
                       [&](const Count& each) { return predicate(each.uid); });
  }
  template <typename Function>
  void ForEach(Function function) const {
    for (const Count& each : counts_) function(each.uid);
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
    uint32_t intents;
  };
  using Counts = absl::InlinedVector<Count, 2>;

  Counts::iterator Find(uint32_t uid) {
    return std::find_if(counts_.begin(), counts_.end(),
                        [&](const Count& each) { return each.uid == uid; });
  }

  Counts counts_;
};

}  // namespace blobd::engine
