#include "registry/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "registry/schema.h"

namespace blobd::registry {
namespace {

// An upsert, since INSERT OR REPLACE would delete another intent that holds the same key.
std::string PutIntentSql() {
  std::string sql =
      kIntentsTable.Insert("INSERT") + " ON CONFLICT(id) DO UPDATE SET sum=excluded.sum";
  std::string_view rest = kIntentsTable.columns;
  while (!rest.empty()) {
    const std::string_view column = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), column.size() + 2));
    if (column != "id") sql += fmt::format(", {0}=excluded.{0}", column);
  }
  return sql;
}

std::string TrimSql(std::string_view table, std::string_view column, std::string_view key) {
  return fmt::format("DELETE FROM {0} WHERE ({2}) IN (SELECT {2} FROM {0} WHERE {1}<=?1 LIMIT {3})",
                     table, column, key, kTrimmedAtOnce);
}

}  // namespace

std::string SqlOf(Query query) {
  switch (query) {
    case kPutIntent:
      return PutIntentSql();
    case kNoteEnded:
      return "INSERT OR IGNORE INTO ended_intents(id) VALUES(?1)";
    case kEndedBeyond:
      return fmt::format(
          "SELECT place, id FROM ended_intents WHERE place<=?1 ORDER BY place LIMIT {}",
          kTrimmedAtOnce);
    case kForgetEnded:
      return "DELETE FROM ended_intents WHERE place=?1";
    case kDropEndedIntent:
      return "DELETE FROM intents WHERE id=?1 AND result<>0";
    case kHasIntent:
      return "SELECT 1 FROM intents WHERE id=?1";
    case kPutFailure:
      return kIntentFailuresTable.Insert("INSERT OR REPLACE");
    case kDropFailures:
      return "DELETE FROM intent_failures WHERE intent_id=?1";
    case kPutProvider:
      return kProvidersTable.Insert("INSERT OR REPLACE");
    case kDropProvider:
      return "DELETE FROM providers WHERE hash=?1 AND provider_kind=?2 AND provider=?3";
    case kPutRemoteAddress:
      return kRemoteAddressesTable.Insert("INSERT OR REPLACE");
    case kDropRemoteAddress:
      return "DELETE FROM remote_addresses WHERE node=?1 AND address=?2";
    case kDropRemoteAddresses:
      return "DELETE FROM remote_addresses WHERE node=?1";
    case kPutRemote:
      return kRemotesTable.Insert("INSERT OR REPLACE");
    case kDropRemote:
      return "DELETE FROM remotes WHERE node=?1";
    case kPutBan:
      return kBansTable.Insert("INSERT OR REPLACE");
    case kDropBan:
      return "DELETE FROM bans WHERE provider_kind=?1 AND provider=?2";
    case kPutSetting:
      return kSettingsTable.Insert("INSERT OR REPLACE");
    case kDropSetting:
      return "DELETE FROM settings WHERE name=?1";
    case kPutTag:
      return kTagsTable.Insert("INSERT OR REPLACE");
    case kDropTag:
      return "DELETE FROM tags WHERE name=?1";
    case kCountTags:
      return "SELECT count(*) FROM tags WHERE owner_uid=?1";
    case kPutLease:
      return kLeasesTable.Insert("INSERT OR REPLACE");
    case kDropLease:
      return "DELETE FROM leases WHERE hash=?1 AND format=?2 AND holder=?3";
    case kDropEndedLeases:
      return "DELETE FROM leases WHERE until_unix_ms<=?1";
    case kPutTransfer:
      return kTransfersTable.Insert("INSERT OR REPLACE");
    case kHasTransfer:
      return "SELECT 1 FROM transfers WHERE id=?1";
    case kTrimTransfers:
      return TrimSql("transfers", "place", "place");
    case kPutTotals:
      return kProviderTotalsTable.Insert("INSERT OR REPLACE");
    case kTrimTotals:
      return TrimSql("provider_totals", "last_place", "provider_kind, provider");
    case kGetNextId:
      return kNextIdsTable.Select() + " WHERE space=?1";
    case kSetNextId:
      return kNextIdsTable.Insert("INSERT OR REPLACE");
    case kMaxIntentId:
      return "SELECT coalesce(max(id), 0) FROM intents";
    case kGetIntent:
      return kIntentsTable.Select() + " WHERE id=?1";
    case kFindIntent:
      // The partial index is used only where the query repeats its condition.
      return kIntentsTable.Select() +
             " WHERE owner_uid=?1 AND idempotency_key=?2 AND idempotency_key<>''";
    case kFailuresOf:
      return kIntentFailuresTable.Select() + " WHERE intent_id=?1 ORDER BY place";
    case kFindTag:
      return kTagsTable.Select() + " WHERE name=?1";
    case kListLeases:
      return kLeasesTable.Select();
    case kProvidersSeen:
      return kTransfersTable.Select() + " WHERE hash=?1 AND verified_bytes>0 ORDER BY place DESC";
    case kTotalsOf:
      return kProviderTotalsTable.Select() + " WHERE provider_kind=?1 AND provider=?2";
    case kAddressesOf:
      return kRemoteAddressesTable.Select() +
             " WHERE node=?1 AND last_worked_unix_ms>0"
             " ORDER BY last_worked_unix_ms DESC, address LIMIT 32";
    case kLoadProviders:
      return kProvidersTable.Select() +
             " WHERE (hash, provider_kind, provider)>(?1, ?2, ?3)"
             " ORDER BY hash, provider_kind, provider LIMIT ?4";
    case kLoadIntents:
      // The table itself: what a damaged index forgot is there, and every row's sum is checked.
      return fmt::format("{} NOT INDEXED WHERE id>?1 ORDER BY id LIMIT ?2", kIntentsTable.Select());
    case kQueries:
      break;
  }
  BLOBD_CHECK(false);
  return {};
}

// Conditions are added only where asked for, so that each combination gets the index that fits it.
// The last one names every parameter. A partial index is used only where its condition is repeated.
std::string SqlOfList(const IntentFilter& filter) {
  std::string sql =
      kIntentsTable.Select() + (filter.newest_first ? " WHERE id<=?1" : " WHERE id>?1");
  if (filter.finished) sql += *filter.finished ? " AND result<>0" : " AND result=0";
  if (filter.hash) sql += " AND hash=?2";
  if (filter.owner_uid) sql += " AND owner_uid=?3";
  if (filter.label) sql += filter.label->empty() ? " AND label=?4" : " AND label=?4 AND label<>''";
  sql += " AND ?2 IS ?2 AND ?3 IS ?3 AND ?4 IS ?4 ORDER BY id";
  return sql + (filter.newest_first ? " DESC LIMIT ?5" : " LIMIT ?5");
}

}  // namespace blobd::registry
