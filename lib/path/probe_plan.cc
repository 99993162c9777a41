#include "path/probe_plan.h"

#include <algorithm>

namespace blobd::path {

void ProbePlan::Plan(Entry& entry, Instant now) {
  switch (entry.rhythm) {
    case Rhythm::kSteady:
      entry.due = entry.asked ? *entry.asked + kSteadyPause : now;
      return;
    case Rhythm::kSeeking:
      entry.due = entry.asked ? *entry.asked + entry.pause : now;
      return;
    case Rhythm::kResting:
      entry.due.reset();
      return;
  }
}

void ProbePlan::Follow(const std::map<SocketAddress, Rhythm>& rhythms, Instant now) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    it = rhythms.count(it->first) == 0 ? entries_.erase(it) : std::next(it);
  }
  for (const auto& [address, rhythm] : rhythms) {
    const auto [it, is_new] = entries_.try_emplace(address);
    if (!is_new && it->second.rhythm == rhythm) continue;
    it->second.rhythm = rhythm;
    Plan(it->second, now);
  }
}

void ProbePlan::AskAll(Instant now) {
  for (auto& [address, entry] : entries_) {
    entry.due = now;
    entry.pause = kSteadyPause;
    entry.missed = 0;
    entry.answered = true;
  }
}

std::vector<SocketAddress> ProbePlan::TakeDue(Instant now) {
  std::vector<SocketAddress> due;
  for (auto& [address, entry] : entries_) {
    if (!entry.due || now < *entry.due) continue;
    due.push_back(address);
    if (!entry.answered) {
      ++entry.missed;
      entry.pause = std::min(entry.pause * 2, kLongestPause);
    }
    entry.asked = now;
    entry.answered = false;
    Plan(entry, now);
  }
  return due;
}

void ProbePlan::Answered(const SocketAddress& address) {
  const auto it = entries_.find(address);
  if (it == entries_.end()) return;
  it->second.answered = true;
  it->second.missed = 0;
  it->second.pause = kSteadyPause;
}

int ProbePlan::Missed(const SocketAddress& address) const {
  const auto it = entries_.find(address);
  return it == entries_.end() ? 0 : it->second.missed;
}

std::optional<Instant> ProbePlan::NextDeadline() const {
  std::optional<Instant> next;
  for (const auto& [address, entry] : entries_) {
    if (entry.due && (!next || *entry.due < *next)) next = entry.due;
  }
  return next;
}

}  // namespace blobd::path
