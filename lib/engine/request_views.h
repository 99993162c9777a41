// RequestViews: what the scheduler says of the requests behind many intents, each made once. For
// one turn: nothing may happen to the scheduler while it is used.
#pragma once

#include <absl/container/node_hash_map.h>

#include "base/ids.h"
#include "schedule/scheduler.h"

namespace blobd::engine {

class RequestViews {
 public:
  // nullptr: there is none yet. It must outlive this.
  explicit RequestViews(const schedule::Scheduler* scheduler) : scheduler_(scheduler) {}

  // nullptr if the scheduler does not know the intent, or not any more.
  const schedule::RequestView* Of(IntentId intent) {
    if (scheduler_ == nullptr) return nullptr;
    const auto id = scheduler_->RequestOf(intent);
    if (!id) return nullptr;
    const auto [it, is_new] = views_.try_emplace(id->value);
    if (is_new) it->second = *scheduler_->ViewOfIntent(intent);
    return &it->second;
  }

 private:
  const schedule::Scheduler* scheduler_;
  absl::node_hash_map<uint64_t, schedule::RequestView> views_;
};

}  // namespace blobd::engine
