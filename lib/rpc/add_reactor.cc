#include "rpc/add_reactor.h"

#include <utility>

namespace blobd::rpc {

AddReactor::AddReactor(const ServiceContext& context, grpc::CallbackServerContext* call,
                       v1::AddResponse* response)
    : context_(context), call_(call), response_(response), strand_(context.workers.MakeStrand()) {}

void AddReactor::Begin(const Status& caller) {
  if (!caller.ok()) return Finish(ToGrpc(caller));
  context_.store.StartImport(*strand_, [this](StatusOr<std::unique_ptr<store::Import>> import) {
    if (!import.ok()) return Finish(ToGrpc(import.status()));
    import_ = *std::move(import);
    StartRead(&message_);
  });
}

void AddReactor::OnReadDone(bool ok) {
  strand_->Post([this, ok] {
    if (!ok) return Complete();
    if (message_.data().size() > kMaxMessage) {
      return Finish(ToGrpc(InvalidArgument("data: {} bytes in one message; the limit is {}",
                                           message_.data().size(), kMaxMessage)));
    }
    if (const Status status = import_->Append(AsBytes(message_.data())); !status.ok())
      return Finish(ToGrpc(status));
    StartRead(&message_);
  });
}

// The caller has sent everything, or broke off; then nothing is kept.
void AddReactor::Complete() {
  if (call_->IsCancelled()) return Finish(grpc::Status::CANCELLED);
  import_->Finish(*strand_, [this](StatusOr<store::Import::Result> result) {
    if (result.ok()) {
      response_->set_hash(result->hash.ToHex());
      response_->set_size(result->size);
      response_->set_existed(result->was_there);
    }
    Finish(ToGrpc(result.status()));
  });
}

}  // namespace blobd::rpc
