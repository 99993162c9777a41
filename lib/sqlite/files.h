// Files beside a database: made and replaced so that a crash leaves the old or the new, never half.
//
// Paths: the directory is taken as it is, the file itself is never followed if it is a symbolic
// link. Errors: those of the system.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace blobd::sqlite {

// `path` with its directory resolved, so that only a link in the file's place is one.
StatusOr<std::string> ResolveDirectory(const std::string& path);

// Size of the file, -1 if there is none. kFailedPrecondition: it is no regular file.
StatusOr<int64_t> FileSize(const std::string& path);

// Makes the empty file `path`, mode 0600, in place of any that an interrupted attempt left.
// Returns `path`.
StatusOr<std::string> MakeEmptyFile(const std::string& path);

// Copies the bytes of a file into a new one, made like MakeEmptyFile and synced. Shares them where
// the file system can.
Status CopyFile(const std::string& from, const std::string& to);

Status SyncFile(const std::string& path);
Status SyncDirectoryOf(const std::string& path);

// Renames within one directory and syncs that. `to` is replaced, or with `new_only` refused
// (kAlreadyExists).
Status RenameDurably(const std::string& from, const std::string& to, bool new_only = false);

// Remove what is there: a database with what SQLite keeps beside it, or only the latter.
Status RemoveDatabaseFiles(const std::string& path);
Status RemoveLogFiles(const std::string& path);

}  // namespace blobd::sqlite
