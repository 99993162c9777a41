// registry: the daemon's memory over restarts, `registry.db`: intents, providers, remotes, tags,
// leases, the history of transfers and the ids handed out.
//
// Registry is what the engine uses of it; the real one is SqliteRegistry (sqlite_registry.h), tests
// may fake it. records.h has the values, change.h what a commit may do to them.
//
// Thread:    every call from any thread; it never blocks. Answers are posted to the executor given
//            at opening, one each, in the order of the calls; those of ListProtected and Backup
//            come when they are ready, and show at least what was committed before the call.
// Durability: a Commit answered with OK survives power loss. Commits that wait at the same time
//             share one sync.
// Errors:    kResourceExhausted: disk full, works again when there is room; kDataLoss: the database
//            is damaged (RecoverRegistry saves what reads); kUnavailable: a sync failed, so nothing
//            is acknowledged any more until the database is opened again. None changes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "registry/change.h"
#include "registry/records.h"

namespace blobd::registry {

// Everything the engine needs to go on where it stopped.
struct Snapshot {
  std::vector<IntentRow> unfinished;  // by id
  std::vector<ProviderRow> providers;
  std::vector<RemoteAddressRow> addresses;
  std::vector<BanRow> bans;
  std::vector<RemoteRow> remotes;
  std::vector<SettingRow> settings;
};

// Where a page of loading begins: at the beginning, or where the page before said.
struct LoadCursor {
  enum class Part : uint8_t { kRemotes, kProviders, kIntents };
  Part part = Part::kRemotes;
  IntentId intent;                      // kIntents: the last one that was loaded
  std::optional<ProviderRow> provider;  // kProviders: likewise
};
struct LoadedPage {
  Snapshot rows;
  std::optional<LoadCursor> next;  // nullopt: that was all
};

enum class IdSpace : uint8_t { kIntent = 0, kTransfer = 1, kRequest = 2 };

// A block of ids that nobody was ever given: [first, end).
struct IdBlock {
  uint64_t first = 0;
  uint64_t end = 0;
};

struct IntentFilter {
  std::optional<bool> finished;
  std::optional<Hash> hash;
  std::optional<uint32_t> owner_uid;
  std::optional<std::string> label;
  bool newest_first = false;  // by falling id
};

struct TagFilter {
  std::optional<uint32_t> owner_uid;
  std::optional<Hash> hash;
  std::string prefix;  // of the name
};

struct TransferFilter {
  std::optional<Hash> hash;
  std::optional<ProviderId> provider;
  std::optional<TransferOutcome> outcome;
  bool newest_first = false;  // by falling id
};

class Registry {
 public:
  template <typename T>
  using Done = UniqueFunction<void(StatusOr<T>)>;

  virtual ~Registry() = default;

  // All at once; for large registries the pages are kinder to memory.
  virtual void Load(Done<Snapshot> done) = 0;
  // About `limit` rows. First all of addresses, bans, remotes and settings, then providers, then
  // unfinished intents, so that an intent's providers are known before it is. REQUIRES: nothing is
  // committed between the first page and the last
  virtual void LoadPage(const LoadCursor& from, size_t limit, Done<LoadedPage> done) = 0;
  void Commit(std::vector<Change> changes, UniqueFunction<void(Status)> done) {
    CommitAndTell(std::move(changes), nullptr, std::move(done));
  }
  // The same. If it succeeds, `at_once` is called too, by a thread of the registry: with the
  // changes durable and the answer posted, but without the wait until that has its turn. It must be
  // quick, since other commits wait for it. If it fails, `at_once` is dropped before the answer is
  // posted.
  virtual void CommitAndTell(std::vector<Change> changes, Task at_once,
                             UniqueFunction<void(Status)> done) = 0;
  // Hands out a durable block of `count` new ids, above all handed out before; also if the database
  // was damaged, restored or recovered since.
  virtual void ReserveIds(IdSpace space, uint64_t count, Done<IdBlock> done) = 0;

  virtual void GetIntent(IntentId id, Done<std::optional<IntentRow>> done) = 0;
  // Of `ids`, in their order, those that an intent has, be it that it has ended.
  virtual void KnownIntents(std::vector<IntentId> ids, Done<std::vector<IntentId>> done) = 0;
  // The owner's intents that have these idempotency keys, in the order of the keys.
  virtual void FindIntentsByKeys(uint32_t owner_uid, std::vector<std::string> keys,
                                 Done<std::vector<IntentRow>> done) = 0;
  // Intents beyond `after` in the order of the filter, at most `limit`; 0: from the beginning.
  virtual void ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                           Done<std::vector<IntentRow>> done) = 0;
  virtual void FailuresOf(IntentId intent, Done<std::vector<FailureRow>> done) = 0;

  virtual void FindTag(const std::string& name, Done<std::optional<TagRow>> done) = 0;
  // Tags with a name greater than `after`, by name.
  virtual void ListTags(const TagFilter& filter, const std::string& after, size_t limit,
                        Done<std::vector<TagRow>> done) = 0;
  // All of them, also those that have ended.
  virtual void ListLeases(Done<std::vector<LeaseRow>> done) = 0;

  // Of the history: transfers beyond `after` in the order of the filter; 0: from the beginning.
  virtual void ListTransfers(const TransferFilter& filter, TransferId after, size_t limit,
                             Done<std::vector<TransferRow>> done) = 0;
  // Providers of which verified bytes of the blob came as far as the history goes, the latest
  // first, each once, a thousand at most.
  virtual void ProvidersSeen(const Hash& hash, size_t limit,
                             Done<std::vector<ProviderId>> done) = 0;
  // nullopt: nothing came to an end with this provider for long.
  virtual void TotalsOf(const ProviderId& provider, Done<std::optional<ProviderTotals>> done) = 0;

  // The addresses of a node that worked, the latest first, at most 32.
  virtual void AddressesOf(const NodeId& node, Done<std::vector<RemoteAddressRow>> done) = 0;

  // Every kind that must be kept, in no order, perhaps several times: wanted by an unfinished
  // intent, named by a tag, leased beyond `now`, or wanted by an intent that finished after
  // `finished_after`. An error means that nothing may be collected.
  virtual void ListProtected(WallTime now, WallTime finished_after,
                             Done<std::vector<ProtectedRow>> done) = 0;

  // A consistent copy as the new file `path` (absolute, mode 0600): it appears checked, synced and
  // complete, or not at all. Commits go on meanwhile. kAlreadyExists: there is such a file.
  virtual void Backup(const std::string& path, UniqueFunction<void(Status)> done) = 0;
};

}  // namespace blobd::registry
