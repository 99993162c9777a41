#include "engine/uid_turns.h"

#include <utility>

#include "base/check.h"

namespace blobd::engine {

void UidTurns::Start(uint32_t uid, size_t weight, Task start) {
  Turns& turns = of_uid_[uid];
  if (!turns.waiting.empty() || !HasRoom(turns, weight)) {
    turns.waiting.push_back({weight, std::move(start)});
    return;
  }
  ++turns.running;
  turns.weight += weight;
  start();
}

void UidTurns::End(uint32_t uid, size_t weight) {
  const auto it = of_uid_.find(uid);
  BLOBD_CHECK(it != of_uid_.end() && it->second.running > 0 && it->second.weight >= weight);
  Turns& turns = it->second;
  --turns.running;
  turns.weight -= weight;
  std::deque<Task> ready;  // first counted, then started: what starts may ask for more
  while (!turns.waiting.empty() && HasRoom(turns, turns.waiting.front().weight)) {
    ++turns.running;
    turns.weight += turns.waiting.front().weight;
    ready.push_back(std::move(turns.waiting.front().start));
    turns.waiting.pop_front();
  }
  if (turns.running == 0) of_uid_.erase(it);
  for (Task& start : ready) start();
}

}  // namespace blobd::engine
