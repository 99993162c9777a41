#include "registry/registry_db.h"

#include <algorithm>

#include "registry/fields.h"
#include "registry/read_rows.h"
#include "registry/schema.h"
#include "sqlite/row.h"

namespace blobd::registry {
namespace {

// Where it is not known which ids were handed out, this many are passed over: more than any daemon
// hands out between two commits that survive.
constexpr uint64_t kIdsPassedOver = uint64_t{1} << 32;
// The full check reads some 45 MB/s, quick_check seven times that; a start may take seconds.
constexpr int64_t kFullCheckUpTo = 32 << 20;
constexpr std::string_view kMarkSuffix = ".ids";
constexpr size_t kUnlimited = kMaxInteger;
constexpr size_t kRowsReserved = 10'000;

int64_t Limit(size_t limit) { return Signed(std::min<uint64_t>(limit, kMaxInteger)); }

}  // namespace

StatusOr<RegistryDb> RegistryDb::Open(const std::string& path, const Options& options) {
  sqlite::OpenFindings findings;
  BLOBD_ASSIGN_OR_RETURN(sqlite::Database database,
                         sqlite::OpenDatabase(path, RegistrySchema(),
                                              {.sync = sqlite::Sync::kFull,
                                               .vfs = options.vfs,
                                               .full_check_up_to = kFullCheckUpTo,
                                               .boot_id = options.boot_id},
                                              &findings));
  BLOBD_ASSIGN_OR_RETURN(IdMark mark, IdMark::Open(path + std::string(kMarkSuffix)));
  RegistryDb db(std::move(database), std::move(mark), options);
  db.findings_ = std::move(findings);
  BLOBD_RETURN_IF_ERROR(db.PrepareAll());
  BLOBD_RETURN_IF_ERROR(db.StartIdsAboveDoubt());
  return db;
}

Status RegistryDb::PrepareAll() {
  for (size_t query = 0; query < kQueries; ++query) {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement,
                           database_.Prepare(SqlOf(static_cast<Query>(query))));
    statements_.push_back(std::move(statement));
  }
  return OkStatus();
}

// If commits may be lost, so may be the record of the last ids handed out. The mark is above them,
// unless it was damaged, or is new and the database is not.
Status RegistryDb::StartIdsAboveDoubt() {
  const bool new_mark = mark_.origin() == IdMark::Origin::kMissing;
  const bool pass_over =
      mark_.origin() == IdMark::Origin::kDamaged || (new_mark && findings_.may_be_incomplete());
  if (!pass_over && !new_mark) return OkStatus();
  for (size_t space = 0; space < IdMark::kSpaces; ++space) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t next, NextId(static_cast<IdSpace>(space)));
    const uint64_t end = pass_over ? next + kIdsPassedOver : next;
    BLOBD_RETURN_IF_ERROR(mark_.Raise(space, std::min(end, kMaxInteger)));
  }
  return OkStatus();
}

StatusOr<bool> RegistryDb::HasRow(sqlite::Statement& statement) {
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  statement.Reset();
  return has_row;
}

// The first id above all that the database, its intents or the mark know of.
StatusOr<uint64_t> RegistryDb::NextId(IdSpace space) {
  uint64_t first = std::max<uint64_t>(1, mark_.end(static_cast<size_t>(space)));
  sqlite::Statement& get = Use(kGetNextId).Bind(Number(space));
  BLOBD_ASSIGN_OR_RETURN(const bool has_row, get.Step());
  if (has_row) {
    sqlite::RowReader row(get);
    row.Integer();  // the space
    first = std::max(first, static_cast<uint64_t>(row.Integer(1)));
    CheckSum(row);
    const Status status = row.Finish("next_ids");
    get.Reset();
    BLOBD_RETURN_IF_ERROR(status);
  }
  if (space == IdSpace::kIntent) {
    // A restored or salvaged registry may know an intent above its own counter: that id was handed
    // out.
    sqlite::Statement& max_id = Use(kMaxIntentId).Bind();
    BLOBD_ASSIGN_OR_RETURN(const bool has_max, max_id.Step());
    if (has_max) {
      sqlite::RowReader row(max_id);
      first = std::max(first, row.Unsigned(kMaxInteger - 1) + 1);
      const Status status = row.Finish("intents");
      max_id.Reset();
      BLOBD_RETURN_IF_ERROR(status);
    }
  }
  return first;
}

StatusOr<IdBlock> RegistryDb::ReserveIds(IdSpace space, uint64_t count) {
  if (count == 0) return InvalidArgument("a block of no ids");
  BLOBD_ASSIGN_OR_RETURN(const uint64_t first, NextId(space));
  if (first >= kMaxInteger || count > kMaxInteger - first) {
    return ResourceExhausted("no {} ids are left", count);
  }
  const IdBlock block{first, first + count};
  BLOBD_RETURN_IF_ERROR(mark_.Raise(static_cast<size_t>(space), block.end));
  BLOBD_RETURN_IF_ERROR(Use(kSetNextId).Bind(Number(space), Signed(block.end)).Run());
  return block;
}

StatusOr<Snapshot> RegistryDb::Load() {
  Snapshot rows;
  BLOBD_RETURN_IF_ERROR(LoadRemotes(rows));
  BLOBD_RETURN_IF_ERROR(LoadProviders({}, kUnlimited, rows).status());
  BLOBD_RETURN_IF_ERROR(LoadIntents({}, kUnlimited, rows).status());
  return rows;
}

StatusOr<LoadedPage> RegistryDb::LoadPage(const LoadCursor& from, size_t limit) {
  LoadedPage page;
  const size_t rows = std::max<size_t>(1, limit);
  switch (from.part) {
    case LoadCursor::Part::kRemotes: {
      BLOBD_RETURN_IF_ERROR(LoadRemotes(page.rows));
      page.next = LoadCursor{LoadCursor::Part::kProviders, {}, {}};
      return page;
    }
    case LoadCursor::Part::kProviders: {
      BLOBD_ASSIGN_OR_RETURN(page.next, LoadProviders(from, rows, page.rows));
      return page;
    }
    case LoadCursor::Part::kIntents: {
      BLOBD_ASSIGN_OR_RETURN(page.next, LoadIntents(from, rows, page.rows));
      return page;
    }
  }
  return InvalidArgument("a cursor that no page gave");
}

Status RegistryDb::LoadRemotes(Snapshot& rows) {
  BLOBD_ASSIGN_OR_RETURN(
      rows.addresses,
      ReadTable<RemoteAddressRow>(database_, kRemoteAddressesTable.Select(), &ReadRemoteAddress));
  BLOBD_ASSIGN_OR_RETURN(rows.bans, ReadTable<BanRow>(database_, kBansTable.Select(), &ReadBan));
  BLOBD_ASSIGN_OR_RETURN(rows.remotes,
                         ReadTable<RemoteRow>(database_, kRemotesTable.Select(), &ReadRemote));
  BLOBD_ASSIGN_OR_RETURN(rows.settings,
                         ReadTable<SettingRow>(database_, kSettingsTable.Select(), &ReadSetting));
  return OkStatus();
}

StatusOr<std::optional<LoadCursor>> RegistryDb::LoadProviders(const LoadCursor& from, size_t limit,
                                                              Snapshot& rows) {
  const ByteView hash = from.provider ? from.provider->hash.view() : ByteView();
  const ProviderKey key = from.provider ? KeyOf(from.provider->provider) : ProviderKey{0, {}};
  BLOBD_ASSIGN_OR_RETURN(
      rows.providers,
      ReadAll(Use(kLoadProviders).Bind(hash, key.kind, key.bytes, Limit(limit)), &ReadProvider));
  if (rows.providers.size() < limit) {
    return std::optional<LoadCursor>(LoadCursor{LoadCursor::Part::kIntents, {}, {}});
  }
  return std::optional<LoadCursor>(
      LoadCursor{LoadCursor::Part::kProviders, {}, rows.providers.back()});
}

StatusOr<std::optional<LoadCursor>> RegistryDb::LoadIntents(const LoadCursor& from, size_t limit,
                                                            Snapshot& rows) {
  sqlite::Statement& statement =
      Use(kLoadIntents).Bind(Signed(std::min(from.intent.value, kMaxInteger)), Limit(limit));
  rows.unfinished.reserve(std::min<size_t>(limit, kRowsReserved));
  size_t seen = 0;
  IntentId last;
  for (;; ++seen) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) break;
    StatusOr<IntentRow> row = ReadIntent(statement);
    if (!row.ok()) {
      statement.Reset();
      return row.status();
    }
    last = row->id;
    if (row->result == ResultCode::kNone) rows.unfinished.push_back(std::move(*row));
  }
  if (seen < limit) return std::optional<LoadCursor>();
  return std::optional<LoadCursor>(LoadCursor{LoadCursor::Part::kIntents, last, {}});
}

}  // namespace blobd::registry
