// Remotes, see proto/blobd/v1/remotes.proto.
#pragma once

#include <memory>

#include "blobd/v1/remotes.grpc.pb.h"
#include "rpc/context.h"
#include "rpc/remotes_feed.h"

namespace blobd::rpc {

// Watch gets and gives bytes, since what it tells is encoded once for all who watch.
class RemotesService final
    : public v1::Remotes::WithRawCallbackMethod_Watch<v1::Remotes::CallbackService> {
 public:
  explicit RemotesService(const ServiceContext& context)
      : context_(context),
        feed_(std::make_shared<RemotesFeed>(RandomLife(),
                                            RemotesSource(context.engine, context.uploads))) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                 const v1::ListRemotesRequest* request,
                                 v1::ListRemotesResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call,
                                const v1::GetRemoteRequest* request,
                                v1::GetRemoteResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext* call,
                                                    const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Forget(grpc::CallbackServerContext* call,
                                   const v1::ForgetRemoteRequest* request,
                                   v1::ForgetRemoteResponse* response) override;
  grpc::ServerUnaryReactor* Disconnect(grpc::CallbackServerContext* call,
                                       const v1::DisconnectRemoteRequest* request,
                                       v1::DisconnectRemoteResponse* response) override;
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
  const std::shared_ptr<RemotesFeed> feed_;
};

}  // namespace blobd::rpc
