#include "schedule/request_queue.h"

namespace blobd::schedule {

bool RequestQueue::Insert(Request& request) {
  Level& level = LevelOf(request);
  // Most requests are queued in the order of their places, which makes the end a good guess.
  const size_t before = level.size();
  level.emplace_hint(level.end(), request.place, &request);
  return level.size() > before;
}

bool RequestQueue::Erase(const Request& request) {
  return LevelOf(request).erase(request.place) > 0;
}

bool RequestQueue::Contains(const Request& request) const {
  return levels_[static_cast<size_t>(request.priority)].contains(request.place);
}

bool RequestQueue::empty() const {
  for (const Level& level : levels_) {
    if (!level.empty()) return false;
  }
  return true;
}

size_t RequestQueue::size() const {
  size_t sum = 0;
  for (const Level& level : levels_) sum += level.size();
  return sum;
}

Request* RequestQueue::First() const {
  for (size_t level = levels_.size(); level-- > 0;) {
    if (!levels_[level].empty()) return levels_[level].begin()->second;
  }
  return nullptr;
}

Request* RequestQueue::FirstByPlace() const {
  Request* first = nullptr;
  for (const Level& level : levels_) {
    if (level.empty()) continue;
    Request* candidate = level.begin()->second;
    if (first == nullptr || candidate->place < first->place) first = candidate;
  }
  return first;
}

std::vector<Request*> RequestQueue::InOrder() const {
  std::vector<Request*> requests;
  for (size_t level = levels_.size(); level-- > 0;) {
    for (const auto& [place, request] : levels_[level]) requests.push_back(request);
  }
  return requests;
}

void RequestQueue::Clear() {
  for (Level& level : levels_) level.clear();
}

}  // namespace blobd::schedule
