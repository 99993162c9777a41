// Downloads, see proto/blobd/v1/downloads.proto.
#pragma once

#include "blobd/v1/downloads.grpc.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

class DownloadsService final : public v1::Downloads::CallbackService {
 public:
  explicit DownloadsService(const ServiceContext& context) : context_(context) {}

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

 private:
  void AddUploads(UnaryReactor* reactor, v1::ListTransfersResponse* response);
  template <typename Request, typename Done>
  grpc::ServerUnaryReactor* SetPaused(grpc::CallbackServerContext* call, const Request& request,
                                      bool paused, Done fill);
  void WhyIntent(const engine::Caller& caller, IntentId id, UnaryReactor* reactor,
                 v1::WhyResponse* response);
  void WhyHash(const engine::Caller& caller, const Hash& hash, UnaryReactor* reactor,
               v1::WhyResponse* response);

  const ServiceContext& context_;
};

}  // namespace blobd::rpc
