// SqliteRegistry: the registry in registry.db, with a thread of its own for the connection.
//
// What is called while a transaction syncs waits, and then shares the next transaction and its one
// sync: group commit. In a group every Commit has a savepoint, so one that cannot be applied fails
// alone. Queries run in place among the commits they were called between, and are answered like
// them after the sync: what an answer shows is durable.
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
    size_t max_waiting = 100000;  // changes and queries that wait, together
  };

  // Opens or creates the database `path`; refusals are those of sqlite::OpenDatabase. Blocks on the
  // disk.
  static StatusOr<std::unique_ptr<SqliteRegistry>> Open(const std::string& path,
                                                        Executor& answer_on, Options options);
  ~SqliteRegistry() override;

  void Load(UniqueFunction<void(StatusOr<Snapshot>)> done) override;
  void Commit(std::vector<Change> changes, UniqueFunction<void(Status)> done) override;
  void ReserveIds(IdSpace space, uint64_t count,
                  UniqueFunction<void(StatusOr<IdBlock>)> done) override;
  void GetIntent(IntentId id,
                 UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) override;
  void FindIntentByKey(uint32_t owner_uid, const std::string& key,
                       UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) override;
  void ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                   UniqueFunction<void(StatusOr<std::vector<IntentRow>>)> done) override;

 private:
  class Operation;
  template <typename Outcome>
  class Call;

  SqliteRegistry(RegistryDb db, std::unique_ptr<loop::Loop> loop, Executor& answer_on,
                 Options options);
  template <typename Outcome, typename Work>
  void Enqueue(bool writes, size_t cost, Work work, UniqueFunction<void(Outcome)> done);
  void RunWaiting();
  void RunGroup(std::vector<std::unique_ptr<Operation>> group);
  Status WriteGroup(const std::vector<std::unique_ptr<Operation>>& group);

  Executor& answer_on_;
  const Options options_;
  std::atomic<size_t> waiting_cost_ = 0;
  // Below: the registry's thread only.
  RegistryDb db_;
  std::vector<std::unique_ptr<Operation>> waiting_;
  const std::unique_ptr<loop::Loop> loop_;
  std::thread thread_;
};

}  // namespace blobd::registry
