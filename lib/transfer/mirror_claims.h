// MirrorClaims: blobs that one get each has to itself, since what it brings others cannot share
// before it is stored (mirror_small_get.h); and who waits until it has ended, or for kMostWait: one
// that is slow must not hold up others. Those that ended a moment ago are remembered: who found
// before that such a blob is missing is to look again.
//
// Thread:    one owner.
// Key:       a transfer and a number of its; a key claims one blob at most, and waits for one.
// Memory:    in proportion to the claims and those that wait, and kRemembered hashes.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/time.h"

namespace blobd::transfer {

struct MirrorGetKey {
  TransferId transfer;
  uint64_t number = 0;
  auto operator<=>(const MirrorGetKey&) const = default;
};

class MirrorClaims {
 public:
  static constexpr size_t kRemembered = 1024;
  static constexpr Duration kRememberedFor = seconds(2);
  static constexpr Duration kMostWait = seconds(1);

  // False: somebody else has it, or had it a moment ago.
  bool Take(const MirrorGetKey& key, const Hash& hash, Instant now);
  bool IsTaken(const Hash& hash) const { return waiting_.contains(hash); }
  // `then` comes when the claim ends, or the time is over. REQUIRES: IsTaken(hash)
  void WaitFor(const Hash& hash, const MirrorGetKey& key, Instant now, Task then);
  // These three look at all claims.
  bool Waits(const MirrorGetKey& key) const;
  // It waits no more. False: it did not.
  bool StopWaiting(const MirrorGetKey& key);
  // Those whose time is over run from within.
  void Beat(Instant now);
  // Ends the key's claim, if it has one. Those that waited run from within.
  void Release(const MirrorGetKey& key, Instant now);
  void Clear();

 private:
  struct Waiting {
    MirrorGetKey key;
    Instant since;
    Task then;
  };
  void Forget(Instant now);

  std::unordered_map<Hash, std::vector<Waiting>> waiting_;  // by claimed blob
  std::map<MirrorGetKey, Hash> claimed_;
  std::unordered_set<Hash> ended_;                 // the latest ones
  std::deque<std::pair<Instant, Hash>> in_order_;  // of these, the latest last
};

}  // namespace blobd::transfer
