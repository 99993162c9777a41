// How OpenDatabase comes to its findings (open.h).
#pragma once

#include <string>

#include "sqlite/open.h"

namespace blobd::sqlite {

// Whether the database `path`, which is not there, was once: then what it held is lost, and
// FindInLog will say so until ForgetFindings. Does nothing if it never was.
Status NoteIfLost(const std::string& path);

// Looks at the log of the database `path`, and keeps it if commits are missing.
StatusOr<OpenFindings> FindInLog(const std::string& path, const std::string& boot_id);

// Notes the boot for the next opening. To be called once nothing of an earlier boot is left in the
// log: a torn transaction found later is then known not to be a power loss's. If it cannot be noted
// (a full disk) the next opening will believe that the power may have gone, and say less.
void NoteBoot(const std::string& path, const std::string& boot_id);

}  // namespace blobd::sqlite
