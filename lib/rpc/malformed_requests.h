// MalformedRequests: gives calls whose request is no message of the API an error like any other.
// No service sees such a call: its bytes cannot be read, a text in them is no UTF-8, or there are
// too many of them (blobd/request_limits.h), and gRPC itself answers UNIMPLEMENTED without a word,
// which is what a method that is not there is answered too.
//
// Thread:    gRPC's threads.
// Ownership: gRPC owns what is made here; the call book outlives it.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/server_interceptor.h>

#include "rpc/call_book.h"

namespace blobd::rpc {

// The error of such a request.
Status Malformed(const google::protobuf::Descriptor& request);

class MalformedRequests final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit MalformedRequests(CallBook& calls) : calls_(calls) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  CallBook& calls_;
};

}  // namespace blobd::rpc
