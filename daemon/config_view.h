// The configuration as the API shows it.
//
// Pure; any thread.
#pragma once

#include <string>

#include "daemon/config.h"
#include "rpc/configuration.h"

namespace blobd::daemon {

// `running`: what is in force; `read`: what was read last. See rpc::Configuration::List.
rpc::Configuration::Listing ViewOf(const Config& running, const Config& read,
                                   const std::string& prefix, bool changed_only);

}  // namespace blobd::daemon
