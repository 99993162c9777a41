// Health: gRPC's standard answer to "how are you" (proto/grpc/health/v1). It is asked on the
// control loop, so a daemon whose control loop does not turn gives no answer. The daemon as a whole
// and Downloads serve while intents are taken; the other services as long as they answer at all.
//
// Thread: gRPC's threads and the control loop.
// Ownership: watchers belong to their calls; the board between them and the engine is shared, since
//            the engine may have something to tell when this is gone.
#pragma once

#include <memory>
#include <string_view>

#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

namespace health = grpc::health::v1;

// How a service is, when `ready` says whether intents are taken. SERVICE_UNKNOWN: there is none of
// this name.
health::HealthCheckResponse::ServingStatus HealthOf(std::string_view service, bool ready);

// Who watches, and what they were told. Control loop.
class HealthBoard;

class HealthService final : public health::Health::CallbackService {
 public:
  explicit HealthService(const ServiceContext& context);

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* call,
                                  const health::HealthCheckRequest* request,
                                  health::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<health::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* call, const health::HealthCheckRequest* request) override;

 private:
  const ServiceContext& context_;
  const std::shared_ptr<HealthBoard> board_;
};

}  // namespace blobd::rpc
