#include "registry/schema.h"

#include <array>

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

constexpr std::array<std::string_view, 1> kMigrations = {kVersionOne};

}  // namespace

const sqlite::Schema& RegistrySchema() {
  static const sqlite::Schema schema{
      .what = "a registry of blobd",
      .application_id = 0x626c6f52,  // "bloR"
      .migrations = kMigrations,
  };
  return schema;
}

}  // namespace blobd::registry
