// The one place where our errors become gRPC's: the code, a message of bounded length, and a
// google.rpc.Status with one google.rpc.ErrorInfo, which has the reason (base/error_reason.h) and
// what is known besides. What nobody foresaw leaves as INTERNAL, without what it says.
#pragma once

#include <grpcpp/support/status.h>

#include "base/status.h"

namespace blobd::rpc {

grpc::Status ToGrpc(const Status& status);

}  // namespace blobd::rpc
