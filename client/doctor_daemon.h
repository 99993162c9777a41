// What the daemon says of itself, judged for "blobctl doctor".
//
// Pure functions; any thread.
#pragma once

#include <string>

#include "base/time.h"
#include "blobd/v1/admin.pb.h"
#include "client/finding.h"

namespace blobd::client {

// `version`: our own. `now`: the wall clock.
Findings JudgeDaemon(const v1::StatusResponse& status, const std::string& version, WallTime now);

// The names that the configuration makes the daemon ask DNS for, of the table "lookup": those of
// services that are on, and none that other servers than the machine's are asked for.
std::vector<std::string> LookedUpNames(const v1::GetConfigResponse& lookup);

}  // namespace blobd::client
