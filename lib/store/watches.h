// Who watches which blob, and how news reaches them: the index leaves the newest state in a place
// of the watcher's, and posts a call only if that place was empty. So at most one call is on its
// way to each watcher, it finds the newest state, and nobody waits for anybody.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/task.h"
#include "store/blob_store.h"

namespace blobd::store {

// One watch, shared by its handle, whoever tells it, and the call on its way.
//
// Thread: Tell from one thread at a time, `changed` is called on the executor, End and the end of
//         the last reference anywhere.
template <typename State>
class StateWatcher : public std::enable_shared_from_this<StateWatcher<State>> {
 public:
  using Changed = UniqueFunction<void(const State&)>;

  // `call_on` outlives every Tell, or is kept alive by `changed`.
  StateWatcher(Executor& call_on, Changed changed)
      : call_on_(call_on), changed_(std::move(changed)) {}
  ~StateWatcher() { delete newest_.load(); }
  StateWatcher(const StateWatcher&) = delete;
  StateWatcher& operator=(const StateWatcher&) = delete;

  void Tell(std::shared_ptr<const State> state) {
    if (ended()) return;
    const std::unique_ptr<News> untold(newest_.exchange(new News{std::move(state)}));
    if (untold == nullptr) call_on_.Post([self = this->shared_from_this()] { self->Call(); });
  }
  // No call begins after this, unless one is about to on another thread.
  void End() { ended_.store(true); }
  bool ended() const { return ended_.load(); }

 private:
  struct News {
    std::shared_ptr<const State> state;
  };
  void Call() {
    const std::unique_ptr<News> news(newest_.exchange(nullptr));
    if (!ended()) changed_(*news->state);
  }

  Executor& call_on_;
  Changed changed_;
  std::atomic<bool> ended_ = false;
  // Owned; null when nothing is untold. A call is on its way exactly while it is not null.
  std::atomic<News*> newest_ = nullptr;
};

using DiskWatcher = StateWatcher<DiskState>;
using Progress = StateWatcher<uint64_t>;  // of long work

class Watcher final : public StateWatcher<BlobInfo> {
 public:
  Watcher(const Hash& hash, Executor& call_on, Changed changed)
      : StateWatcher(call_on, std::move(changed)), hash_(hash) {}
  const Hash& hash() const { return hash_; }

 private:
  const Hash hash_;
};

// Thread: the index strand.
class Watches {
 public:
  void Add(std::shared_ptr<Watcher> watcher);
  void Remove(const std::shared_ptr<Watcher>& watcher);
  bool IsWatched(const Hash& hash) const { return watchers_.contains(hash); }
  void Tell(BlobInfo info);

 private:
  std::unordered_map<Hash, std::vector<std::shared_ptr<Watcher>>> watchers_;  // none is empty
};

}  // namespace blobd::store
