#include "rpc/url_import_call.h"

#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"
#include "rpc/keep_added.h"

namespace blobd::rpc {

void UrlImportCall::Start(const transfer::UrlImportOrder& order) {
  job_ = context_.importer->ImportUrl(order, strand_, shared_from_this());
  report_->SetJob(shared_from_this());
}

void UrlImportCall::OnReceived(uint64_t bytes, std::optional<uint64_t> total) {
  report_->Update([&](v1::ImportUrlResponse& message) {
    message.set_received_bytes(bytes);
    if (total) message.set_total_bytes(*total);
  });
}

void UrlImportCall::OnEnded(StatusOr<std::unique_ptr<store::Import>> import) {
  if (!import.ok()) return report_->End(import.status());
  import_ = *std::move(import);
  KeepAdded(
      context_, caller_, {},
      [self = shared_from_this()](Added added) {
        self->strand_->Post(
            [self, added = std::move(added)]() mutable { self->Finish(std::move(added)); });
      },
      [self = shared_from_this()](const Status& status) { self->report_->End(status); });
}

void UrlImportCall::Finish(Added added) {
  import_->Finish(*strand_, [self = shared_from_this(), added = std::move(added)](
                                StatusOr<store::Import::Result> result) mutable {
    self->import_.reset();
    if (!result.ok()) return added(result.status());
    self->report_->Update([&](v1::ImportUrlResponse& message) {
      message.set_received_bytes(result->size);
      message.set_total_bytes(result->size);
      message.set_hash(result->hash.ToHex());
      message.set_existed(result->was_there);
    });
    added(std::vector{Kind{result->hash, BlobFormat::kRaw}});
  });
}

StatusOr<transfer::UrlImportOrder> ToUrlImportOrder(const v1::ImportUrlRequest& request) {
  if (request.url().size() > kMaxUrlBytes)
    return FieldError(Reason::kTooLong, "url", "longer than {} bytes", kMaxUrlBytes);
  const auto url = http::Url::Parse(request.url());
  if (!url.ok()) return UrlError("url", request.url(), url.status());
  transfer::UrlImportOrder order{*url, request.is_private()};
  if (request.max_bytes() > order.max_size) {
    return FieldError(Reason::kInvalidField, "max_bytes", "{} is more than the largest blob, {}",
                      request.max_bytes(), order.max_size);
  }
  if (request.max_bytes() > 0) order.max_size = request.max_bytes();
  return order;
}

}  // namespace blobd::rpc
