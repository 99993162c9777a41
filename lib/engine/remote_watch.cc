#include "engine/remote_watch.h"

#include <utility>

namespace blobd::engine {

RemoteWatch::~RemoteWatch() {
  if (timer_ != 0) timers_.CancelTimer(timer_);
}

void RemoteWatch::Add(std::shared_ptr<RemoteWatcher> watcher) {
  watchers_.push_back(std::move(watcher));
  if (timer_ == 0) Arm();
}

void RemoteWatch::Remove(const std::shared_ptr<RemoteWatcher>& watcher) {
  std::erase(watchers_, watcher);
  if (watchers_.empty()) changed_.clear();
}

void RemoteWatch::Arm() {
  armed_ = timers_.Now();
  timer_ = timers_.AddTimer(armed_ + kInterval, [this] {
    timer_ = 0;
    if (watchers_.empty()) return;
    const Instant since = armed_;
    Arm();
    gather_(since);
    const std::set<NodeId> changed = std::exchange(changed_, {});
    const auto watchers = watchers_;  // one may leave while it is told
    for (const auto& watcher : watchers) watcher->OnRemotes(changed);
  });
}

}  // namespace blobd::engine
