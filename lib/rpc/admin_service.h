// Admin, see proto/blobd/v1/admin.proto.
#pragma once

#include <utility>

#include "blobd/v1/admin.grpc.pb.h"
#include "rpc/context.h"
#include "rpc/daemon_identity.h"

namespace blobd::rpc {

class AdminService final : public v1::Admin::CallbackService {
 public:
  AdminService(const ServiceContext& context, DaemonIdentity identity)
      : context_(context), identity_(std::move(identity)) {}

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* call,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* ParseTicket(grpc::CallbackServerContext* call,
                                        const v1::ParseTicketRequest* request,
                                        v1::ParseTicketResponse* response) override;

 private:
  const ServiceContext& context_;
  const DaemonIdentity identity_;
};

}  // namespace blobd::rpc
