// Blobs, see proto/blobd/v1/blobs.proto. Content comes from and goes to the store; the control loop
// is asked where it matters what is kept. What tokens buy is in
// data_exchange.h.
#pragma once

#include <vector>

#include "blobd/v1/blobs.grpc.pb.h"
#include "rpc/brief_request.h"
#include "rpc/context.h"

namespace blobd::rpc {

class BlobsService final : public v1::Blobs::CallbackService {
 public:
  explicit BlobsService(const ServiceContext& context) : context_(context) {
    SetMessageAllocatorFor_CreateCollection(&create_requests_);
    SetMessageAllocatorFor_Remove(&remove_requests_);
  }

  grpc::ServerReadReactor<v1::AddRequest>* Add(grpc::CallbackServerContext* call,
                                               v1::AddResponse* response) override;
  grpc::ServerUnaryReactor* AddSmall(grpc::CallbackServerContext* call,
                                     const v1::AddSmallRequest* request,
                                     v1::AddSmallResponse* response) override;
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
  grpc::ServerUnaryReactor* Open(grpc::CallbackServerContext* call, const v1::OpenRequest* request,
                                 v1::OpenResponse* response) override;
  grpc::ServerUnaryReactor* Import(grpc::CallbackServerContext* call,
                                   const v1::ImportRequest* request,
                                   v1::ImportResponse* response) override;
  grpc::ServerWriteReactor<v1::ImportUrlResponse>* ImportUrl(
      grpc::CallbackServerContext* call, const v1::ImportUrlRequest* request) override;

  // What is kept and what goes (blobs_keeping.cc).
  grpc::ServerUnaryReactor* WhyKept(grpc::CallbackServerContext* call,
                                    const v1::WhyKeptRequest* request,
                                    v1::WhyKeptResponse* response) override;
  grpc::ServerUnaryReactor* Remove(grpc::CallbackServerContext* call,
                                   const v1::RemoveRequest* request,
                                   v1::RemoveResponse* response) override;
  grpc::ServerWriteReactor<v1::CollectGarbageResponse>* CollectGarbage(
      grpc::CallbackServerContext* call, const v1::CollectGarbageRequest* request) override;
  grpc::ServerWriteReactor<v1::VerifyResponse>* Verify(grpc::CallbackServerContext* call,
                                                       const v1::VerifyRequest* request) override;

 private:
  void ShowTo(const engine::Caller& caller, std::vector<store::BlobInfo> blobs,
              UnaryReactor* reactor, v1::ListBlobsResponse* response);

  const ServiceContext& context_;
  BriefRequests<v1::CreateCollectionRequest, v1::CreateCollectionResponse> create_requests_;
  BriefRequests<v1::RemoveRequest, v1::RemoveResponse> remove_requests_;
};

}  // namespace blobd::rpc
