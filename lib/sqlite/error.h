// What an SQLite result code means to us.
#pragma once

#include <cstdint>
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

// What a connection remembers of its errors, and of its commits.
struct Health {
  bool sync_failed = false;
  uint64_t log_pages = 0;  // in the log, after the last commit
  // Not all of them are there any more, so nothing that is read can be believed.
  bool log_lost = false;
};

// Remembers a sync that failed. The connection then leaves its log alone when it is closed.
void NoteError(sqlite3* db, int code, Health* health);
// A sync that failed may have dropped what it was to write, and a connection reads the frames of
// its log without a look at their checksums. Says in `health` whether they are there still. Reads
// the log once.
void LookAtLog(sqlite3* db, Health* health);
// What is answered from then on.
Status SyncFailed();
Status LogLost();

}  // namespace blobd::sqlite
