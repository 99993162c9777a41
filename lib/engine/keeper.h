// Keeper: what stays in the store and what goes: tags, leases of what was added, garbage
// collection, removal and verification. It stands beside the Engine, of which it knows only what is
// wanted now (wants.h).
//
// Thread:    the control loop. Every `done` is called later or at once on the same thread.
// Ownership: all of Deps outlive it, and it outlives what it waits for; it is destroyed when the
//            loop no longer turns.
// Errors:    kResourceExhausted: too much of this kind is under way. Those of `may_remove`. Others
//            as gathering.h, collector.h, remover.h, tag_book.h and verifier.h say.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/timers.h"
#include "engine/collector.h"
#include "engine/event_log.h"
#include "engine/remover.h"
#include "engine/shared_gathering.h"
#include "engine/tag_book.h"
#include "engine/verifier.h"
#include "engine/wants.h"
#include "registry/registry.h"
#include "store/blob_store.h"

namespace blobd::engine {

struct KeeperOptions {
  Duration lease = hours(24);  // for what was added, or got by an intent that ended
  uint64_t max_bytes = 0;      // content of the store; 0: no limit
  Duration check_interval = minutes(10);
};

class Keeper {
 public:
  struct Deps {
    Executor& control;
    Timers& timers;
    const Clock& clock;
    registry::Registry& registry;
    store::BlobStore& store;
    Wants& wants;
    std::function<std::shared_ptr<Executor>()> make_strand;
    EventLog& log;
    // An error while nothing may be removed, because it is not known what is protected.
    std::function<Status()> may_remove;
    decltype(Verifier::Deps::repair) repair;
  };

  Keeper(Deps deps, KeeperOptions options);
  ~Keeper();

  // Begins to look after the size limit and the disk.
  void Start();
  void Stop();
  // What the configuration says now; leases that were given stay as long as they were given for.
  void Reconfigure(const KeeperOptions& options);
  // What keeps the store from staying within its size limit or the disk; empty: nothing.
  const std::string& worry() const { return last_worry_; }

  // ---- Tags ----
  void ChangeTag(const Caller& caller, TagChange change, TagBook::Done done) {
    tags_.Change(caller, std::move(change), std::move(done));
  }
  void FindTag(const std::string& name,
               registry::Registry::Done<std::optional<registry::TagRow>> done);
  void ListTags(const registry::TagFilter& filter, const std::string& after, size_t limit,
                registry::Registry::Done<std::vector<registry::TagRow>> done);

  // Of these blobs, those that private tags of others name, also through collections: `caller` must
  // not learn of them, if not by an intent or tag of its own. What cannot be found out is hidden.
  using Hidden = std::unordered_set<Hash>;
  void HiddenFrom(const Caller& caller, std::vector<Hash> hashes,
                  UniqueFunction<void(Hidden)> done);

  // ---- Adding ----
  // Blobs that are taken in after this, and those of `pins`, are not removed before EndAdd.
  using AddId = uint64_t;
  AddId BeginAdd(std::vector<Hash> pins);
  // Keeps what was added for the time of a lease, durably and all in one commit, and ends the add
  // if that succeeded. kAborted: some of it was removed in the moment between; add it again.
  // REQUIRES: there are some
  void KeepAdded(AddId id, const Caller& caller, const std::vector<Kind>& kinds,
                 UniqueFunction<void(Status)> done);
  void EndAdd(AddId id);

  // ---- Keeping and removing ----
  // The reasons to keep it, at most 1,000, the strongest first. If it is hidden from `caller`: only
  // tags, and the caller's own leases.
  void WhyKept(const Caller& caller, const Hash& hash,
               UniqueFunction<void(StatusOr<std::vector<Keeping>>)> done);
  void Remove(const Caller& caller, std::vector<Hash> hashes, bool force,
              UniqueFunction<void(StatusOr<Removed>)> done);
  // One run at a time, and beside it one dry run; null, and `done` was called, if there is one.
  // `progress` may be empty.
  std::shared_ptr<KeeperJob> Collect(const GcRequest& request,
                                     std::function<void(const GcReport&)> progress,
                                     UniqueFunction<void(const Status&, GcReport)> done);
  // The same for verification.
  std::shared_ptr<KeeperJob> Verify(std::vector<Hash> hashes, Verifier::Listener listener);

 private:
  struct OpenAdd {
    WallTime since;
    std::vector<Hash> pins;
  };

  void AskWhyKept(const Hash& hash, UniqueFunction<void(StatusOr<std::vector<Keeping>>)> done);
  void HideWhatOthersTagged(const Caller& caller, Hidden doubtful,
                            UniqueFunction<void(Hidden)> done);
  void LookAtAdded(AddId id, std::vector<Hash> hashes, UniqueFunction<void(Status)> done);
  std::shared_ptr<Gathering> Gather();
  bool IsPinned(const Hash& hash) const { return pins_.count(hash) != 0; }
  bool IsBeingAdded(const store::BlobUse& blob) const;
  void OnDisk(const store::DiskState& state);
  void ArmCheck(Duration delay);
  void Check();
  void CollectIfOver(const store::StoreStats& stats);
  void CollectDown(uint64_t to_bytes, std::string why);
  void OnCollectedDown(const std::string& why, const Status& status, const GcReport& report);

  const Deps deps_;
  KeeperOptions options_;
  TagBook tags_;
  std::map<AddId, OpenAdd> adds_;
  std::unordered_map<Hash, size_t> pins_;  // of all open adds
  AddId next_add_ = 1;
  SharedGathering all_;           // for WhyKept and Remove
  SharedGathering private_tags_;  // for HiddenFrom
  std::shared_ptr<KeeperJob> collecting_;
  std::shared_ptr<KeeperJob> dry_running_;
  std::shared_ptr<KeeperJob> verifying_;
  std::unique_ptr<store::DiskWatch> disk_watch_;
  store::DiskState disk_;
  TimerId check_timer_ = 0;
  bool stopped_ = false;
  std::string last_worry_;  // of automatic runs: told once, and shown
};

}  // namespace blobd::engine
