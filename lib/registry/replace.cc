#include "registry/replace.h"

#include <algorithm>

#include "registry/fields.h"
#include "registry/id_mark.h"
#include "registry/registry.h"
#include "registry/schema.h"
#include "sqlite/copy.h"
#include "sqlite/files.h"
#include "sqlite/swap.h"

namespace blobd::registry {
namespace {

// Where no mark says which ids were handed out since the copy was made, this many are passed over.
constexpr uint64_t kIdsPassedOver = uint64_t{1} << 32;

Status CheckRows(sqlite::Database& database) {
  for (const Table* table : Tables()) {
    BLOBD_ASSIGN_OR_RETURN(
        const int64_t damaged,
        database.QueryInteger(fmt::format("SELECT count(*) FROM {1} WHERE sum<>row_sum('{1}', {0})",
                                          table->columns, table->name)));
    if (damaged > 0) return DataLoss("{} rows of table {} are damaged", damaged, table->name);
  }
  return OkStatus();
}

Status RaiseMark(sqlite::Database& database, const std::string& mark_path) {
  BLOBD_ASSIGN_OR_RETURN(IdMark mark, IdMark::Open(mark_path));
  for (size_t space = 0; space < IdMark::kSpaces; ++space) {
    BLOBD_ASSIGN_OR_RETURN(
        int64_t next, database.QueryInteger(fmt::format(
                          "SELECT coalesce(max(next_id), 1) FROM next_ids WHERE space={}", space)));
    if (static_cast<IdSpace>(space) == IdSpace::kIntent) {
      BLOBD_ASSIGN_OR_RETURN(
          const int64_t highest,
          database.QueryInteger(
              "SELECT coalesce(max(min(id, 9223372036854775806)), 0) FROM intents"));
      next = std::max(next, highest + 1);
    }
    const auto known = static_cast<uint64_t>(std::max<int64_t>(1, next));
    const uint64_t beyond = mark.origin() == IdMark::Origin::kRead ? 0 : kIdsPassedOver;
    BLOBD_RETURN_IF_ERROR(mark.Raise(space, std::min(known + beyond, kMaxInteger)));
  }
  return OkStatus();
}

}  // namespace

Status ReplaceRegistry(const std::string& path, const std::string& ready, std::string_view aside) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, sqlite::ResolveDirectory(path));
  BLOBD_ASSIGN_OR_RETURN(const int64_t version, sqlite::CheckCopy(ready, RegistrySchema()));
  {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::OpenReader(ready, {}));
    // Before version 2 rows had no sums.
    if (version >= 2) BLOBD_RETURN_IF_ERROR(CheckRows(database));
    BLOBD_RETURN_IF_ERROR(RaiseMark(database, resolved + ".ids"));
  }
  BLOBD_RETURN_IF_ERROR(sqlite::RemoveLogFiles(ready));
  BLOBD_RETURN_IF_ERROR(sqlite::Swap(resolved, ready, aside));
  return sqlite::ForgetFindings(resolved);
}

}  // namespace blobd::registry
