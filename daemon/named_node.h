// A node as an operator names it in the configuration.
//
// Pure; any thread.
#pragma once

#include <string_view>

#include "base/status.h"
#include "engine/values.h"

namespace blobd::daemon {

// NODE_ID, or NODE_ID@IP:PORT[,IP:PORT...] with at most 32 addresses. kInvalidArgument says what is
// wrong with it.
StatusOr<engine::NamedProvider> ParseNamedNode(std::string_view text);

}  // namespace blobd::daemon
