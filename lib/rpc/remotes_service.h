// Remotes, see proto/blobd/v1/remotes.proto.
#pragma once

#include "blobd/v1/remotes.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

class RemotesService final : public v1::Remotes::CallbackService {
 public:
  explicit RemotesService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                 const v1::ListRemotesRequest* request,
                                 v1::ListRemotesResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call,
                                const v1::GetRemoteRequest* request,
                                v1::GetRemoteResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRemotesResponse>* Watch(
      grpc::CallbackServerContext* call, const v1::WatchRemotesRequest* request) override;
  grpc::ServerUnaryReactor* Ban(grpc::CallbackServerContext* call, const v1::BanRequest* request,
                                v1::BanResponse* response) override;
  grpc::ServerUnaryReactor* Unban(grpc::CallbackServerContext* call,
                                  const v1::UnbanRequest* request,
                                  v1::UnbanResponse* response) override;
  grpc::ServerUnaryReactor* ListBans(grpc::CallbackServerContext* call,
                                     const v1::ListBansRequest* request,
                                     v1::ListBansResponse* response) override;
  grpc::ServerUnaryReactor* AddAddresses(grpc::CallbackServerContext* call,
                                         const v1::AddAddressesRequest* request,
                                         v1::AddAddressesResponse* response) override;

 private:
  const ServiceContext& context_;
};

}  // namespace blobd::rpc
