// Downloads, see proto/blobd/v1/downloads.proto.
#pragma once

#include <memory>

#include "blobd/v1/downloads.grpc.pb.h"
#include "rpc/brief_request.h"
#include "rpc/context.h"
#include "rpc/transfers_feed.h"

namespace blobd::rpc {

// WatchTransfers gets and gives bytes, since what it tells is encoded once for all who watch.
class DownloadsService final
    : public v1::Downloads::WithRawCallbackMethod_WatchTransfers<v1::Downloads::CallbackService> {
 public:
  explicit DownloadsService(const ServiceContext& context)
      : context_(context),
        feed_(std::make_shared<TransfersFeed>(RandomLife(),
                                              TransfersSource(context.engine, context.keeper))) {
    SetMessageAllocatorFor_Queue(&queue_requests_);
    SetMessageAllocatorFor_Cancel(&cancel_requests_);
    SetMessageAllocatorFor_Pause(&pause_requests_);
    SetMessageAllocatorFor_Resume(&resume_requests_);
    SetMessageAllocatorFor_NodesHave(&nodes_have_requests_);
  }

  grpc::ServerUnaryReactor* Queue(grpc::CallbackServerContext* call,
                                  const v1::QueueRequest* request,
                                  v1::QueueResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* call,
                                   const v1::CancelRequest* request,
                                   v1::CancelResponse* response) override;
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* call,
                                  const v1::PauseRequest* request,
                                  v1::PauseResponse* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* call,
                                   const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) override;
  grpc::ServerUnaryReactor* Why(grpc::CallbackServerContext* call, const v1::WhyRequest* request,
                                v1::WhyResponse* response) override;

  grpc::ServerUnaryReactor* NodesHave(grpc::CallbackServerContext* call,
                                      const v1::NodesHaveRequest* request,
                                      v1::NodesHaveResponse* response) override;
  grpc::ServerUnaryReactor* GetIntent(grpc::CallbackServerContext* call,
                                      const v1::GetIntentRequest* request,
                                      v1::Intent* response) override;
  grpc::ServerUnaryReactor* ListIntents(grpc::CallbackServerContext* call,
                                        const v1::ListIntentsRequest* request,
                                        v1::ListIntentsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchIntentResponse>* WatchIntent(
      grpc::CallbackServerContext* call, const v1::WatchIntentRequest* request) override;
  grpc::ServerUnaryReactor* ListTransfers(grpc::CallbackServerContext* call,
                                          const v1::ListTransfersRequest* request,
                                          v1::ListTransfersResponse* response) override;
  grpc::ServerUnaryReactor* ListRequests(grpc::CallbackServerContext* call,
                                         const v1::ListRequestsRequest* request,
                                         v1::ListRequestsResponse* response) override;
  grpc::ServerUnaryReactor* GetTransfer(grpc::CallbackServerContext* call,
                                        const v1::GetTransferRequest* request,
                                        v1::Transfer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchTransfers(
      grpc::CallbackServerContext* call, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* CancelTransfer(grpc::CallbackServerContext* call,
                                           const v1::CancelTransferRequest* request,
                                           v1::CancelTransferResponse* response) override;

 private:
  // On the control loop.
  void AnswerIntents(const engine::Caller& caller, const engine::IntentFilter& filter,
                     IntentId after, uint32_t limit, char list, UnaryReactor* reactor,
                     v1::ListIntentsResponse* response);
  void AnswerRequests(const engine::Caller& caller, const engine::RequestFilter& filter,
                      IntentId after, uint32_t limit, UnaryReactor* reactor,
                      v1::ListRequestsResponse* response);
  void AnswerTransfers(const engine::Caller& caller, const engine::TransferFilter& filter,
                       TransferId after, uint32_t limit, char list, UnaryReactor* reactor,
                       v1::ListTransfersResponse* response);
  void AnswerTransfer(const engine::Caller& caller, const engine::TransferView& view,
                      UnaryReactor* reactor, v1::Transfer* out);
  void AddUploads(UnaryReactor* reactor, v1::ListTransfersResponse* response);
  template <typename Request, typename Done>
  grpc::ServerUnaryReactor* SetPaused(grpc::CallbackServerContext* call, const Request& request,
                                      bool paused, Done fill);
  void AnswerNodesHave(const Hash& hash, const std::vector<engine::NamedProvider>& providers,
                       bool is_hidden, UnaryReactor* reactor, v1::NodesHaveResponse* response);
  void WhyIntent(const engine::Caller& caller, IntentId id, UnaryReactor* reactor,
                 v1::WhyResponse* response);
  void WhyHash(const engine::Caller& caller, const Hash& hash, bool is_hidden,
               UnaryReactor* reactor, v1::WhyResponse* response);

  const ServiceContext& context_;
  const std::shared_ptr<TransfersFeed> feed_;
  BriefRequests<v1::QueueRequest, v1::QueueResponse> queue_requests_;
  BriefRequests<v1::CancelRequest, v1::CancelResponse> cancel_requests_;
  BriefRequests<v1::PauseRequest, v1::PauseResponse> pause_requests_;
  BriefRequests<v1::ResumeRequest, v1::ResumeResponse> resume_requests_;
  BriefRequests<v1::NodesHaveRequest, v1::NodesHaveResponse> nodes_have_requests_;
};

}  // namespace blobd::rpc
