// RemoteWatch: gathers which nodes may be shown differently than a moment ago, and tells it to
// whoever watches, four times a second. While nobody watches it costs nothing.
//
// Thread:    the control loop.
// Ownership: shares the watchers; the timers outlive it.
// Memory:    the ids of the nodes that changed since the last time.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/node_id.h"
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

  explicit RemoteWatch(Timers& timers) : timers_(timers) {}
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
  std::vector<std::shared_ptr<RemoteWatcher>> watchers_;
  std::set<NodeId> changed_;
  TimerId timer_ = 0;
};

}  // namespace blobd::engine
