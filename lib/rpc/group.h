// Groups by name.
//
// Thread: any. May ask name services, and so wait.
#pragma once

#include <grp.h>

#include <functional>
#include <string>

#include "base/status.h"

namespace blobd::rpc {

// As getgrnam_r.
using GroupLookup =
    std::function<int(const char* name, group* entry, char* buffer, size_t size, group** found)>;

// kNotFound: there is none. kUnavailable: nobody could say.
StatusOr<gid_t> FindGroup(const std::string& name, const GroupLookup& look = getgrnam_r);

}  // namespace blobd::rpc
