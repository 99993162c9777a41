// Blobs, see proto/blobd/v1/blobs.proto. It works on the store alone; the control loop is not
// involved.
#pragma once

#include "blobd/v1/blobs.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

class BlobsService final : public v1::Blobs::CallbackService {
 public:
  explicit BlobsService(const ServiceContext& context) : context_(context) {}

  grpc::ServerReadReactor<v1::AddRequest>* Add(grpc::CallbackServerContext* call,
                                               v1::AddResponse* response) override;
  grpc::ServerUnaryReactor* CreateCollection(grpc::CallbackServerContext* call,
                                             const v1::CreateCollectionRequest* request,
                                             v1::CreateCollectionResponse* response) override;
  grpc::ServerUnaryReactor* GetCollection(grpc::CallbackServerContext* call,
                                          const v1::GetCollectionRequest* request,
                                          v1::GetCollectionResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadResponse>* Read(grpc::CallbackServerContext* call,
                                                   const v1::ReadRequest* request) override;
  grpc::ServerUnaryReactor* Stat(grpc::CallbackServerContext* call, const v1::StatRequest* request,
                                 v1::Blob* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                 const v1::ListBlobsRequest* request,
                                 v1::ListBlobsResponse* response) override;
  grpc::ServerUnaryReactor* SetPrivate(grpc::CallbackServerContext* call,
                                       const v1::SetPrivateRequest* request,
                                       v1::SetPrivateResponse* response) override;

 private:
  const ServiceContext& context_;
};

}  // namespace blobd::rpc
