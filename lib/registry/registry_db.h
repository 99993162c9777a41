// RegistryDb: registry.db as typed operations, each on the caller's thread. SqliteRegistry puts
// them on a thread of their own and in groups.
//
// Thread:    one at a time.
// Ownership: owns the connection.
// Errors:    kDataLoss: a row or page is damaged. kAlreadyExists: the owner's idempotency key
//            belongs to another intent. kInvalidArgument: a value cannot be stored. Those of
//            change.h. kUnavailable: see sqlite/database.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/id_mark.h"
#include "registry/queries.h"
#include "registry/registry.h"
#include "registry/rows.h"
#include "sqlite/open.h"

namespace blobd::registry {

class RegistryDb {
 public:
  struct Options {
    std::string vfs = {};      // see sqlite::OpenOptions
    std::string boot_id = {};  // likewise
    uint32_t transfers_kept = 10000;
    uint32_t ended_intents_kept = 100000;
    uint32_t tags_per_owner = 10000;  // one more is refused
  };

  // Opens or creates `path` and, beside it, `path`.ids (id_mark.h).
  static StatusOr<RegistryDb> Open(const std::string& path, const Options& options);

  sqlite::Database& database() { return database_; }
  // What opening found besides refusals; see sqlite/open.h.
  const sqlite::OpenFindings& findings() const { return findings_; }

  // Applies changes in order.
  // REQUIRES: a transaction is open; after an error it, or a savepoint in it, is undone
  Status Apply(const std::vector<Change>& changes);
  // REQUIRES: as Apply
  StatusOr<IdBlock> ReserveIds(IdSpace space, uint64_t count);

  StatusOr<Snapshot> Load();
  StatusOr<LoadedPage> LoadPage(const LoadCursor& from, size_t limit);
  StatusOr<std::optional<IntentRow>> GetIntent(IntentId id);
  StatusOr<std::vector<IntentId>> KnownIntents(const std::vector<IntentId>& ids);
  StatusOr<std::optional<IntentRow>> FindIntentByKey(uint32_t owner_uid, const std::string& key);
  StatusOr<std::vector<IntentRow>> FindIntentsByKeys(uint32_t owner_uid,
                                                     const std::vector<std::string>& keys);
  StatusOr<std::vector<IntentRow>> ListIntents(const IntentFilter& filter, IntentId after,
                                               size_t limit);
  StatusOr<std::vector<FailureRow>> FailuresOf(IntentId intent);
  StatusOr<std::optional<TagRow>> FindTag(const std::string& name);
  StatusOr<std::vector<TagRow>> ListTags(const TagFilter& filter, const std::string& after,
                                         size_t limit);
  StatusOr<std::vector<LeaseRow>> ListLeases();
  StatusOr<std::vector<TransferRow>> ListTransfers(const TransferFilter& filter, TransferId after,
                                                   size_t limit);
  StatusOr<std::vector<ProviderId>> ProvidersSeen(const Hash& hash, size_t limit);
  StatusOr<std::optional<ProviderTotals>> TotalsOf(const ProviderId& provider);
  StatusOr<std::vector<RemoteAddressRow>> AddressesOf(const NodeId& node);

 private:
  RegistryDb(sqlite::Database database, IdMark mark, const Options& options)
      : database_(std::move(database)), mark_(std::move(mark)), options_(options) {}
  Status PrepareAll();
  Status StartIdsAboveDoubt();
  sqlite::Statement& Use(Query query) { return statements_[query]; }
  StatusOr<bool> HasRow(sqlite::Statement& statement);
  StatusOr<uint64_t> NextId(IdSpace space);

  Status ApplyOne(const Change& change);
  Status Run(const Status& bound, Query query);
  Status ApplyIntent(const IntentRow& intent);
  Status ForgetEndedBeyond(int64_t newest_place);
  Status ApplyFailures(const PutIntentFailures& put);
  Status ApplyRemoteDrop(const NodeId& node);
  Status ApplyTag(const PutTag& put);
  Status ApplyTagDrop(const DropTag& drop);
  Status ApplyLeaseDrop(const DropLease& drop);
  Status ApplyTransfer(const TransferRow& transfer);
  Status AddToTotals(const TransferRow& transfer, int64_t place);

  Status LoadRemotes(Snapshot& rows);
  StatusOr<std::optional<LoadCursor>> LoadProviders(const LoadCursor& from, size_t limit,
                                                    Snapshot& rows);
  StatusOr<std::optional<LoadCursor>> LoadIntents(const LoadCursor& from, size_t limit,
                                                  Snapshot& rows);

  sqlite::Database database_;
  IdMark mark_;
  Options options_;
  sqlite::OpenFindings findings_;
  std::vector<sqlite::Statement> statements_;  // by Query; after database_, so that they go first
};

}  // namespace blobd::registry
