// What garbage collection must keep, as registry.db says.
#pragma once

#include <vector>

#include "registry/records.h"
#include "sqlite/database.h"

namespace blobd::registry {

// See Registry::ListProtected. Reads one state of the database, whatever is committed meanwhile,
// and believes no row that does not fit its sum (kDataLoss).
StatusOr<std::vector<ProtectedRow>> ReadProtected(sqlite::Database& database, WallTime now,
                                                  WallTime finished_after);

}  // namespace blobd::registry
