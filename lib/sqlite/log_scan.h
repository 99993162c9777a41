// What can be known of a write-ahead log before SQLite reads it. SQLite takes the log up to its
// first damaged frame and says nothing of what came behind (platform/daemon-and-packaging.md,
// section 3): commits that were acknowledged vanish, and every check of the database is content.
//
// Frames carry the salts of the log they belong to, a checksum that runs over all before them, and
// the last one of a transaction the size of the database. So of a frame behind the first broken one
// it is still known whether it is of this log and whether it ends a transaction:
//
//   kWhole               nothing of this log is behind the last good frame
//   kTornTail            behind it is part of a transaction, but not its last frame: it was being
//                        written when the power went. It was never acknowledged. Not a finding.
//   kLastCommitDoubtful  behind it is one transaction with its last frame, and nothing more. The
//                        power may have gone before its sync was through: then it was not
//                        acknowledged. Or its frames were damaged later. Where the power cannot
//                        have gone (see OpenFindings) and more than that last frame is suspect, it
//                        was damaged: a process writes frames in order, and may end between two.
//   kCommitsLost         something was written behind that transaction; where every commit is
//                        synced (Sync::kFull) that means that it had been acknowledged. Or the
//                        log's header is broken and committed frames follow.
//
// What cannot be seen at all: a log cut off at the end of a transaction, or removed, or replaced by
// an older one; and that the last frame of the last transaction was damaged in its salts or in the
// size it carries (it is taken for a torn tail).
//
// Under Sync::kNormal commits share syncs, and kCommitsLost may be what a power loss left.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace blobd::sqlite {

enum class LogState { kWhole, kTornTail, kLastCommitDoubtful, kCommitsLost };

struct LogScan {
  LogState state = LogState::kWhole;
  uint64_t good_frames = 0;
  uint64_t suspect_frames = 0;   // of this log, from the first broken frame on
  uint64_t suspect_commits = 0;  // transactions that end among them
};

// Reads the log `path`; one that is missing or too short for a frame is whole. Reads it all once.
StatusOr<LogScan> ScanLog(const std::string& path);

}  // namespace blobd::sqlite
