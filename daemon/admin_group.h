// Whose members are administrators (the configuration's admin_group).
//
// Thread: any. May ask name services, and so wait.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"

namespace blobd::daemon {

// The group's number; nullopt: `name` is empty, and there is no such group. kNotFound: nobody knows
// it. kInvalidArgument: everybody whom we do not know would be in it.
StatusOr<std::optional<uint32_t>> FindAdminGroup(const std::string& name);

}  // namespace blobd::daemon
