// LateDrops: providers that nobody wants any more, held back until every end that came before is
// durable. An intent that did not end durably is wanted again by the next life, with its providers.
// They leave in bounded steps, one after the other, so that no commit is refused for them, and come
// back if one fails: then they wait until another succeeds.
//
// Thread:  the control loop.
// Cost:    logarithmic in the ends that are not durable, and in the drops that wait for them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/provider.h"
#include "registry/change.h"

namespace blobd::engine {

class LateDrops {
 public:
  using Key = std::pair<Hash, ProviderId>;
  static constexpr size_t kMostAtOnce = 4096;  // far from what the registry takes at once

  // An intent has ended, not durably yet. Returns the number to call Over with.
  uint64_t Begin() {
    open_.insert(++last_);
    return last_;
  }
  // Its end is durable, or nobody will ever know of it. 0 is nothing.
  void Over(uint64_t end) { open_.erase(end); }

  // The provider was known for the hash until now.
  void Drop(const Hash& hash, const ProviderId& provider) {
    const auto [it, is_new] = waiting_.try_emplace({hash, provider}, last_);
    if (!is_new) return;
    in_order_.emplace(last_, it->first);
  }
  // It is known for it again.
  void Keep(const Hash& hash, const ProviderId& provider) {
    in_commits_.erase({hash, provider});
    const auto it = waiting_.find({hash, provider});
    if (it == waiting_.end()) return;
    in_order_.erase({it->second, it->first});
    waiting_.erase(it);
  }

  // The next ones for which no end is left to wait go to `changes`; which may be so because
  // `changes` makes `ends_with_them` of the ends durable, all or none. Returns them, for Done.
  std::vector<Key> Take(std::vector<registry::Change>* changes, size_t ends_with_them = 0) {
    std::vector<Key> taken;
    if (is_under_way_ || rests_) return taken;
    const bool all = open_.size() <= ends_with_them;
    while (taken.size() < kMostAtOnce && !in_order_.empty() &&
           (all || in_order_.begin()->first < *open_.begin())) {
      taken.push_back(in_order_.begin()->second);
      const Key& key = taken.back();
      in_order_.erase(in_order_.begin());
      waiting_.erase(key);
      in_commits_.insert(key);
      changes->push_back(registry::DropProvider{{key.first, key.second}});
    }
    is_under_way_ = !taken.empty();
    return taken;
  }
  // A commit is over, with what was taken for it, perhaps nothing. What it did not drop waits
  // again, unless it is known again.
  void Done(const std::vector<Key>& taken, bool committed) {
    if (committed) rests_ = false;
    if (taken.empty()) return;
    is_under_way_ = false;
    rests_ = !committed;
    for (const Key& key : taken) {
      if (in_commits_.erase(key) > 0 && !committed) Drop(key.first, key.second);
    }
  }
  // Whether Take gives some now.
  bool ready() const {
    return !is_under_way_ && !rests_ && !in_order_.empty() &&
           (open_.empty() || in_order_.begin()->first < *open_.begin());
  }

 private:
  uint64_t last_ = 0;                            // the number of the latest end
  std::set<uint64_t> open_;                      // ends that are not durable
  std::map<Key, uint64_t> waiting_;              // behind which end
  std::set<std::pair<uint64_t, Key>> in_order_;  // the same, the earliest first
  bool is_under_way_ = false;                    // a commit with some of them
  bool rests_ = false;                           // the last one failed
  std::set<Key> in_commits_;                     // taken, and not known again since
};

}  // namespace blobd::engine
