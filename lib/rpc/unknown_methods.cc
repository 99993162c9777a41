#include "rpc/unknown_methods.h"

#include "base/error_reason.h"
#include "base/utf8.h"
#include "rpc/status_code.h"

namespace blobd::rpc {
namespace {

class EndedReactor final : public grpc::ServerGenericBidiReactor {
 public:
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(
    grpc::GenericCallbackServerContext* call) {
  const Status error = ErrorFor(Reason::kUnknownMethod,
                                "this daemon has no method {}; it may be older than the caller",
                                ShortText(call->method(), 80));
  calls_.Note("a call", error);
  auto* reactor = new EndedReactor();
  reactor->Finish(ToGrpc(error));
  return reactor;
}

}  // namespace blobd::rpc
