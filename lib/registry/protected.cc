#include "registry/protected.h"

#include "registry/rows.h"
#include "registry/schema.h"

namespace blobd::registry {
namespace {

// Calls `use` with every row of the table, read from the table itself: a damaged index forgets
// nothing here.
template <typename Row, typename Use>
Status ForEachRow(sqlite::Database& database, const Table& table,
                  StatusOr<Row> (*read)(sqlite::Statement&), Use use) {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement,
                         database.Prepare(table.Select() + " NOT INDEXED"));
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return OkStatus();
    BLOBD_ASSIGN_OR_RETURN(const Row row, read(statement));
    use(row);
  }
}

}  // namespace

StatusOr<std::vector<ProtectedRow>> ReadProtected(sqlite::Database& database, WallTime now,
                                                  WallTime finished_after) {
  std::vector<ProtectedRow> rows;
  BLOBD_RETURN_IF_ERROR(database.Execute("BEGIN"));
  Status status = [&]() -> Status {
    BLOBD_RETURN_IF_ERROR(
        ForEachRow<IntentRow>(database, kIntentsTable, &ReadIntent, [&](const IntentRow& intent) {
          if (intent.result == ResultCode::kNone) {
            rows.push_back({intent.kind, Protection::kUnfinishedIntent});
          } else if (intent.finished > finished_after) {
            rows.push_back({intent.kind, Protection::kFinishedIntent});
          }
        }));
    BLOBD_RETURN_IF_ERROR(
        ForEachRow<TagRow>(database, kTagsTable, &ReadTag, [&](const TagRow& tag) {
          rows.push_back({tag.kind, Protection::kTag});
        }));
    return ForEachRow<LeaseRow>(database, kLeasesTable, &ReadLease, [&](const LeaseRow& lease) {
      if (lease.until > now) rows.push_back({lease.kind, Protection::kLease});
    });
  }();
  const Status ended = database.Execute("COMMIT");
  BLOBD_RETURN_IF_ERROR(status);
  BLOBD_RETURN_IF_ERROR(ended);
  return rows;
}

}  // namespace blobd::registry
