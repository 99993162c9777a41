// Remove: takes blobs out of the store that a caller names, if nothing protects any of them.
//
//   wanted by an unfinished intent, tagged, added lately by somebody else   nobody, but root by
//   force got lately by an intent that ended                                      members
//
// Thread:    the control loop, where `done` is called too.
// Ownership: held by the callbacks that it waits for. The store outlives it.
// Errors:    kFailedPrecondition: one of them is protected, or is being written; of the first kind
//            nothing is removed. Those of the store.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "engine/caller.h"
#include "engine/gathering.h"

namespace blobd::engine {

struct Removal {
  Caller caller;
  std::vector<Hash> hashes;
  bool force = false;  // whatever protects them; for root only
  // Whether a blob is being taken in just now.
  std::function<bool(const Hash&)> is_being_added;
  std::unordered_set<Hash> hidden = {};  // of `hashes`, from the caller: see Keeper::HiddenFrom
};

struct Removed {
  std::vector<Hash> removed;
  std::vector<Hash> absent;  // nothing of them was here
  uint64_t bytes = 0;
};

// `gathering`: what is protected in this turn of the loop; not used after it. Null: `force`.
// What a list names that is just arriving may go: whoever wants it looks again when all came, and
// gets it.
void Remove(Executor& control, store::BlobStore& store, const Gathering* gathering, Removal removal,
            UniqueFunction<void(StatusOr<Removed>)> done);

// What those are told from whom a blob is hidden, whatever keeps it. No caller has that uid.
inline const Keeping kHiddenKeeping = {
    .because = KeptBecause::kTagged, .owner_uid = UINT32_MAX, .is_private = true};

// For `caller` to read: what keeps a blob.
std::string Describe(const Keeping& keeping, const Caller& caller);

}  // namespace blobd::engine
