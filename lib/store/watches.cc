#include "store/watches.h"

#include <utility>

namespace blobd::store {

Watcher::Watcher(const Hash& hash, Executor& call_on, Changed changed)
    : hash_(hash), call_on_(call_on), changed_(std::move(changed)) {}

Watcher::~Watcher() { delete newest_.load(); }

void Watcher::Tell(std::shared_ptr<const BlobInfo> info) {
  if (ended()) return;
  const std::unique_ptr<News> untold(newest_.exchange(new News{std::move(info)}));
  if (untold == nullptr) call_on_.Post([self = shared_from_this()] { self->Call(); });
}

void Watcher::Call() {
  const std::unique_ptr<News> news(newest_.exchange(nullptr));
  if (!ended()) changed_(*news->info);
}

void Watches::Add(std::shared_ptr<Watcher> watcher) {
  watchers_[watcher->hash()].push_back(std::move(watcher));
}

void Watches::Remove(const std::shared_ptr<Watcher>& watcher) {
  const auto it = watchers_.find(watcher->hash());
  if (it == watchers_.end()) return;
  std::erase(it->second, watcher);
  if (it->second.empty()) watchers_.erase(it);
}

void Watches::Tell(BlobInfo info) {
  const auto it = watchers_.find(info.hash);
  if (it == watchers_.end()) return;
  const auto shared = std::make_shared<const BlobInfo>(std::move(info));
  for (const std::shared_ptr<Watcher>& watcher : it->second) watcher->Tell(shared);
}

}  // namespace blobd::store
