// UnknownMethods: answers calls of methods that this daemon does not have, with an error like any
// other; gRPC's own would have no reason.
//
// Thread: gRPC's threads.
#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include "rpc/call_book.h"

namespace blobd::rpc {

class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  explicit UnknownMethods(CallBook& calls) : calls_(calls) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* call) override;

 private:
  CallBook& calls_;
};

}  // namespace blobd::rpc
