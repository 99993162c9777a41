// Putting another database in the place of registry.db: what RestoreRegistry and RecoverRegistry
// share.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace blobd::registry {

// Checks `ready`, a synced database without a log beside `path`, whole: whose it is, its version,
// every page, index and row. Then it becomes `path`, what was there is kept as `path`.<aside>, and
// ids go on above all that both, and the mark (id_mark.h), know of. What opening `path` had found
// is forgotten with it.
//
// REQUIRES: nobody has `path` open
Status ReplaceRegistry(const std::string& path, const std::string& ready, std::string_view aside);

}  // namespace blobd::registry
