#include "registry/recover.h"

#include <algorithm>
#include <limits>

#include "registry/replace.h"
#include "registry/rows.h"
#include "registry/schema.h"
#include "sqlite/copy.h"
#include "sqlite/files.h"
#include "sqlite/open.h"
#include "sqlite/row.h"
#include "sqlite/swap.h"

namespace blobd::registry {
namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr int64_t kPageSize = 4096;

// Whether a row of the table says nothing impossible.
Status CheckRow(const Table& table, Statement& row) {
  if (&table == &kIntentsTable) return ReadIntent(row).status();
  if (&table == &kIntentFailuresTable) return ReadFailure(row).status();
  if (&table == &kProvidersTable) return ReadProvider(row).status();
  if (&table == &kRemoteAddressesTable) return ReadRemoteAddress(row).status();
  if (&table == &kRemotesTable) return ReadRemote(row).status();
  if (&table == &kBansTable) return ReadBan(row).status();
  if (&table == &kSettingsTable) return ReadSetting(row).status();
  if (&table == &kTagsTable) return ReadTag(row).status();
  if (&table == &kLeasesTable) return ReadLease(row).status();
  if (&table == &kTransfersTable) return ReadTransfer(row).status();
  if (&table == &kProviderTotalsTable) return ReadTotals(row).status();
  sqlite::RowReader reader(row);  // next_ids
  reader.Integer(0, 2);
  reader.Integer(1);
  if (!reader.Boolean()) reader.Refuse("does not fit");
  return reader.Finish(table.name);
}

StatusOr<int64_t> CountOf(Database& from, std::string_view what, std::string_view where) {
  return from.QueryInteger(fmt::format("SELECT count(*) FROM {} WHERE {}", what, where));
}

// What the damaged file has of what versions after 1 added.
struct Shape {
  bool sums = false;    // and the tables of version 2
  bool paused = false;  // and the settings of version 3
};

StatusOr<Shape> ShapeOf(Database& from) {
  const auto has = [&](std::string_view column) {
    return CountOf(from, "pragma_table_info('intents')", fmt::format("name='{}'", column));
  };
  BLOBD_ASSIGN_OR_RETURN(const int64_t sums, has("sum"));
  BLOBD_ASSIGN_OR_RETURN(const int64_t paused, has("paused"));
  return Shape{sums > 0, paused > 0};
}

// The columns as the damaged file has them, with what later versions began with.
std::string ColumnsOf(const Table& table, const Shape& shape) {
  std::string columns(table.columns);
  std::string added;
  if (&table == &kIntentsTable && !shape.paused) {
    columns.resize(columns.find(", paused"));
    added = ", 0 AS paused";
  }
  if (&table == &kRemoteAddressesTable && !shape.sums) {
    columns.resize(columns.find(", last_failure"));
    added = ", '' AS last_failure, 0 AS last_failed_unix_ms";
  }
  if (!shape.sums) return columns + added + ", 1 AS sum";
  return fmt::format("{0}{2}, sum=row_sum('{1}', {0}) AS sum", columns, table.name, added);
}

// Where the work is done, beside the registry.
struct Workplace {
  explicit Workplace(const std::string& path)
      : damaged(path + ".salvage"), fresh(path + ".recovering"), ready(path + ".recovered") {}
  ~Workplace() {
    for (const std::string& file : {damaged, fresh, ready}) (void)sqlite::RemoveDatabaseFiles(file);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const std::string damaged;  // a copy
  const std::string fresh;
  const std::string ready;
};

struct Damaged {
  Database database;
  bool contents_replaced;
};

// Opens the copy, mended if it cannot be read otherwise.
StatusOr<Damaged> OpenDamaged(const Workplace& workplace) {
  const auto open = [&]() -> StatusOr<Database> {
    BLOBD_ASSIGN_OR_RETURN(Database from, sqlite::OpenUnchecked(workplace.damaged, {}));
    // A page with one bad cell still has good ones.
    BLOBD_RETURN_IF_ERROR(from.Execute("PRAGMA cell_size_check=OFF"));
    BLOBD_RETURN_IF_ERROR(CountOf(from, "sqlite_schema", "true").status());
    return from;
  };
  StatusOr<Database> from = open();
  if (from.ok()) return Damaged{std::move(*from), false};
  BLOBD_RETURN_IF_ERROR(sqlite::MendHeader(workplace.damaged, workplace.fresh));
  from = open();
  if (from.ok()) return Damaged{std::move(*from), false};
  BLOBD_RETURN_IF_ERROR(sqlite::ReplaceContents(workplace.damaged, workplace.fresh));
  from = open();
  if (from.ok()) return Damaged{std::move(*from), true};
  return DataLoss("its table of contents is lost ({})", Message(from.status()));
}

Status CheckIdentity(Database& from) {
  BLOBD_ASSIGN_OR_RETURN(const int64_t id, from.QueryInteger("PRAGMA application_id"));
  if (static_cast<uint32_t>(id) != RegistrySchema().application_id) {
    return FailedPrecondition("it is not {}", RegistrySchema().what);
  }
  BLOBD_ASSIGN_OR_RETURN(const int64_t version, from.QueryInteger("PRAGMA user_version"));
  if (version > static_cast<int64_t>(RegistrySchema().migrations.size())) {
    return FailedPrecondition("it was made by a newer blobd: its version is {}", version);
  }
  return OkStatus();
}

StatusOr<RecoveryReport::TableResult> RecoverTable(Database& from, Database& to, const Table& table,
                                                   const Shape& shape) {
  RecoveryReport::TableResult result;
  result.table = table.name;
  BLOBD_ASSIGN_OR_RETURN(
      const int64_t there,
      CountOf(from, "sqlite_schema", fmt::format("type='table' AND name='{}'", table.name)));
  if (there == 0) {
    // Earlier versions had fewer tables.
    result.found = &table == &kSettingsTable ? !shape.paused : !shape.sums;
    return result;
  }
  BLOBD_ASSIGN_OR_RETURN(Statement insert, to.Prepare(table.Insert("INSERT OR IGNORE")));
  const auto take = [&](Statement& row) -> Status {
    if (!CheckRow(table, row).ok()) {
      ++result.damaged;
      return OkStatus();
    }
    BLOBD_RETURN_IF_ERROR(sqlite::CopyValues(row, table.column_count(), insert));
    BLOBD_RETURN_IF_ERROR(insert.Run());
    result.saved += static_cast<uint64_t>(to.changed_rows());
    return OkStatus();
  };
  const sqlite::SalvageSource source{std::string(table.name), ColumnsOf(table, shape),
                                     std::string(table.key), table.key_type};
  BLOBD_ASSIGN_OR_RETURN(result.lost, sqlite::SalvageTable(from, source, take));
  return result;
}

Status RecoverTables(Damaged& damaged, Database& to, RecoveryReport& report) {
  Database& from = damaged.database;
  BLOBD_ASSIGN_OR_RETURN(const Shape shape, ShapeOf(from));
  BLOBD_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(to));
  bool found = false;
  uint64_t saved = 0;
  for (const Table* table : Tables()) {
    BLOBD_ASSIGN_OR_RETURN(RecoveryReport::TableResult result,
                           RecoverTable(from, to, *table, shape));
    found = found || (result.found && table == &kIntentsTable);
    saved += result.saved;
    report.tables.push_back(std::move(result));
  }
  report.contents_lost = damaged.contents_replaced;
  if (!found || (damaged.contents_replaced && saved == 0)) {
    return DataLoss("its table of contents is lost");
  }
  BLOBD_RETURN_IF_ERROR(
      to.Execute("INSERT INTO ended_intents(id) "
                 "SELECT id FROM intents WHERE result<>0 ORDER BY finished_unix_ms, id"));
  return transaction.Commit();
}

Status LookAtLog(const std::string& path, RecoveryReport& report) {
  for (const char* suffix : {"-wal", ".log-in-doubt"}) {
    BLOBD_ASSIGN_OR_RETURN(const sqlite::LogScan scan, sqlite::ScanLog(path + suffix));
    if (scan.state > report.log) report.log = scan.state;
    report.log_commits += scan.suspect_commits;
  }
  return OkStatus();
}

std::string Places(const sqlite::Hole& hole, bool are_blobs) {
  if (are_blobs) return fmt::format("{:016x}... to {:016x}...", hole.first, hole.last);
  if (hole.last == std::numeric_limits<int64_t>::max()) return fmt::format("{} and up", hole.first);
  return fmt::format("{} to {}", hole.first, hole.last);
}

}  // namespace

StatusOr<RecoveryReport> RecoverRegistry(const std::string& path, WallTime now) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, sqlite::ResolveDirectory(path));
  BLOBD_RETURN_IF_ERROR(sqlite::FinishSwap(resolved));
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, sqlite::FileSize(resolved));
  // SQLite takes a file without a whole page for an empty database.
  if (size < kPageSize) {
    return DataLoss("{} is {}; nothing can be saved of it: restore a backup", path,
                    size < 0 ? "missing" : "empty or cut off");
  }
  RecoveryReport report;
  BLOBD_RETURN_IF_ERROR(LookAtLog(resolved, report));
  const Workplace workplace(resolved);
  BLOBD_RETURN_IF_ERROR(sqlite::CopyFile(resolved, workplace.damaged));
  BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, sqlite::FileSize(resolved + "-wal"));
  if (log_size >= 0) {
    BLOBD_RETURN_IF_ERROR(sqlite::CopyFile(resolved + "-wal", workplace.damaged + "-wal"));
  }
  BLOBD_RETURN_IF_ERROR(sqlite::RemoveDatabaseFiles(workplace.fresh));
  {
    BLOBD_ASSIGN_OR_RETURN(Database to,
                           sqlite::OpenDatabase(workplace.fresh, RegistrySchema(), {}));
    StatusOr<Damaged> from = OpenDamaged(workplace);
    Status status = from.status();
    if (status.ok()) status = CheckIdentity(from->database);
    if (status.ok()) status = RecoverTables(*from, to, report);
    if (!status.ok()) {
      return Annotate(status, fmt::format("{} cannot be recovered, restore a backup", path));
    }
    BLOBD_RETURN_IF_ERROR(sqlite::CopyDatabase(to, workplace.ready, false));
  }
  const std::string aside = fmt::format("damaged-{}", now.unix_ms);
  BLOBD_RETURN_IF_ERROR(ReplaceRegistry(resolved, workplace.ready, aside));
  report.kept_as = fmt::format("{}.{}", path, aside);
  return report;
}

bool RecoveryReport::complete() const {
  const bool tables_complete =
      std::all_of(tables.begin(), tables.end(), [](const TableResult& table) {
        return table.found && table.damaged == 0 && table.lost.complete();
      });
  return tables_complete && !contents_lost && log <= sqlite::LogState::kTornTail;
}

std::vector<std::string> RecoveryReport::Lines() const {
  constexpr size_t kMostHoles = 20;
  std::vector<std::string> lines;
  for (const TableResult& result : tables) {
    const auto* table = *std::find_if(Tables().begin(), Tables().end(),
                                      [&](const Table* t) { return t->name == result.table; });
    if (!result.found) {
      lines.push_back(fmt::format("{}: lost: the table cannot be found", result.table));
      continue;
    }
    lines.push_back(fmt::format("{}: {} rows saved", result.table, result.saved));
    if (result.damaged > 0) {
      lines.push_back(fmt::format("{}: {} damaged rows left out", result.table, result.damaged));
    }
    for (size_t i = 0; i < std::min(result.lost.holes.size(), kMostHoles); ++i) {
      lines.push_back(
          fmt::format("{}: with {} {} may be lost", result.table, table->key,
                      Places(result.lost.holes[i], table->key_type == sqlite::KeyType::kBlob)));
    }
    if (result.lost.holes.size() > kMostHoles) {
      lines.push_back(fmt::format("{}: {} more such places", result.table,
                                  result.lost.holes.size() - kMostHoles));
    }
    if (result.lost.unknown_losses) {
      lines.push_back(fmt::format("{}: rows may be lost", result.table));
    }
  }
  if (contents_lost) {
    lines.push_back("the table of contents was lost: there may have been more rows in every table");
  }
  if (log > sqlite::LogState::kTornTail) {
    lines.push_back(
        fmt::format("the log was damaged: up to {} last commits may be lost", log_commits));
  }
  return lines;
}

}  // namespace blobd::registry
