// Gathering: the protection of blobs as it is now, gathered from the registry and from the lists of
// collections in the store, and kept up to date while somebody plans removals on it.
//
//   Start --> registry: tags, leases, intents that ended --> strand: their lists are read --> done
//   Update --> what came under protection since, lists and all --> then
//
// Nothing may be removed but in the turn of the control loop in which `then` was called with OK.
//
// Thread:    the control loop; the lists are read on a strand of the workers.
// Ownership: held by the callbacks that it waits for. All of Deps outlive it.
// Errors:    kFailedPrecondition: it cannot be known what is protected, see list_reader.h. Those of
//            the registry: kDataLoss if it is damaged.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "engine/list_reader.h"
#include "engine/protection.h"
#include "engine/wants.h"
#include "registry/registry.h"
#include "store/blob_store.h"

namespace blobd::engine {

class Gathering : public std::enable_shared_from_this<Gathering> {
 public:
  struct Deps {
    Executor& control;
    registry::Registry& registry;
    store::BlobStore& store;
    Wants& wants;
    std::shared_ptr<Executor> strand;
  };

  // `finished_after`: intents that ended later still protect.
  Gathering(Deps deps, WallTime now, WallTime finished_after);
  // Only what private tags hold, for those who must not learn of it; nothing may be removed on it.
  static std::shared_ptr<Gathering> OfPrivateTags(Deps deps);

  void Start(UniqueFunction<void(Status)> done);
  // REQUIRES: Start is done, and no other Update is under way
  void Update(UniqueFunction<void(Status)> then);

  // For use in the turn of a callback.
  const Protection& protection() const { return *protection_; }
  // An unfinished intent wants it, or did when this began.
  bool IsWanted(const Hash& hash) const {
    return deps_.wants.IsWanted(hash) || fresh_.count(hash) != 0;
  }
  // A list is on its way, and what it protects is not known before it is here.
  bool must_wait() const { return deps_.wants.IsListArriving(); }

 private:
  // What is carried to the strand and back.
  struct Return {
    std::shared_ptr<Gathering> self;
    UniqueFunction<void(Status)> then;
  };

  void ListTags(const std::string& after);
  void OnTags(std::vector<registry::TagRow> page);
  void OnLeases(std::vector<registry::LeaseRow> rows);
  void OnProtected(std::vector<registry::ProtectedRow> rows);
  void ReadAndEnd();
  void Hold(const Kind& kind, Keeping keeping, std::string name);
  void ReadLists(UniqueFunction<void(Status)> then);
  void Fail(const Status& status);

  const Deps deps_;
  const WallTime now_;
  const WallTime finished_after_;
  const std::unique_ptr<Journal::Reader> journal_;
  const std::shared_ptr<Protection> protection_ = std::make_shared<Protection>();
  UniqueFunction<void(Status)> started_;
  std::vector<ListToRead> lists_;  // still to be read
  std::unordered_set<Hash> fresh_;
  bool only_private_tags_ = false;
};

}  // namespace blobd::engine
