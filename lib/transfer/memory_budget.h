// MemoryBudget: how much several owners together may remember, whoever of them it is. Who is
// refused does without.
//
// Thread:    any. HeldMemory: one owner.
// Ownership: shared by those that hold of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace blobd::transfer {

class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t most) : most_(most) {}
  // False: there is no room for so much, and nothing was taken.
  bool Take(uint64_t bytes) {
    uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > most_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void GiveBack(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const uint64_t most_;
  std::atomic<uint64_t> used_{0};  // never more than most_
};

// What one owner holds of a budget; null: there is none, and no bound.
class HeldMemory {
 public:
  explicit HeldMemory(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  ~HeldMemory() { Clear(); }
  HeldMemory(const HeldMemory&) = delete;
  HeldMemory& operator=(const HeldMemory&) = delete;

  bool Grow(uint64_t bytes) {
    if (budget_ == nullptr) return true;
    if (!budget_->Take(bytes)) return false;
    held_ += bytes;
    return true;
  }
  void Shrink(uint64_t bytes) {
    if (budget_ == nullptr) return;
    budget_->GiveBack(bytes);
    held_ -= bytes;
  }
  void Clear() { Shrink(held_); }

 private:
  const std::shared_ptr<MemoryBudget> budget_;
  uint64_t held_ = 0;
};

}  // namespace blobd::transfer
