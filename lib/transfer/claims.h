// Claims: who is getting what of which blob now. Requests may share blobs (a child of two
// collections, one hash in both formats), and their transfers know nothing of each other; here a
// transfer sees what it need not ask for, because another is about to bring it.
//
//   who is about to ask    looks what of a blob others claim, and claims the rest, in one Turn
//   what came is stored    Got: it is no claim any more, whoever looks into the store finds it
//   it will not come       Release; who waits for the blob is woken and may claim it
//
// Only what has been asked for is ever claimed, and a transfer without an open stream claims
// nothing but what the store is about to hold. So nobody waits for somebody who waits, and what a
// transfer leaves behind, however it ends, is free at once. Who finds that it waits long hurries
// those who hold it up: they give a part away, or leave it to be got twice when it is small.
//
// Transfers of one kind are of one request. It divides its work itself (parts, races), so they do
// not see each other's claims.
//
// Thread: any. This is a lock, held while one request is cut: what is looked up and what is claimed
//         must be one step, and a message to an owner of the table for each would make every
//         request of every transfer wait for one more thread. Callbacks come on any thread and
//         without the lock; they post.
// Memory: what is asked for and has not come.
// Units:  groups are chunk groups of 16 KiB.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/range_set.h"
#include "base/task.h"

namespace blobd::transfer {

class Claims : public std::enable_shared_from_this<Claims> {
 public:
  struct Callbacks {
    // Something of the blob that was waited for is free. Once for each Wait.
    UniqueFunction<void()> freed;
    // Somebody waits long for what is claimed of this blob.
    UniqueFunction<void(const Hash&)> hurried;
  };
  class User;
  class Turn;

  // One transfer that gets `kind`.
  std::unique_ptr<User> Join(const Kind& kind, Callbacks callbacks);

 private:
  struct Request {  // that has transfers here
    size_t users = 0;
    uint64_t got = 0;  // so often
  };
  struct Member {
    Kind kind;
    Callbacks callbacks;
    std::unordered_set<Hash> claimed;
    std::optional<Hash> waits_for;
  };
  struct Claim {
    std::shared_ptr<Member> member;
    RangeSet groups;  // not empty
    bool open = false;
  };
  struct Blob {
    std::vector<Claim> claims;
    std::vector<std::shared_ptr<Member>> waiting;
  };
  using Woken = std::vector<std::shared_ptr<Member>>;

  void Take(const std::shared_ptr<Member>& member, const Hash& hash, const RangeSet& groups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if none of it was claimed. `came`: it is in the store now.
  bool Give(const std::shared_ptr<Member>& member, const Hash& hash, const RangeSet& groups,
            bool came, Woken& woken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void TakeWaiting(Blob& blob, Woken& woken);
  void Wait(const std::shared_ptr<Member>& member, const Hash& hash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(const Member& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(const Woken& woken);

  Mutex mutex_;
  std::unordered_map<Hash, Blob> blobs_ ABSL_GUARDED_BY(mutex_);  // none is empty
  std::map<Kind, Request> requests_ ABSL_GUARDED_BY(mutex_);
  uint64_t got_ ABSL_GUARDED_BY(mutex_) = 0;  // by all of them
};

// What one transfer has claimed. Thread: its strand; destroyed on any, which releases everything.
class Claims::User {
 public:
  User(std::shared_ptr<Claims> claims, std::shared_ptr<Member> member);
  ~User();
  User(const User&) = delete;
  User& operator=(const User&) = delete;

  // So often did others get something. While it does not change, what was seen in the store is all
  // there is.
  uint64_t News() const;
  // What is stored now; nobody is woken before all that was claimed of the blob has come.
  void Got(const Hash& hash, const RangeSet& groups);
  void Release(const Hash& hash, const RangeSet& groups);
  // Others may get what is left of the claim as well: it is a little, and comes too slowly.
  void LeaveOpen(const Hash& hash);
  // Asks all who claim something of the blob to give some of it away.
  void Hurry(const Hash& hash);

 private:
  friend class Turn;
  const std::shared_ptr<Claims> claims_;
  const std::shared_ptr<Member> member_;
};

// Nobody else claims anything while it lives. It is short.
class Claims::Turn {
 public:
  explicit Turn(User& user) ABSL_NO_THREAD_SAFETY_ANALYSIS : user_(user),
                                                             lock_(user.claims_->mutex_) {}
  // What others are getting of the blob, but for what they leave open; mostly nothing.
  RangeSet Others(const Hash& hash) const ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void Take(const Hash& hash, const RangeSet& groups) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // Until something of it is free. False if others claim nothing of it. The latest call counts.
  bool WaitFor(const Hash& hash) ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  User& user_;
  MutexLock lock_;
};

}  // namespace blobd::transfer
