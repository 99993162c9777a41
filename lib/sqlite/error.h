// What an SQLite result code means to us.
#pragma once

#include <string_view>

#include "base/status.h"

struct sqlite3;

namespace blobd::sqlite {

// The status of the last failed call on `db`; `what` says what was tried. A full disk becomes
// kResourceExhausted, a damaged file kDataLoss, a broken uniqueness kAlreadyExists, a lock held by
// another process or a failed sync kUnavailable, a file we may not write kPermissionDenied. `db`
// may be null when opening it failed. REQUIRES: code is neither SQLITE_OK, SQLITE_ROW nor
// SQLITE_DONE
Status ErrorStatus(sqlite3* db, int code, std::string_view what);

// What a connection remembers of its errors.
struct Health {
  bool sync_failed = false;
};

// Remembers a sync that failed. The connection then leaves its log alone when it is closed.
void NoteError(sqlite3* db, int code, Health* health);
// What is answered from then on.
Status SyncFailed();

}  // namespace blobd::sqlite
