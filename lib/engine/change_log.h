// ChangeLog: which things have changed, each once, in the order of their latest changes. Whoever
// has seen everything up to some number asks for what came after it.
//
// Bounded: of things that changed long ago, where many have changed since, it is not known any more
// that they did (Reaches).
//
// Thread: one owner.
#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>

namespace blobd::engine {

template <typename Id>
class ChangeLog {
 public:
  static constexpr size_t kKept = 16'384;

  void Note(const Id& id) {
    const auto [it, is_new] = numbers_.try_emplace(id);
    if (!is_new) order_.erase(it->second);
    it->second = ++latest_;
    order_[latest_] = id;
    if (order_.size() <= kKept) return;
    const auto oldest = order_.begin();
    lost_ = oldest->first;
    numbers_.erase(oldest->second);
    order_.erase(oldest);
  }

  // Of the latest change there was; 0: there was none.
  uint64_t latest() const { return latest_; }
  // Of the latest change of `id`; 0: none is known.
  uint64_t NumberOf(const Id& id) const {
    const auto it = numbers_.find(id);
    return it == numbers_.end() ? 0 : it->second;
  }
  // All changes after `number` are known.
  bool Reaches(uint64_t number) const { return number >= lost_ && number <= latest_; }
  // More than `most` things have changed since.
  bool HasMoreThan(size_t most, uint64_t number) const {
    auto it = order_.upper_bound(number);
    for (; it != order_.end() && most > 0; ++it) --most;
    return it != order_.end();
  }
  // Calls `f(id, number)` for what changed after `number`, the earliest first, while that is true.
  template <typename F>
  void ForEachAfter(uint64_t number, F f) const {
    for (auto it = order_.upper_bound(number); it != order_.end(); ++it) {
      if (!f(it->second, it->first)) return;
    }
  }

 private:
  absl::btree_map<Id, uint64_t> numbers_;
  absl::btree_map<uint64_t, Id> order_;
  uint64_t latest_ = 0;
  uint64_t lost_ = 0;  // the number of the latest change that was forgotten
};

}  // namespace blobd::engine
