// RemoteWatch: gathers which nodes may be shown differently than a moment ago, and tells it to
// whoever watches, four times a second. While nobody watches it costs nothing.
//
// Thread:    the control loop.
// Ownership: shares the watchers; the timers outlive it.
// Memory:    the ids of the nodes that changed since the last time.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/node_id.h"
#include "base/task.h"
#include "base/timers.h"

namespace blobd::engine {

class RemoteWatcher {
 public:
  virtual ~RemoteWatcher() = default;
  // Called in every interval, also without changes: what others know of nodes (upload_table.h) may
  // have changed.
  virtual void OnRemotes(const std::set<NodeId>& changed) = 0;
};

class RemoteWatch {
 public:
  static constexpr Duration kInterval = milliseconds(250);

  // `gather` notes what has changed since then without anybody doing anything; it is called before
  // the watchers are.
  RemoteWatch(Timers& timers, UniqueFunction<void(Instant since)> gather)
      : timers_(timers), gather_(std::move(gather)) {}
  ~RemoteWatch();
  RemoteWatch(const RemoteWatch&) = delete;
  RemoteWatch& operator=(const RemoteWatch&) = delete;

  void Add(std::shared_ptr<RemoteWatcher> watcher);
  void Remove(const std::shared_ptr<RemoteWatcher>& watcher);
  // Something about the node is different, or may be.
  void Note(const NodeId& node) {
    if (!watchers_.empty()) changed_.insert(node);
  }

 private:
  void Arm();

  Timers& timers_;
  UniqueFunction<void(Instant since)> gather_;
  std::vector<std::shared_ptr<RemoteWatcher>> watchers_;
  std::set<NodeId> changed_;
  Instant armed_;  // set while timer_ is
  TimerId timer_ = 0;
};

}  // namespace blobd::engine
