// Admin, see proto/blobd/v1/admin.proto.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "blobd/v1/admin.grpc.pb.h"
#include "rpc/configuration.h"
#include "rpc/context.h"
#include "rpc/create_ticket.h"
#include "rpc/daemon_identity.h"
#include "rpc/maintenance.h"

namespace blobd::rpc {

class AdminService final : public v1::Admin::CallbackService {
 public:
  using OwnAddresses = std::function<std::vector<SocketAddress>(bool include_loopback)>;

  AdminService(const ServiceContext& context, DaemonIdentity identity, OwnAddresses own_addresses,
               Maintenance& maintenance, Configuration& configuration,
               std::function<transfer::ServeMode()> serve_mode)
      : context_(context),
        identity_(std::move(identity)),
        own_addresses_(std::move(own_addresses)),
        maintenance_(maintenance),
        configuration_(configuration),
        serve_mode_(std::move(serve_mode)) {}

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* call,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* GetLimits(grpc::CallbackServerContext* call,
                                      const v1::GetLimitsRequest* request,
                                      v1::GetLimitsResponse* response) override;
  grpc::ServerUnaryReactor* SetLimits(grpc::CallbackServerContext* call,
                                      const v1::SetLimitsRequest* request,
                                      v1::SetLimitsResponse* response) override;
  grpc::ServerUnaryReactor* GetConfig(grpc::CallbackServerContext* call,
                                      const v1::GetConfigRequest* request,
                                      v1::GetConfigResponse* response) override;
  grpc::ServerUnaryReactor* Reload(grpc::CallbackServerContext* call,
                                   const v1::ReloadRequest* request,
                                   v1::ReloadResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* call,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;
  grpc::ServerUnaryReactor* CreateTicket(grpc::CallbackServerContext* call,
                                         const v1::CreateTicketRequest* request,
                                         v1::CreateTicketResponse* response) override;
  grpc::ServerUnaryReactor* ParseTicket(grpc::CallbackServerContext* call,
                                        const v1::ParseTicketRequest* request,
                                        v1::ParseTicketResponse* response) override;
  grpc::ServerWriteReactor<v1::BackupResponse>* Backup(grpc::CallbackServerContext* call,
                                                       const v1::BackupRequest* request) override;
  grpc::ServerUnaryReactor* RecoverRegistry(grpc::CallbackServerContext* call,
                                            const v1::RecoverRegistryRequest* request,
                                            v1::RecoverRegistryResponse* response) override;

 private:
  // With what a reload may have changed.
  DaemonIdentity IdentityNow() const;
  void FillRest(v1::StatusResponse* response, UnaryReactor* reactor);
  void MakeTicket(UnaryReactor* reactor, v1::CreateTicketResponse* response,
                  const std::shared_ptr<Executor>& strand, TicketWish wish);

  const ServiceContext& context_;
  const DaemonIdentity identity_;
  const OwnAddresses own_addresses_;
  Maintenance& maintenance_;
  Configuration& configuration_;
  const std::function<transfer::ServeMode()> serve_mode_;
};

}  // namespace blobd::rpc
