// Replacing a database by another file, with its log, so that every crash leaves the old one or the
// new one, and never one with the other's log.
//
// The new file waits as `path`.incoming.<aside>; from then on it is the database. Moving the old
// files to `path`.<aside> (and `path`.<aside>-wal) and the new one into its place can be repeated
// until it is done, and OpenDatabase does so first of all.
//
// REQUIRES: nobody has the database open (the daemon's lock is held)
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace blobd::sqlite {

// Makes `ready`, a complete and synced database without a log in the same directory, the database
// `path`. The old one is kept as `path`.<aside>. kAlreadyExists: that name is taken.
Status Swap(const std::string& path, const std::string& ready, std::string_view aside);

// Finishes a swap that was interrupted, if there is one.
Status FinishSwap(const std::string& path);

}  // namespace blobd::sqlite
