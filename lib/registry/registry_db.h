// RegistryDb: registry.db as typed operations, each on the caller's thread. SqliteRegistry puts
// them on a thread of their own and in groups.
//
// Thread:    one at a time.
// Ownership: owns the connection.
// Errors:    kDataLoss: a row or page is damaged. kAlreadyExists: the owner's idempotency key
//            belongs to another intent. kInvalidArgument: a value cannot be stored.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/registry.h"
#include "sqlite/open.h"

namespace blobd::registry {

class RegistryDb {
 public:
  static StatusOr<RegistryDb> Open(const std::string& path, const std::string& vfs);

  sqlite::Database& database() { return database_; }

  // Applies changes in order.
  // REQUIRES: a transaction is open; after an error it, or a savepoint in it, is undone
  Status Apply(const std::vector<Change>& changes);
  // REQUIRES: as Apply
  StatusOr<IdBlock> ReserveIds(IdSpace space, uint64_t count);

  StatusOr<Snapshot> Load();
  StatusOr<std::optional<IntentRow>> GetIntent(IntentId id);
  StatusOr<std::optional<IntentRow>> FindIntentByKey(uint32_t owner_uid, const std::string& key);
  StatusOr<std::vector<IntentRow>> ListIntents(const IntentFilter& filter, IntentId after,
                                               size_t limit);

 private:
  // Prepared once; the first seven in the order of Change.
  enum Query : size_t {
    kPutIntent,
    kPutProvider,
    kDropProvider,
    kPutRemoteAddress,
    kDropRemoteAddress,
    kPutBan,
    kDropBan,
    kGetNextId,
    kSetNextId,
    kMaxIntentId,
    kGetIntent,
    kFindIntent,
    kQueries,
  };

  explicit RegistryDb(sqlite::Database database) : database_(std::move(database)) {}
  Status PrepareAll();
  Status ApplyOne(const Change& change);

  sqlite::Database database_;
  std::vector<sqlite::Statement> statements_;  // by Query; after database_, so that they go first
};

}  // namespace blobd::registry
