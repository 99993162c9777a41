// Every key of the configuration can be given in the environment: "store.max_bytes" as
// BLOBD_STORE_MAX_BYTES, with the value as in a file, or, of a text, without quotes. An empty
// variable says nothing.
//
// Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "daemon/config.h"

namespace blobd::daemon {

// `environment`: "NAME=VALUE" each. Variables that begin with BLOBD_ and are no key are warned of,
// without their values. kInvalidArgument names the variable and what would be valid; `config` is
// partly changed then.
Status ApplyEnvironment(std::span<const std::string_view> environment, Config* config);

// That of the process.
std::vector<std::string_view> ProcessEnvironment();

}  // namespace blobd::daemon
