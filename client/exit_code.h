// The exit codes that scripts rely on (design/control-plane.md).
#pragma once

#include "base/status.h"
#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitUnreachable = 3,
  kExitNotFound = 4,
  kExitPermission = 5,
  kExitNoProvider = 6,
  kExitMismatch = 7,
  kExitNoSpace = 8,
  kExitTimeout = 9,
  kExitCancelled = 10,
  kExitInterrupted = 130,
};

ExitCode ExitCodeOf(const Status& status);
// For an intent that has ended.
ExitCode ExitCodeOf(const v1::Intent& intent);

}  // namespace blobd::client
