#include "store/watches.h"

#include <utility>

namespace blobd::store {

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
