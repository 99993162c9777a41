// How OpenDatabase comes to its findings (open.h).
#pragma once

#include <string>

#include "sqlite/open.h"

namespace blobd::sqlite {

// Looks at the log of the database `path`, keeps it if commits are missing, and notes the boot.
StatusOr<OpenFindings> FindInLog(const std::string& path, const std::string& boot_id);

}  // namespace blobd::sqlite
