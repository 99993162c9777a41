// Copies of a database that is in use, and what may be done with them.
#pragma once

#include <string>

#include "base/status.h"
#include "sqlite/database.h"

namespace blobd::sqlite {

struct Schema;

// Writes what the connection sees as the new database `to`, mode 0600: complete and synced, or not
// there at all. One that is there is replaced, or with `new_only` refused (kAlreadyExists). Writers
// on other connections go on. Takes about as long as writing the file does.
Status CopyDatabase(Database& from, const std::string& to, bool new_only);

// Whether the file, which has no log beside it, is a whole database of this schema in a version
// that we know: reads all of it. Returns the version. Errors as OpenDatabase.
StatusOr<int64_t> CheckCopy(const std::string& path, const Schema& schema);

// Before a migration from version n a copy is kept as `path`.v<n>, in place of an older one of that
// version.
std::string KeptCopyName(const std::string& path, int64_t version);

}  // namespace blobd::sqlite
