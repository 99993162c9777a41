// The keys of the configuration file, each with what reads its value. Those of a part of the daemon
// stand beside that part.
//
// Values; any thread.
#pragma once

#include <toml++/toml.h>

#include <functional>
#include <map>
#include <string>

#include "daemon/config.h"

namespace blobd::daemon {

// One key: reads its node into the configuration. The error says what would be valid.
using Apply = std::function<Status(const toml::node&, Config*)>;
using ConfigKeys = std::map<std::string, Apply>;  // "table.key"

ConfigKeys LookupKeys();  // lookup_config.cc

}  // namespace blobd::daemon
