// Saving what reads of a damaged registry.db (`blobctl registry recover`).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "sqlite/log_scan.h"
#include "sqlite/salvage.h"

namespace blobd::registry {

struct RecoveryReport {
  struct TableResult {
    std::string table;
    bool found = true;     // false: the table itself cannot be found any more
    uint64_t saved = 0;    // rows
    uint64_t damaged = 0;  // rows that do not fit their sums: left out
    sqlite::SalvageResult lost;
  };

  std::vector<TableResult> tables;
  sqlite::LogState log = sqlite::LogState::kWhole;
  uint64_t log_commits = 0;  // that may be lost with the log
  // The table of contents was lost, and that of a new registry taken: tables that lay elsewhere
  // were not seen.
  bool contents_lost = false;
  std::string kept_as;  // where the damaged file is now; with its log beside it

  // Nothing is known or suspected to be lost.
  bool complete() const;
  // For people: what was saved of each table, and what is lost or may be.
  std::vector<std::string> Lines() const;
};

// Reads what reads of `path`, table by table and row by row, into a new registry, which takes its
// place; the damaged one is kept as `path`.damaged-<milliseconds since 1970>, with its log. Rows
// are taken only if they fit their sums (those of version 1 have none: if every value is possible).
// Ids go on above all that were ever handed out. A registry that is whole comes out as it was.
//
// All is done on copies beside it, which take twice its room; a crash leaves the damaged registry
// or the new one, and what it leaves besides is cleared by the next attempt.
//
// REQUIRES: no daemon has `path` open (its lock is held)
// Errors: kDataLoss: nothing can be saved (an empty file, or its table of contents is gone):
// restore
//         a backup. kFailedPrecondition: another program's file, or of a newer blobd.
//         kResourceExhausted. None changes anything.
StatusOr<RecoveryReport> RecoverRegistry(const std::string& path, WallTime now);

}  // namespace blobd::registry
