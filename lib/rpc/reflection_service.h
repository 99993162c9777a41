// Server reflection: what services there are, and the protos that describe them, for tools that
// know no files of ours (proto/grpc/reflection). It is made by ourselves, and not by gRPC's library
// for it, since that one has a thread for each call and asks nobody who calls.
//
// Thread: gRPC's threads. What is told does not change while the daemon runs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

namespace reflection = grpc::reflection::v1;

// The answer to one request. `services`: full names, in order.
reflection::ServerReflectionResponse Reflect(const reflection::ServerReflectionRequest& request,
                                             const std::vector<std::string>& services);

grpc::ServerBidiReactor<reflection::ServerReflectionRequest, reflection::ServerReflectionResponse>*
ReflectOn(const ServiceContext& context, grpc::CallbackServerContext* call,
          const std::vector<std::string>& services);

// By one of its names: grpc.reflection.v1 or v1alpha.
template <typename Named>
class ReflectionService final : public Named::CallbackService {
 public:
  // What `services` names must be linked in.
  ReflectionService(const ServiceContext& context, std::vector<std::string> services)
      : context_(context), services_(std::move(services)) {}

  grpc::ServerBidiReactor<reflection::ServerReflectionRequest,
                          reflection::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* call) override {
    return ReflectOn(context_, call, services_);
  }

 private:
  const ServiceContext& context_;
  const std::vector<std::string> services_;
};

}  // namespace blobd::rpc
