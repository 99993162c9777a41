#include "registry/registry_db.h"

#include <algorithm>
#include <limits>

#include "base/overloaded.h"
#include "registry/rows.h"
#include "registry/schema.h"

namespace blobd::registry {
namespace {

constexpr uint64_t kMaxId = std::numeric_limits<int64_t>::max();

template <typename Row>
StatusOr<std::vector<Row>> ReadAll(sqlite::Statement& statement,
                                   StatusOr<Row> (*read)(sqlite::Statement&)) {
  std::vector<Row> rows;
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return rows;
    BLOBD_ASSIGN_OR_RETURN(Row row, read(statement));
    rows.push_back(std::move(row));
  }
}

template <typename Row>
StatusOr<std::vector<Row>> ReadTable(sqlite::Database& database, std::string_view sql,
                                     StatusOr<Row> (*read)(sqlite::Statement&)) {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement, database.Prepare(sql));
  return ReadAll(statement, read);
}

StatusOr<std::optional<IntentRow>> ReadOne(sqlite::Statement& statement) {
  StatusOr<std::optional<IntentRow>> result(std::nullopt);
  const StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) {
    result = has_row.status();
  } else if (*has_row) {
    StatusOr<IntentRow> row = ReadIntent(statement);
    if (row.ok()) {
      result = std::optional<IntentRow>(std::move(*row));
    } else {
      result = row.status();
    }
  }
  statement.Reset();
  return result;
}

}  // namespace

StatusOr<RegistryDb> RegistryDb::Open(const std::string& path, const std::string& vfs) {
  BLOBD_ASSIGN_OR_RETURN(
      sqlite::Database database,
      sqlite::OpenDatabase(path, RegistrySchema(), {.sync = sqlite::Sync::kFull, .vfs = vfs}));
  RegistryDb db(std::move(database));
  BLOBD_RETURN_IF_ERROR(db.PrepareAll());
  return db;
}

Status RegistryDb::PrepareAll() {
  const std::string columns(kIntentColumns);
  // An upsert, since INSERT OR REPLACE would delete another intent that holds the same key.
  const std::string put_intent = fmt::format(
      "INSERT INTO intents({}) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15) ON "
      "CONFLICT(id) DO UPDATE "
      "SET hash=?2, format=?3, priority=?4, owner_uid=?5, label=?6, idempotency_key=?7, "
      "created_unix_ms=?8, "
      "deadline_unix_ms=?9, patience_ms=?10, result=?11, reason=?12, finished_unix_ms=?13, "
      "total_bytes=?14, "
      "downloaded_bytes=?15",
      columns);
  const std::string queries[kQueries] = {
      put_intent,
      "INSERT OR IGNORE INTO providers VALUES(?1, ?2, ?3)",
      "DELETE FROM providers WHERE hash=?1 AND provider_kind=?2 AND provider=?3",
      "INSERT OR REPLACE INTO remote_addresses VALUES(?1, ?2, ?3, ?4, ?5)",
      "DELETE FROM remote_addresses WHERE node=?1 AND address=?2",
      "INSERT OR REPLACE INTO bans VALUES(?1, ?2, ?3, ?4, ?5)",
      "DELETE FROM bans WHERE provider_kind=?1 AND provider=?2",
      "SELECT next_id FROM next_ids WHERE space=?1",
      "INSERT OR REPLACE INTO next_ids VALUES(?1, ?2)",
      "SELECT coalesce(max(id), 0) FROM intents",
      "SELECT " + columns + " FROM intents WHERE id=?1",
      // The partial index is used only where the query repeats its condition.
      "SELECT " + columns +
          " FROM intents WHERE owner_uid=?1 AND idempotency_key=?2 AND idempotency_key<>''",
  };
  for (const std::string& sql : queries) {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement, database_.Prepare(sql));
    statements_.push_back(std::move(statement));
  }
  return OkStatus();
}

Status RegistryDb::Apply(const std::vector<Change>& changes) {
  for (const Change& change : changes) BLOBD_RETURN_IF_ERROR(ApplyOne(change));
  return OkStatus();
}

Status RegistryDb::ApplyOne(const Change& change) {
  static_assert(std::variant_size_v<Change> == kGetNextId);
  sqlite::Statement& statement = statements_[change.index()];
  const Status bound = std::visit(
      Overloaded{[&](const PutIntent& put) { return BindIntent(put.intent, statement); },
                 [&](const PutProvider& put) { return BindProvider(put.row, statement); },
                 [&](const DropProvider& drop) { return BindProvider(drop.row, statement); },
                 [&](const PutRemoteAddress& put) { return BindRemoteAddress(put.row, statement); },
                 [&](const DropRemoteAddress& drop) {
                   return BindRemoteKey(drop.node, drop.address, statement);
                 },
                 [&](const PutBan& put) { return BindBan(put.ban, statement); },
                 [&](const DropBan& drop) { return BindBanKey(drop.provider, statement); }},
      change);
  BLOBD_RETURN_IF_ERROR(bound);
  return statement.Run();
}

StatusOr<IdBlock> RegistryDb::ReserveIds(IdSpace space, uint64_t count) {
  if (count == 0) return InvalidArgument("a block of no ids");
  const auto key = int64_t{static_cast<uint8_t>(space)};
  uint64_t first = 1;
  sqlite::Statement& get = statements_[kGetNextId].Bind(key);
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, get.Step());
  if (has_row) {
    sqlite::RowReader row(get);
    first = static_cast<uint64_t>(row.Integer(1));
    const Status status = row.Finish("next_ids");
    get.Reset();
    BLOBD_RETURN_IF_ERROR(status);
  }
  if (space == IdSpace::kIntent) {
    // A restored or salvaged registry may know an intent above its own counter: that id was handed
    // out.
    sqlite::Statement& max_id = statements_[kMaxIntentId].Bind();
    BLOBD_ASSIGN_OR_RETURN(const bool has_max, max_id.Step());
    if (has_max) {
      sqlite::RowReader row(max_id);
      first = std::max(first, row.Unsigned(kMaxId - 1) + 1);
      const Status status = row.Finish("intents");
      max_id.Reset();
      BLOBD_RETURN_IF_ERROR(status);
    }
  }
  if (count > kMaxId - first) return ResourceExhausted("no {} ids are left", count);
  const IdBlock block{first, first + count};
  BLOBD_RETURN_IF_ERROR(statements_[kSetNextId].Bind(key, static_cast<int64_t>(block.end)).Run());
  return block;
}

StatusOr<Snapshot> RegistryDb::Load() {
  Snapshot snapshot;
  BLOBD_ASSIGN_OR_RETURN(
      snapshot.unfinished,
      ReadTable<IntentRow>(
          database_,
          fmt::format("SELECT {} FROM intents WHERE result=0 ORDER BY id", kIntentColumns),
          &ReadIntent));
  BLOBD_ASSIGN_OR_RETURN(
      snapshot.providers,
      ReadTable<ProviderRow>(database_, "SELECT hash, provider_kind, provider FROM providers",
                             &ReadProvider));
  BLOBD_ASSIGN_OR_RETURN(
      snapshot.addresses,
      ReadTable<RemoteAddressRow>(
          database_,
          "SELECT node, address, source, last_worked_unix_ms, rtt_us FROM remote_addresses",
          &ReadRemoteAddress));
  BLOBD_ASSIGN_OR_RETURN(
      snapshot.bans,
      ReadTable<BanRow>(database_,
                        "SELECT provider_kind, provider, until_unix_ms, times, reason FROM bans",
                        &ReadBan));
  return snapshot;
}

StatusOr<std::optional<IntentRow>> RegistryDb::GetIntent(IntentId id) {
  if (id.value > kMaxId) return std::optional<IntentRow>();
  return ReadOne(statements_[kGetIntent].Bind(static_cast<int64_t>(id.value)));
}

StatusOr<std::optional<IntentRow>> RegistryDb::FindIntentByKey(uint32_t owner_uid,
                                                               const std::string& key) {
  return ReadOne(statements_[kFindIntent].Bind(int64_t{owner_uid}, std::string_view(key)));
}

StatusOr<std::vector<IntentRow>> RegistryDb::ListIntents(const IntentFilter& filter, IntentId after,
                                                         size_t limit) {
  if (after.value > kMaxId) return std::vector<IntentRow>();
  // Conditions are added only where asked for, so that each combination gets the index that fits
  // it.
  std::string sql = fmt::format("SELECT {} FROM intents WHERE id>?1", kIntentColumns);
  if (filter.finished) sql += *filter.finished ? " AND result<>0" : " AND result=0";
  if (filter.hash) sql += " AND hash=?2";
  if (filter.owner_uid) sql += " AND owner_uid=?3";
  if (filter.label) sql += " AND label=?4";
  sql += " AND ?2 IS ?2 AND ?3 IS ?3 AND ?4 IS ?4 ORDER BY id LIMIT ?5";  // names every parameter
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement list, database_.Prepare(sql));
  const Hash hash = filter.hash.value_or(Hash{});
  list.Bind(static_cast<int64_t>(after.value), hash.view(), int64_t{filter.owner_uid.value_or(0)},
            std::string_view(filter.label ? *filter.label : std::string()),
            static_cast<int64_t>(std::min<uint64_t>(limit, kMaxId)));
  return ReadAll(list, &ReadIntent);
}

}  // namespace blobd::registry
