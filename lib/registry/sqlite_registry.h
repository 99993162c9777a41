// SqliteRegistry: the registry in registry.db, with a thread of its own for the connection, and one
// more that only reads, for what takes long.
//
// What is called while a transaction syncs waits, and then shares the next transaction and its one
// sync: group commit. One that cannot be applied fails alone: all of its group are then applied
// again, each behind a savepoint. Queries run in place among the commits they were called between,
// and are answered like them after the sync: what an answer shows is durable.
//
// What waits has places: a change takes one, and so does a query, or four of the look-ups of one.
// Queries have places of their own, so that whoever asks much does not keep others from committing.
//
// Thread:    see registry.h. The destructor waits until everything called has been done; answers
//            are still posted.
// Ownership: owns thread and connection; `answer_on` outlives the registry.
// Errors:    besides those of registry.h: kResourceExhausted, at once and ahead of earlier answers,
//            when too much waits. kAlreadyExists: another intent of the owner has the idempotency
//            key. kInvalidArgument: a value cannot be stored.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loop/loop.h"
#include "registry/registry.h"
#include "registry/registry_db.h"

namespace blobd::registry {

class SqliteRegistry final : public Registry {
 public:
  struct Options {
    std::string vfs = {};         // see sqlite::OpenOptions
    std::string boot_id = {};     // likewise
    size_t max_waiting = 100000;  // places of changes that wait, and as many of queries
    uint32_t transfers_kept = 10000;
    uint32_t ended_intents_kept = 100000;
    uint32_t tags_per_owner = 10000;  // one more is refused
  };

  // Opens or creates the database `path`; refusals are those of sqlite::OpenDatabase. Blocks on the
  // disk.
  static StatusOr<std::unique_ptr<SqliteRegistry>> Open(const std::string& path,
                                                        Executor& answer_on, Options options);
  ~SqliteRegistry() override;

  // What opening found that is no reason to refuse: when it may be incomplete, nothing may be
  // collected until the operator has seen it (registry/salvage.h, sqlite::ForgetFindings).
  const sqlite::OpenFindings& findings() const { return findings_; }

  void Load(Done<Snapshot> done) override;
  void LoadPage(const LoadCursor& from, size_t limit, Done<LoadedPage> done) override;
  void CommitAndTell(std::vector<Change> changes, Task at_once,
                     UniqueFunction<void(Status)> done) override;
  void ReserveIds(IdSpace space, uint64_t count, Done<IdBlock> done) override;
  void GetIntent(IntentId id, Done<std::optional<IntentRow>> done) override;
  void KnownIntents(std::vector<IntentId> ids, Done<std::vector<IntentId>> done) override;
  void FindIntentsByKeys(uint32_t owner_uid, std::vector<std::string> keys,
                         Done<std::vector<IntentRow>> done) override;
  void ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                   Done<std::vector<IntentRow>> done) override;
  void FailuresOf(IntentId intent, Done<std::vector<FailureRow>> done) override;
  void FindTag(const std::string& name, Done<std::optional<TagRow>> done) override;
  void ListTags(const TagFilter& filter, const std::string& after, size_t limit,
                Done<std::vector<TagRow>> done) override;
  void ListLeases(Done<std::vector<LeaseRow>> done) override;
  void ListTransfers(const TransferFilter& filter, TransferId after, size_t limit,
                     Done<std::vector<TransferRow>> done) override;
  void ProvidersSeen(const Hash& hash, size_t limit, Done<std::vector<ProviderId>> done) override;
  void TotalsOf(const ProviderId& provider, Done<std::optional<ProviderTotals>> done) override;
  void AddressesOf(const NodeId& node, Done<std::vector<RemoteAddressRow>> done) override;
  void ListProtected(WallTime now, WallTime finished_after,
                     Done<std::vector<ProtectedRow>> done) override;
  void Backup(const std::string& path, UniqueFunction<void(Status)> done) override;

 private:
  class Operation;
  template <typename Outcome>
  class Call;
  class HandOver;
  using Group = std::vector<std::unique_ptr<Operation>>;

  SqliteRegistry(std::string path, RegistryDb db, std::unique_ptr<loop::Loop> loop,
                 std::unique_ptr<loop::Loop> reader_loop, Executor& answer_on, Options options);
  // False, and answered, when too much waits.
  template <typename Outcome>
  bool TakePlaces(bool writes, size_t places, UniqueFunction<void(Outcome)>& done);
  template <typename Outcome, typename Work>
  void Enqueue(bool writes, size_t places, Work work, UniqueFunction<void(Outcome)> done,
               Task at_once = nullptr);
  template <typename T, typename Work>
  void Query(Work work, Done<T> done, size_t places = 1);
  template <typename Outcome, typename Work>
  void OnReader(Work work, UniqueFunction<void(Outcome)> done);
  void RunWaiting();
  void RunGroup(const Group& group);
  Status WriteGroup(const Group& group);
  StatusOr<bool> WriteAllOrNone(const Group& group);
  Status WriteEach(const Group& group);

  Executor& answer_on_;
  const Options options_;
  const std::string path_;
  const sqlite::OpenFindings findings_;
  std::atomic<size_t> places_of_changes_ = 0;  // taken
  std::atomic<size_t> places_of_queries_ = 0;
  // Below: the registry's thread only.
  RegistryDb db_;
  std::vector<std::unique_ptr<Operation>> waiting_;
  const std::unique_ptr<loop::Loop> loop_;
  // What reads all of the database does so on a thread and connections of its own.
  const std::unique_ptr<loop::Loop> reader_loop_;
  std::thread reader_thread_;
  std::thread thread_;
};

}  // namespace blobd::registry
