#include "transfer/mirror_claims.h"

#include <utility>

#include "base/check.h"

namespace blobd::transfer {

bool MirrorClaims::Take(const MirrorGetKey& key, const Hash& hash) {
  if (ended_.contains(hash) || !waiting_.try_emplace(hash).second) return false;
  BLOBD_CHECK(claimed_.emplace(key, hash).second);
  return true;
}

void MirrorClaims::WaitFor(const Hash& hash, const MirrorGetKey& key, Task then) {
  waiting_.at(hash).push_back({key, std::move(then)});
}

bool MirrorClaims::StopWaiting(const MirrorGetKey& key) {
  size_t stopped = 0;
  for (auto& [hash, waiting] : waiting_) {
    stopped += std::erase_if(waiting, [&](const Waiting& each) { return each.key == key; });
  }
  return stopped > 0;
}

void MirrorClaims::Release(const MirrorGetKey& key) {
  const auto claimed = claimed_.extract(key);
  if (claimed.empty()) return;
  const Hash& hash = claimed.mapped();
  if (ended_.insert(hash).second) in_order_.push_back(hash);
  if (in_order_.size() > kRemembered) {
    ended_.erase(in_order_.front());
    in_order_.pop_front();
  }
  auto waiting = waiting_.extract(hash);
  for (Waiting& each : waiting.mapped()) each.then();
}

void MirrorClaims::Clear() {
  waiting_.clear();
  claimed_.clear();
  ended_.clear();
  in_order_.clear();
}

}  // namespace blobd::transfer
