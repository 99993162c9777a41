// Opening a database file of ours (platform/daemon-and-packaging.md, section 3: SQLite takes a file
// of 0 bytes for a new database, and sees a damaged page only when asked to look).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "sqlite/database.h"
#include "sqlite/log_scan.h"

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
  // A file up to this size is also checked for rows that its indexes miss, at seven times the cost.
  int64_t full_check_up_to = 0;
  std::string boot_id = {};  // for findings; empty: the kernel's. Tests simulate power losses.
  bool keep_copies = true;   // before migrations (copy.h); they take as much room as the database
};

// What opening found that is no reason to refuse the database.
//
// `path`.boot says in which boot of the machine the log was dealt with last (it need not be
// synced: what a power loss leaves is another one). In the same boot no power was lost since.
struct OpenFindings {
  // Of the log, before SQLite read it; see log_scan.h for what it can tell. kLastCommitDoubtful
  // only where the power, or the process in the midst of the last frame, may have gone: then the
  // transaction was most likely never acknowledged.
  LogState log = LogState::kWhole;
  // For people; empty if there is nothing to say.
  std::string text;

  // Acknowledged commits are lost, as far as can be known. Stays so at every opening until
  // ForgetFindings.
  bool may_be_incomplete() const { return log == LogState::kCommitsLost; }
};

// Opens the database `path`, in WAL mode with every defence on, and brings it to the schema's
// newest version, each migration in a transaction of its own, with a copy kept before (copy.h). If
// there is no file one is made, mode 0600, so that it appears complete or not at all. The file
// itself may not be a symbolic link (the directories above it may). With `findings`, one that was
// opened before and has gone is said to be lost. A swap that was interrupted is finished (swap.h).
// row_sum.h is there, in migrations too.
//
// With `findings` the log is looked at first. One that is damaged does not stop the opening (what
// is there is consistent), but is kept beside the database as `path`.log-in-doubt, and said.
// What the log holds is moved into the database, and the log begins anew: nothing that is written
// from now on stands behind something that only seems to be on the disk.
//
// Refuses, changing nothing:
//   kFailedPrecondition  another program's file, or one of a newer blobd; the message then names
//                        the kept copy that this one could open, if there is one
//   kDataLoss            an empty file, a header that is none, a damaged page, or a log without
//                        its database
//   kResourceExhausted   no room for a copy to be kept
StatusOr<Database> OpenDatabase(const std::string& path, const Schema& schema,
                                const OpenOptions& options, OpenFindings* findings = nullptr);

// A second connection to a database that is open in this process; it cannot write.
StatusOr<Database> OpenReader(const std::string& path, const std::string& vfs);
// A connection that takes what it gets, for saving what reads: no checks, no migrations, and the
// log is as SQLite sees it.
StatusOr<Database> OpenUnchecked(const std::string& path, const std::string& vfs);

// The operator knows: removes the damaged log that was kept.
Status ForgetFindings(const std::string& path);

// Changes what later commits promise.
// REQUIRES: no transaction is open
Status SetSync(Database& database, Sync sync);

}  // namespace blobd::sqlite
