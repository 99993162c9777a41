// Queries of RegistryDb.
#include <algorithm>

#include "registry/fields.h"
#include "registry/read_rows.h"
#include "registry/registry_db.h"
#include "registry/schema.h"

namespace blobd::registry {
namespace {

constexpr size_t kMostProvidersSeen = 1000;  // each is compared with those before it

int64_t Limit(size_t limit) { return Signed(std::min<uint64_t>(limit, kMaxInteger)); }

// The least text greater than all that begin with `prefix`; empty if there is none.
std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

StatusOr<std::optional<IntentRow>> RegistryDb::GetIntent(IntentId id) {
  if (id.value > kMaxInteger) return std::optional<IntentRow>();
  return ReadOne(Use(kGetIntent).Bind(Signed(id.value)), &ReadIntent);
}

StatusOr<std::optional<IntentRow>> RegistryDb::FindIntentByKey(uint32_t owner_uid,
                                                               const std::string& key) {
  return ReadOne(Use(kFindIntent).Bind(int64_t{owner_uid}, std::string_view(key)), &ReadIntent);
}

StatusOr<std::vector<IntentId>> RegistryDb::KnownIntents(const std::vector<IntentId>& ids) {
  std::vector<IntentId> known;
  for (const IntentId id : ids) {
    if (id.value > kMaxInteger) continue;
    BLOBD_ASSIGN_OR_RETURN(const bool is_there, HasRow(Use(kHasIntent).Bind(Signed(id.value))));
    if (is_there) known.push_back(id);
  }
  return known;
}

StatusOr<std::vector<IntentRow>> RegistryDb::FindIntentsByKeys(
    uint32_t owner_uid, const std::vector<std::string>& keys) {
  std::vector<IntentRow> rows;
  for (const std::string& key : keys) {
    BLOBD_ASSIGN_OR_RETURN(std::optional<IntentRow> row, FindIntentByKey(owner_uid, key));
    if (row) rows.push_back(*std::move(row));
  }
  return rows;
}

StatusOr<std::vector<IntentRow>> RegistryDb::ListIntents(const IntentFilter& filter, IntentId after,
                                                         size_t limit) {
  if (after.value > kMaxInteger && !filter.newest_first) return std::vector<IntentRow>();
  const bool from_end = !after || after.value > kMaxInteger;
  uint64_t bound = after.value;
  if (filter.newest_first) bound = from_end ? kMaxInteger : after.value - 1;
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement list, database_.Prepare(SqlOfList(filter)));
  const Hash hash = filter.hash.value_or(Hash{});
  list.Bind(Signed(bound), hash.view(), int64_t{filter.owner_uid.value_or(0)},
            std::string_view(filter.label ? *filter.label : std::string_view()), Limit(limit));
  return ReadAll(list, &ReadIntent);
}

StatusOr<std::vector<FailureRow>> RegistryDb::FailuresOf(IntentId intent) {
  if (intent.value > kMaxInteger) return std::vector<FailureRow>();
  return ReadAll(Use(kFailuresOf).Bind(Signed(intent.value)), &ReadFailure);
}

StatusOr<std::optional<TagRow>> RegistryDb::FindTag(const std::string& name) {
  return ReadOne(Use(kFindTag).Bind(std::string_view(name)), &ReadTag);
}

// As in SqlOfList, conditions are added only where asked for.
StatusOr<std::vector<TagRow>> RegistryDb::ListTags(const TagFilter& filter,
                                                   const std::string& after, size_t limit) {
  std::string sql = kTagsTable.Select() + " WHERE name>?1";
  if (!filter.prefix.empty()) sql += " AND name>=?2";
  const std::string end = AfterPrefix(filter.prefix);
  if (!end.empty()) sql += " AND name<?3";
  if (filter.owner_uid) sql += " AND owner_uid=?4";
  if (filter.hash) sql += " AND hash=?5";
  sql += " AND ?2 IS ?2 AND ?3 IS ?3 AND ?4 IS ?4 AND ?5 IS ?5 ORDER BY name LIMIT ?6";
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement list, database_.Prepare(sql));
  const Hash hash = filter.hash.value_or(Hash{});
  list.Bind(std::string_view(after), std::string_view(filter.prefix), std::string_view(end),
            int64_t{filter.owner_uid.value_or(0)}, hash.view(), Limit(limit));
  return ReadAll(list, &ReadTag);
}

StatusOr<std::vector<LeaseRow>> RegistryDb::ListLeases() {
  return ReadAll(Use(kListLeases).Bind(), &ReadLease);
}

StatusOr<std::vector<TransferRow>> RegistryDb::ListTransfers(const TransferFilter& filter,
                                                             TransferId after, size_t limit) {
  const bool from_end = filter.newest_first && !after;
  if (after.value > kMaxInteger && !filter.newest_first) return std::vector<TransferRow>();
  const uint64_t bound = from_end ? kMaxInteger : std::min(after.value, kMaxInteger);
  std::string sql = kTransfersTable.Select();
  sql += filter.newest_first ? (from_end ? " WHERE id<=?1" : " WHERE id<?1") : " WHERE id>?1";
  if (filter.hash) sql += " AND hash=?2";
  if (filter.provider) sql += " AND provider_kind=?3 AND provider=?4";
  if (filter.outcome) sql += " AND outcome=?5";
  sql += " AND ?2 IS ?2 AND ?3 IS ?3 AND ?4 IS ?4 AND ?5 IS ?5 ORDER BY id";
  sql += filter.newest_first ? " DESC LIMIT ?6" : " LIMIT ?6";
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement list, database_.Prepare(sql));
  const Hash hash = filter.hash.value_or(Hash{});
  const ProviderKey key = filter.provider ? KeyOf(*filter.provider) : ProviderKey{0, {}};
  list.Bind(Signed(bound), hash.view(), key.kind, key.bytes,
            Number(filter.outcome.value_or(TransferOutcome::kDone)), Limit(limit));
  return ReadAll(list, &ReadTransfer);
}

StatusOr<std::vector<ProviderId>> RegistryDb::ProvidersSeen(const Hash& hash, size_t limit) {
  std::vector<ProviderId> providers;
  sqlite::Statement& statement = Use(kProvidersSeen).Bind(hash.view());
  const size_t most = std::min(limit, kMostProvidersSeen);
  while (providers.size() < most) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return providers;
    StatusOr<TransferRow> row = ReadTransfer(statement);
    if (!row.ok()) {
      statement.Reset();
      return row.status();
    }
    if (std::find(providers.begin(), providers.end(), row->provider) == providers.end()) {
      providers.push_back(std::move(row->provider));
    }
  }
  statement.Reset();
  return providers;
}

StatusOr<std::optional<ProviderTotals>> RegistryDb::TotalsOf(const ProviderId& provider) {
  sqlite::Statement& find = Use(kTotalsOf);
  BLOBD_RETURN_IF_ERROR(BindProviderKey(provider, find));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<TotalsRow> row, ReadOne(find, &ReadTotals));
  if (!row) return std::optional<ProviderTotals>();
  return std::optional<ProviderTotals>(row->totals);
}

StatusOr<std::vector<RemoteAddressRow>> RegistryDb::AddressesOf(const NodeId& node) {
  return ReadAll(Use(kAddressesOf).Bind(node.view()), &ReadRemoteAddress);
}

}  // namespace blobd::registry
