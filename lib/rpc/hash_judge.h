// HashJudge: of which transfers users must not learn the hash (Keeper::HiddenFrom), for those who
// follow transfers. It is asked once for each transfer and user, not for each change: what a user
// has been told of a transfer is no secret to them any more, and what they must not learn stays
// unsaid.
//
// Thread:    the control loop.
// Ownership: shared; the keeper outlives it.
// Memory:    a verdict for each transfer that was told, while a reader of that user is there; at
//            most 20,000 of one user, then all of them are asked for anew.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/task.h"
#include "engine/caller.h"
#include "engine/keeper.h"

namespace blobd::rpc {

class HashJudge : public std::enable_shared_from_this<HashJudge> {
 public:
  using Question = std::pair<TransferId, Hash>;

  explicit HashJudge(engine::Keeper& keeper) : keeper_(keeper) {}

  // A reader of this user comes, or goes; with the last one its verdicts go.
  void Enter(const engine::Caller& caller);
  void Leave(const engine::Caller& caller);

  // True: the verdicts of all of them are known. Otherwise they are asked for, together with what
  // others of the same user ask for meanwhile, and `done` is called when they are there, later or
  // at once; never after the last reader has left.
  bool Judge(const engine::Caller& caller, const std::vector<Question>& questions, Task done);

  // What is not known is hidden.
  bool IsHidden(const engine::Caller& caller, TransferId id) const;

 private:
  struct User {
    size_t readers = 0;
    uint64_t visit = 0;  // tells an answer for an earlier one
    std::unordered_map<TransferId, bool> hidden;
    bool asking = false;
    std::unordered_map<TransferId, Hash> unasked;
    std::vector<Task> unasked_done;
  };

  void Ask(const engine::Caller& caller, User& user);

  engine::Keeper& keeper_;
  std::map<uint32_t, User> users_;
  uint64_t visits_ = 0;
};

}  // namespace blobd::rpc
