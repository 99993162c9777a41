// The reason of an error (google.rpc.ErrorInfo), which a Status carries from the call to whoever
// asks for it with ReasonOf (client.h).
//
// Thread: any.
#pragma once

#include <string>

#include "base/status.h"

namespace blobd::client {

// Adds the reason that is in `details`, what gRPC calls a status' error details, to `status`, which
// is not OK. What cannot be read there, or is no reason, adds nothing.
void AddReason(const std::string& details, Status* status);

// The daemon's reason of this name, where it is told without details; empty: there is none.
void SetReason(const std::string& name, Status* status);

}  // namespace blobd::client
