#include "rpc/malformed_requests.h"

#include "base/error_reason.h"
#include "rpc/status_code.h"

namespace blobd::rpc {
namespace {

namespace experimental = grpc::experimental;

class StatusReader final : public experimental::Interceptor {
 public:
  explicit StatusReader(CallBook& calls) : calls_(calls) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      // Ours have a message, always.
      if (status.error_code() == grpc::UNIMPLEMENTED && status.error_message().empty()) {
        const Status error =
            ErrorFor(Reason::kMalformedRequest,
                     "the request is no message of this method, or a text in it is no UTF-8");
        calls_.Note("a call", error);
        methods->ModifySendStatus(ToGrpc(error));
      }
    }
    methods->Proceed();
  }

 private:
  CallBook& calls_;
};

}  // namespace

experimental::Interceptor* MalformedRequests::CreateServerInterceptor(
    experimental::ServerRpcInfo* /*info*/) {
  return new StatusReader(calls_);
}

}  // namespace blobd::rpc
