#include "rpc/hash_judge.h"

namespace blobd::rpc {
namespace {

constexpr size_t kMostVerdicts = 20'000;

}  // namespace

void HashJudge::Enter(const engine::Caller& caller) {
  User& user = users_[caller.uid];
  if (user.readers++ == 0) user.visit = ++visits_;
}

void HashJudge::Leave(const engine::Caller& caller) {
  const auto it = users_.find(caller.uid);
  if (--it->second.readers == 0) users_.erase(it);
}

bool HashJudge::IsHidden(const engine::Caller& caller, TransferId id) const {
  if (caller.is_admin()) return false;
  const auto user = users_.find(caller.uid);
  if (user == users_.end()) return true;
  const auto verdict = user->second.hidden.find(id);
  return verdict == user->second.hidden.end() || verdict->second;
}

bool HashJudge::Judge(const engine::Caller& caller, const std::vector<Question>& questions,
                      Task done) {
  if (caller.is_admin()) return true;
  User& user = users_.at(caller.uid);
  bool all_known = true;
  for (const auto& [id, hash] : questions) {
    if (user.hidden.count(id) != 0) continue;
    all_known = false;
    user.unasked.emplace(id, hash);
  }
  if (all_known) return true;
  user.unasked_done.push_back(std::move(done));
  if (!user.asking) Ask(caller, user);
  return false;
}

void HashJudge::Ask(const engine::Caller& caller, User& user) {
  user.asking = true;
  auto asked = std::exchange(user.unasked, {});
  auto waiting = std::exchange(user.unasked_done, {});
  std::vector<Hash> hashes;
  for (const auto& [id, hash] : asked) hashes.push_back(hash);
  keeper_.HiddenFrom(
      caller, std::move(hashes),
      [self = shared_from_this(), caller, visit = user.visit, asked = std::move(asked),
       waiting = std::move(waiting)](const engine::Keeper::Hidden& hidden) mutable {
        const auto it = self->users_.find(caller.uid);
        if (it == self->users_.end() || it->second.visit != visit) return;
        User& answered = it->second;
        answered.asking = false;
        if (answered.hidden.size() + asked.size() > kMostVerdicts) answered.hidden.clear();
        for (const auto& [id, hash] : asked) answered.hidden[id] = hidden.count(hash) != 0;
        if (!answered.unasked_done.empty()) self->Ask(caller, answered);
        // Last: the user may leave by it.
        for (Task& done : waiting) done();
      });
}

}  // namespace blobd::rpc
