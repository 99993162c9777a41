// The one place where our codes become gRPC's. What nobody foresaw leaves as INTERNAL.
#pragma once

#include <grpcpp/support/status.h>

#include "base/status.h"

namespace blobd::rpc {

grpc::Status ToGrpc(const Status& status);

}  // namespace blobd::rpc
