// LookQueue: looks into the store that requests wait for, in batches, a few at a time. One by one
// they would cost more than all the rest of queueing, and after a restart every request wants one:
// a million of them at once would cost gigabytes. What the store has to hash before it can answer
// may take hours: that holds up nobody else.
//
// The next look is in turn the newest and the oldest that waits: so a new request is not behind all
// the old ones, and an old one is not behind all new ones.
//
// Lists of hashes that are here are looked through hash by hash. A long one takes memory for
// millions of answers, so it waits until no other long one is looked through; the others together
// have as much.
//
// Thread:    the control loop only; `answer` is called there, never during Ask.
// Ownership: store and executor outlive it; it is destroyed when the control loop no longer turns.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "schedule/effect.h"
#include "store/blob_store.h"
#include "transfer/inventory.h"

namespace blobd::engine {

class LookQueue {
 public:
  struct Deps {
    store::BlobStore& store;
    Executor& control;
    UniqueFunction<std::shared_ptr<Executor>()> make_strand;
  };
  using Answer =
      UniqueFunction<void(const schedule::LookInStore& look, StatusOr<transfer::Inventory>)>;
  static constexpr size_t kAtOnce = 128;
  static constexpr size_t kMostSlow = 4096;        // beside those
  static constexpr uint64_t kLongList = 32 << 20;  // bytes: a million hashes

  LookQueue(Deps deps, Answer answer) : deps_(std::move(deps)), answer_(std::move(answer)) {}

  // Looks with the next Run at the earliest.
  void Ask(const schedule::LookInStore& look);
  // To be called when nobody waits for what else the caller does.
  void Run();

 private:
  void OnRoots(const std::vector<schedule::LookInStore>& looks, std::vector<store::LookedUp> roots);
  void RunLists();
  void LookAtChildren(const schedule::LookInStore& look, uint64_t bytes);
  void Tell(const schedule::LookInStore& look, StatusOr<transfer::Inventory> inventory);

  Deps deps_;
  Answer answer_;
  std::deque<schedule::LookInStore> waiting_;  // oldest first
  size_t running_ = 0;  // those that wait for their list to be looked through are not among them
  size_t slow_ = 0;     // what the store answers later, of batches that have ended
  bool is_telling_ = false;  // answers, which may end in Run: it comes when all are told
  bool batch_runs_ = false;  // the next batch gathers meanwhile
  struct List {
    schedule::LookInStore look;
    uint64_t bytes = 0;
  };
  std::deque<List> lists_;       // to be looked through
  std::deque<List> long_lists_;  // the same
  uint64_t list_bytes_ = 0;      // of those that are being looked through, but for a long one
  size_t lists_running_ = 0;     // the same
  bool long_list_runs_ = false;
  bool oldest_next_ = false;
};

}  // namespace blobd::engine
