// The daemon's errors name fields of its messages, "items[0].providers[0].node.node_id": for people
// these become what they typed, "--from".
//
// Pure function; any thread.
#pragma once

#include <string>

#include "base/status.h"

namespace blobd::client {

// The message of an error of the daemon in the words of the command line. What names no field, or
// one that nobody types, is left as it is.
std::string InWordsOfOptions(const Status& status);

}  // namespace blobd::client
