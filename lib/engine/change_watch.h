// ChangeWatch: gathers which nodes, or transfers, may be shown differently than a moment ago, and
// calls whoever watches four times a second. Before somebody has watched it costs nothing; from
// then on it goes on gathering (change_log.h), so that who comes back hears what was missed.
//
// Thread:    the control loop.
// Ownership: shares the watchers; the timers outlive it.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/task.h"
#include "base/timers.h"
#include "engine/change_log.h"

namespace blobd::engine {

class ChangeWatcher {
 public:
  virtual ~ChangeWatcher() = default;
  // Called in every interval, also without changes: what others know (upload_table.h) may have
  // changed.
  virtual void OnRound() = 0;
};

template <typename Id>
class ChangeWatch {
 public:
  static constexpr Duration kInterval = milliseconds(250);

  // `gather` notes what has changed since then without anybody doing anything; it is called before
  // the watchers are.
  explicit ChangeWatch(Timers& timers, UniqueFunction<void(Instant since)> gather = {})
      : timers_(timers), gather_(std::move(gather)) {}
  ~ChangeWatch() {
    if (timer_ != 0) timers_.CancelTimer(timer_);
  }
  ChangeWatch(const ChangeWatch&) = delete;
  ChangeWatch& operator=(const ChangeWatch&) = delete;

  // What changed while nobody watched is in the log when this returns.
  void Add(std::shared_ptr<ChangeWatcher> watcher) {
    if (!follows_) gathered_ = timers_.Now();
    follows_ = true;
    if (watchers_.empty()) Gather();
    watchers_.push_back(std::move(watcher));
    if (timer_ == 0) Arm();
  }
  void Remove(const std::shared_ptr<ChangeWatcher>& watcher) { std::erase(watchers_, watcher); }

  // Something about it is different, or may be.
  void Note(const Id& id) {
    if (follows_) log_.Note(id);
  }
  // Changes are gathered.
  bool follows() const { return follows_; }
  const ChangeLog<Id>& log() const { return log_; }

 private:
  void Gather() {
    const Instant since = std::exchange(gathered_, timers_.Now());
    if (gather_) gather_(since);
  }
  void Arm() {
    timer_ = timers_.AddTimer(timers_.Now() + kInterval, [this] {
      timer_ = 0;
      if (watchers_.empty()) return;
      Arm();
      Gather();
      const auto watchers = watchers_;  // one may leave while it is called
      for (const auto& watcher : watchers) watcher->OnRound();
    });
  }

  Timers& timers_;
  UniqueFunction<void(Instant since)> gather_;
  std::vector<std::shared_ptr<ChangeWatcher>> watchers_;
  ChangeLog<Id> log_;
  bool follows_ = false;  // somebody has watched
  Instant gathered_;
  TimerId timer_ = 0;
};

}  // namespace blobd::engine
