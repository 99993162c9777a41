#include "rpc/add_reactor.h"

#include <utility>

#include "base/error_reason.h"

namespace blobd::rpc {

AddReactor::AddReactor(const ServiceContext& context, v1::AddResponse* response)
    : context_(context), response_(response), strand_(context.workers.MakeStrand()) {}

void AddReactor::Begin(const StatusOr<engine::Caller>& caller) {
  if (!caller.ok()) return End(caller.status());
  caller_ = *caller;
  context_.store.StartImport(*strand_, [this](StatusOr<std::unique_ptr<store::Import>> import) {
    if (!import.ok()) return End(import.status());
    import_ = *std::move(import);
    Read(&message_);
  });
}

void AddReactor::OnReadDone(bool ok) {
  TakeOver();
  strand_->Post([this, ok] {
    // Broken off, or ended without saying that this was all: nothing is kept.
    if (!ok)
      return End(ErrorFor(Reason::kStreamIncomplete, "the stream ended before its last message"));
    if (message_.data().size() > kMaxMessage) {
      const Status error =
          FieldError(Reason::kMessageTooLarge, "data", "{} bytes in one message; the limit is {}",
                     message_.data().size(), kMaxMessage);
      return End(WithDetail(error, "limit", std::to_string(kMaxMessage)));
    }
    if (!std::exchange(begun_, true)) {
      is_private_ = message_.is_private();
      if (is_private_) import_->MakePrivate();
    } else if (message_.is_private() && !is_private_) {
      // What came before may not have been taken for a secret.
      return End(FieldError(Reason::kInvalidField, "is_private",
                            "it can be set in the first message only"));
    }
    if (const Status status = import_->Append(AsBytes(message_.data())); !status.ok())
      return End(status);
    if (message_.last()) return Complete();
    Read(&message_);
  });
}

void AddReactor::Complete() {
  KeepAdded(
      context_, caller_, {},
      [this](Added added) {
        strand_->Post([this, added = std::move(added)]() mutable { Finish(std::move(added)); });
      },
      [this](const Status& status) { End(status); });
}

void AddReactor::Finish(Added added) {
  import_->Finish(*strand_,
                  [this, added = std::move(added)](StatusOr<store::Import::Result> result) mutable {
                    if (!result.ok()) return added(result.status());
                    response_->set_hash(result->hash.ToHex());
                    response_->set_size(result->size);
                    response_->set_existed(result->was_there);
                    added(std::vector{Kind{result->hash, BlobFormat::kRaw}});
                  });
}

}  // namespace blobd::rpc
