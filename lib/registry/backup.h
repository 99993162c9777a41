// Backups of registry.db, and bringing one back.
#pragma once

#include <string>

#include "base/status.h"
#include "base/time.h"
#include "sqlite/database.h"

namespace blobd::registry {

// See Registry::Backup. The copy is read back and checked before it gets its name.
Status BackUpRegistry(sqlite::Database& reader, const std::string& path);

// Puts the backup `from` (or a copy kept by a migration) in the place of the registry `to`. It is
// copied, and the copy checked: whose file it is, its version, every page and index, every row;
// nothing is replaced before. What was there is kept as `to`.replaced-<milliseconds since 1970>,
// with its log. `to` may be damaged or missing. Ids go on above all that this machine handed out.
// A crash leaves the old registry or the new one.
//
// REQUIRES: no daemon has `to` open (its lock is held)
// Errors: kFailedPrecondition: another program's file, or of a newer blobd. kDataLoss: it is
// damaged
//         itself. kNotFound, kResourceExhausted.
Status RestoreRegistry(const std::string& from, const std::string& to, WallTime now);

}  // namespace blobd::registry
