#include "transfer/mirror_claims.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {

bool MirrorClaims::Take(const MirrorGetKey& key, const Hash& hash, Instant now) {
  Forget(now);
  if (ended_.contains(hash) || !waiting_.try_emplace(hash).second) return false;
  BLOBD_CHECK(claimed_.emplace(key, hash).second);
  return true;
}

void MirrorClaims::WaitFor(const Hash& hash, const MirrorGetKey& key, Instant now, Task then) {
  waiting_.at(hash).push_back({key, now, std::move(then)});
}

bool MirrorClaims::Waits(const MirrorGetKey& key) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& claim) {
    return std::any_of(claim.second.begin(), claim.second.end(),
                       [&](const Waiting& each) { return each.key == key; });
  });
}

bool MirrorClaims::StopWaiting(const MirrorGetKey& key) {
  size_t stopped = 0;
  for (auto& [hash, waiting] : waiting_) {
    stopped += std::erase_if(waiting, [&](const Waiting& each) { return each.key == key; });
  }
  return stopped > 0;
}

void MirrorClaims::Beat(Instant now) {
  std::vector<Task> due;
  for (auto& [hash, waiting] : waiting_) {
    std::erase_if(waiting, [&](Waiting& each) {
      if (now - each.since < kMostWait) return false;
      due.push_back(std::move(each.then));
      return true;
    });
  }
  for (Task& then : due) then();
}

void MirrorClaims::Release(const MirrorGetKey& key, Instant now) {
  const auto claimed = claimed_.extract(key);
  if (claimed.empty()) return;
  const Hash& hash = claimed.mapped();
  if (ended_.insert(hash).second) in_order_.emplace_back(now, hash);
  Forget(now);
  auto waiting = waiting_.extract(hash);
  for (Waiting& each : waiting.mapped()) each.then();
}

void MirrorClaims::Forget(Instant now) {
  while (!in_order_.empty() &&
         (in_order_.size() > kRemembered || now - in_order_.front().first >= kRememberedFor)) {
    ended_.erase(in_order_.front().second);
    in_order_.pop_front();
  }
}

void MirrorClaims::Clear() {
  waiting_.clear();
  claimed_.clear();
  ended_.clear();
  in_order_.clear();
}

}  // namespace blobd::transfer
