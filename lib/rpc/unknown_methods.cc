#include "rpc/unknown_methods.h"

#include "base/error_reason.h"
#include "base/utf8.h"
#include "rpc/reactor.h"
#include "rpc/status_code.h"

namespace blobd::rpc {
namespace {

class EndedReactor final : public Reactor<grpc::ServerGenericBidiReactor> {
 public:
  explicit EndedReactor(const Status& error) { EndWith(ToGrpc(error)); }
};

}  // namespace

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(
    grpc::GenericCallbackServerContext* call) {
  const Status error = ErrorFor(Reason::kUnknownMethod,
                                "this daemon has no method {}; it may be older than the caller",
                                ShortText(call->method(), 80));
  calls_.Note("a call", error);
  return new EndedReactor(error);
}

}  // namespace blobd::rpc
