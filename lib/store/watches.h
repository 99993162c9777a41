// Who watches which blob, and how news reaches them: the index leaves the newest state in a place
// of the watcher's, and posts a call only if that place was empty. So at most one call is on its
// way to each watcher, it finds the newest state, and nobody waits for anybody.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/task.h"
#include "store/blob_store.h"

namespace blobd::store {

// One watch, shared by its handle, the index and the call on its way.
//
// Thread: Tell on the index strand, `changed` is called on the executor, End and the end of the
//         last reference anywhere.
class Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  using Changed = UniqueFunction<void(const BlobInfo&)>;

  // `call_on` outlives every Tell, or is kept alive by `changed`.
  Watcher(const Hash& hash, Executor& call_on, Changed changed);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  const Hash& hash() const { return hash_; }
  void Tell(std::shared_ptr<const BlobInfo> info);
  // No call begins after this, unless one is about to on another thread.
  void End() { ended_.store(true); }
  bool ended() const { return ended_.load(); }

 private:
  struct News {
    std::shared_ptr<const BlobInfo> info;
  };
  void Call();

  const Hash hash_;
  Executor& call_on_;
  Changed changed_;
  std::atomic<bool> ended_ = false;
  // Owned; null when nothing is untold. A call is on its way exactly while it is not null.
  std::atomic<News*> newest_ = nullptr;
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
