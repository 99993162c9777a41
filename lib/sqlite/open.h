// Opening a database file of ours (platform/daemon-and-packaging.md, section 3: SQLite takes a file
// of 0 bytes for a new database, and sees a damaged page only when asked to look).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "sqlite/database.h"

namespace blobd::sqlite {

// What a database file is to hold. Its version is the number of migrations that ran on it.
struct Schema {
  std::string_view what;        // for messages: "a registry of blobd"
  uint32_t application_id = 0;  // tells our files from others and from each other
  // The n-th leads from version n to n + 1; only ever added to.
  std::span<const std::string_view> migrations;
};

enum class Sync {
  kNormal,  // a commit survives the end of the process, and power loss once a later full one does
  kFull,    // a commit survives power loss
};

struct OpenOptions {
  Sync sync = Sync::kFull;
  std::string vfs = {};     // by name; empty: SQLite's default. Tests lose and tear writes with it.
  bool quick_check = true;  // reads every page: seconds for gigabytes
};

// Opens the database `path`, in WAL mode with every defence on, and brings it to the schema's
// newest version, each migration in a transaction of its own. If there is no file one is made, mode
// 0600, so that it appears complete or not at all. The file itself may not be a symbolic link (the
// directories above it may).
//
// Refuses, changing nothing:
//   kFailedPrecondition  another program's file, or one of a newer blobd
//   kDataLoss            an empty file, a header that is none, a damaged page, or a log without
//                        its database
StatusOr<Database> OpenDatabase(const std::string& path, const Schema& schema,
                                const OpenOptions& options);

// Changes what later commits promise.
// REQUIRES: no transaction is open
Status SetSync(Database& database, Sync sync);

}  // namespace blobd::sqlite
