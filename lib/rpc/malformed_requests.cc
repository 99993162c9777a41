#include "rpc/malformed_requests.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/error_reason.h"
#include "blobd/request_limits.h"
#include "rpc/status_code.h"

namespace blobd::rpc {
namespace {

namespace experimental = grpc::experimental;

class StatusReader final : public experimental::Interceptor {
 public:
  StatusReader(CallBook& calls, const char* method) : calls_(calls), method_(method) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      // Ours have a message, always.
      if (status.error_code() == grpc::UNIMPLEMENTED && status.error_message().empty()) {
        const Status error = ErrorOfMethod();
        calls_.Note("a call", error);
        methods->ModifySendStatus(ToGrpc(error));
      }
    }
    methods->Proceed();
  }

 private:
  Status ErrorOfMethod() const {
    // "/blobd.v1.Downloads/Queue", as descriptors have it.
    std::string name(std::string_view(method_).substr(1));
    std::replace(name.begin(), name.end(), '/', '.');
    const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
    if (method == nullptr)
      return ErrorFor(Reason::kMalformedRequest, "the request is no message of this method");
    return Malformed(*method->input_type());
  }

  CallBook& calls_;
  // gRPC's, as long as the server lives. A string of our own would be destroyed on a thread to
  // which gRPC hands the call over by locks that the thread sanitizer does not see.
  const char* const method_;
};

}  // namespace

Status Malformed(const google::protobuf::Descriptor& request) {
  const RequestLimit* limit = LimitOf(request);
  const std::string most =
      limit == nullptr
          ? ""
          : fmt::format(", or has more than {} bytes or {} values", limit->bytes, limit->values);
  return ErrorFor(Reason::kMalformedRequest,
                  "the request is no {}: it cannot be read, a text in it is no UTF-8{}",
                  request.name(), most);
}

experimental::Interceptor* MalformedRequests::CreateServerInterceptor(
    experimental::ServerRpcInfo* info) {
  return new StatusReader(calls_, info->method());
}

}  // namespace blobd::rpc
