#include "registry/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "registry/offline_views.h"

namespace blobd::registry {
namespace {

// Times are milliseconds since 1970, 0 for none. A provider is (kind 0, node id) or (kind 1, URL).
// Ids are the rowids; next_ids holds, per IdSpace, the first one that was never handed out.
constexpr std::string_view kVersionOne = R"sql(
CREATE TABLE intents(
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  format INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  owner_uid INTEGER NOT NULL,
  label TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  created_unix_ms INTEGER NOT NULL,
  deadline_unix_ms INTEGER NOT NULL,
  patience_ms INTEGER NOT NULL,
  result INTEGER NOT NULL,
  reason TEXT NOT NULL,
  finished_unix_ms INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL,
  downloaded_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX intents_unfinished ON intents(id) WHERE result = 0;
CREATE INDEX intents_by_hash ON intents(hash);
CREATE UNIQUE INDEX intents_by_key ON intents(owner_uid, idempotency_key) WHERE idempotency_key <> '';

CREATE TABLE providers(
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  provider_kind INTEGER NOT NULL,
  provider BLOB NOT NULL,
  PRIMARY KEY(hash, provider_kind, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE remote_addresses(
  node BLOB NOT NULL CHECK(length(node) = 32),
  address BLOB NOT NULL CHECK(length(address) = 18),
  source TEXT NOT NULL,
  last_worked_unix_ms INTEGER NOT NULL,
  rtt_us INTEGER NOT NULL,
  PRIMARY KEY(node, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE bans(
  provider_kind INTEGER NOT NULL,
  provider BLOB NOT NULL,
  until_unix_ms INTEGER NOT NULL,
  times INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY(provider_kind, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE next_ids(
  space INTEGER PRIMARY KEY,
  next_id INTEGER NOT NULL
) STRICT;
)sql";

// Row sums, remotes' last results, tags, leases, history. What a table keeps only the latest of has
// places: they rise by one, so those beyond the limit are found without counting.
constexpr std::string_view kVersionTwo = R"sql(
ALTER TABLE intents ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE intents SET sum = row_sum('intents', id, hash, format, priority, owner_uid, label,
  idempotency_key, created_unix_ms, deadline_unix_ms, patience_ms, result, reason,
  finished_unix_ms, total_bytes, downloaded_bytes);
CREATE TABLE ended_intents(
  place INTEGER PRIMARY KEY,
  id INTEGER NOT NULL UNIQUE
) STRICT;
INSERT INTO ended_intents(id)
  SELECT id FROM intents WHERE result <> 0 ORDER BY finished_unix_ms, id;
CREATE TABLE intent_failures(
  intent_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  provider_kind INTEGER NOT NULL,
  provider BLOB NOT NULL,
  outcome INTEGER NOT NULL,
  reason TEXT NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY(intent_id, place)
) STRICT, WITHOUT ROWID;

ALTER TABLE providers ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE providers SET sum = row_sum('providers', hash, provider_kind, provider);

ALTER TABLE remote_addresses ADD COLUMN last_failure TEXT NOT NULL DEFAULT '';
ALTER TABLE remote_addresses ADD COLUMN last_failed_unix_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE remote_addresses ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE remote_addresses SET sum = row_sum('remote_addresses', node, address, source,
  last_worked_unix_ms, rtt_us, last_failure, last_failed_unix_ms);
CREATE TABLE remotes(
  node BLOB PRIMARY KEY CHECK(length(node) = 32),
  last_worked_unix_ms INTEGER NOT NULL,
  last_failure TEXT NOT NULL,
  last_failed_unix_ms INTEGER NOT NULL,
  sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE bans ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE bans SET sum = row_sum('bans', provider_kind, provider, until_unix_ms, times, reason);

CREATE TABLE tags(
  name TEXT NOT NULL UNIQUE,
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  format INTEGER NOT NULL,
  owner_uid INTEGER NOT NULL,
  is_private INTEGER NOT NULL,
  created_unix_ms INTEGER NOT NULL,
  changed_unix_ms INTEGER NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
CREATE INDEX tags_by_owner ON tags(owner_uid);
CREATE INDEX tags_by_hash ON tags(hash);

CREATE TABLE leases(
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  format INTEGER NOT NULL,
  holder TEXT NOT NULL,
  until_unix_ms INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  UNIQUE(hash, format, holder)
) STRICT;

CREATE TABLE transfers(
  place INTEGER PRIMARY KEY,
  id INTEGER NOT NULL UNIQUE,
  provider_kind INTEGER NOT NULL,
  provider BLOB NOT NULL,
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  format INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  reason TEXT NOT NULL,
  received_bytes INTEGER NOT NULL,
  verified_bytes INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL,
  started_unix_ms INTEGER NOT NULL,
  finished_unix_ms INTEGER NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_by_hash ON transfers(hash);
CREATE TABLE provider_totals(
  provider_kind INTEGER NOT NULL,
  provider BLOB NOT NULL,
  transfers INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  received_bytes INTEGER NOT NULL,
  verified_bytes INTEGER NOT NULL,
  last_place INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY(provider_kind, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_totals_by_place ON provider_totals(last_place);

ALTER TABLE next_ids ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE next_ids SET sum = row_sum('next_ids', space, next_id);
)sql";

// Whether an intent is paused, and settings.
constexpr std::string_view kVersionThree = R"sql(
ALTER TABLE intents ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
UPDATE intents SET sum = row_sum('intents', id, hash, format, priority, owner_uid, label,
  idempotency_key, created_unix_ms, deadline_unix_ms, patience_ms, result, reason,
  finished_unix_ms, total_bytes, downloaded_bytes, paused);
CREATE TABLE settings(
  name TEXT NOT NULL UNIQUE,
  value INTEGER NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
)sql";

// What lists of intents are filtered by; each index has the ids of one value in order.
constexpr std::string_view kVersionFour = R"sql(
CREATE INDEX intents_by_owner ON intents(owner_uid);
CREATE INDEX intents_by_label ON intents(label) WHERE label <> '';
CREATE INDEX intents_ended ON intents(id) WHERE result <> 0;
)sql";

std::string WithViews(std::string_view tables) {
  return std::string(tables) + std::string(kOfflineViewsVersionOne);
}

}  // namespace

const sqlite::Schema& RegistrySchema() {
  static const std::string version_two = WithViews(kVersionTwo);
  static const std::array<std::string_view, 4> migrations = {kVersionOne, version_two,
                                                             kVersionThree, kVersionFour};
  static const sqlite::Schema schema{
      .what = "a registry of blobd",
      .application_id = 0x626c6f52,  // "bloR"
      .migrations = migrations,
  };
  return schema;
}

using sqlite::KeyType;

const Table kIntentsTable{
    "intents",
    "id, hash, format, priority, owner_uid, label, idempotency_key, created_unix_ms, "
    "deadline_unix_ms, patience_ms, result, reason, finished_unix_ms, total_bytes, "
    "downloaded_bytes, paused",
    "id"};
const Table kIntentFailuresTable{"intent_failures",
                                 "intent_id, place, provider_kind, provider, outcome, reason",
                                 "intent_id", KeyType::kInteger};
const Table kProvidersTable{"providers", "hash, provider_kind, provider", "hash", KeyType::kBlob};
const Table kRemoteAddressesTable{
    "remote_addresses",
    "node, address, source, last_worked_unix_ms, rtt_us, last_failure, last_failed_unix_ms", "node",
    KeyType::kBlob};
const Table kRemotesTable{"remotes", "node, last_worked_unix_ms, last_failure, last_failed_unix_ms",
                          "node", KeyType::kBlob};
const Table kBansTable{"bans", "provider_kind, provider, until_unix_ms, times, reason",
                       "provider_kind, provider", KeyType::kNone};
const Table kTagsTable{
    "tags", "name, hash, format, owner_uid, is_private, created_unix_ms, changed_unix_ms", "rowid"};
const Table kLeasesTable{"leases", "hash, format, holder, until_unix_ms", "rowid"};
const Table kTransfersTable{
    "transfers",
    "id, provider_kind, provider, hash, format, outcome, reason, received_bytes, verified_bytes, "
    "total_bytes, started_unix_ms, finished_unix_ms",
    "place"};
const Table kProviderTotalsTable{
    "provider_totals",
    "provider_kind, provider, transfers, done, failed, received_bytes, verified_bytes, last_place",
    "provider_kind, provider", KeyType::kNone};
const Table kSettingsTable{"settings", "name, value", "rowid"};
const Table kNextIdsTable{"next_ids", "space, next_id", "space"};

std::span<const Table* const> Tables() {
  static constexpr std::array<const Table*, 12> kAll = {
      &kIntentsTable,   &kIntentFailuresTable, &kProvidersTable, &kRemoteAddressesTable,
      &kRemotesTable,   &kBansTable,           &kTagsTable,      &kLeasesTable,
      &kTransfersTable, &kProviderTotalsTable, &kSettingsTable,  &kNextIdsTable};
  return kAll;
}

size_t Table::column_count() const {
  return 1 + static_cast<size_t>(std::count(columns.begin(), columns.end(), ','));
}

std::string Table::Select() const {
  return fmt::format("SELECT {0}, sum=row_sum('{1}', {0}) AS sum FROM {1}", columns, name);
}

std::string Table::Insert(std::string_view verb) const {
  std::string parameters;
  for (size_t i = 1; i <= column_count(); ++i) {
    parameters += fmt::format("{}?{}", i == 1 ? "" : ", ", i);
  }
  return fmt::format("{0} INTO {1}({2}, sum) VALUES({3}, row_sum('{1}', {3}))", verb, name, columns,
                     parameters);
}

}  // namespace blobd::registry
