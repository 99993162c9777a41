#include "rpc/status_code.h"

namespace blobd::rpc {

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Both follow google.rpc.Code, number for number.
  return {static_cast<grpc::StatusCode>(static_cast<int>(status.code())), Message(status)};
}

}  // namespace blobd::rpc
