#include "rpc/add_small.h"

#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"

namespace blobd::rpc {
namespace {

constexpr int kMostBlobs = 1024;
constexpr size_t kLargest = 16 * 1024;  // one chunk group: what the store keeps in rows
constexpr size_t kMostBytes = 1 << 20;

Status TooLarge(const std::string& field, std::string_view what, size_t bytes, size_t limit) {
  return WithDetail(FieldError(Reason::kMessageTooLarge, field, "{}: {} bytes; the limit is {}",
                               what, bytes, limit),
                    "limit", std::to_string(limit));
}

}  // namespace

Status CheckAddSmall(const v1::AddSmallRequest& request) {
  if (request.contents().empty() || request.contents_size() > kMostBlobs)
    return TooMany("contents", request.contents_size(), 1, kMostBlobs);
  size_t bytes = 0;
  for (int i = 0; i < request.contents_size(); ++i) {
    const size_t size = request.contents(i).size();
    if (size > kLargest) return TooLarge(fmt::format("contents[{}]", i), "a blob", size, kLargest);
    bytes += size;
  }
  if (bytes > kMostBytes) return TooLarge("contents", "all blobs together", bytes, kMostBytes);
  return OkStatus();
}

SmallAdd::SmallAdd(const ServiceContext& context, const v1::AddSmallRequest& request,
                   v1::AddSmallResponse* response)
    : context_(context),
      request_(request),
      response_(response),
      strand_(context.workers.MakeStrand()) {}

void SmallAdd::Start(const engine::Caller& caller, UniqueFunction<void(Status)> done) {
  KeepAdded(
      context_, caller, {},
      [self = shared_from_this()](Added added) {
        self->strand_->Post([self, added = std::move(added)]() mutable {
          self->added_ = std::move(added);
          self->TakeIn();
        });
      },
      std::move(done));
}

void SmallAdd::TakeIn() {
  const auto count = static_cast<size_t>(request_.contents_size());
  left_ = count;
  kinds_.resize(count);
  for (size_t i = 0; i < count; ++i) response_->add_blobs();
  for (size_t i = 0; i < count; ++i) {
    context_.store.StartImport(
        *strand_, [self = shared_from_this(), i](StatusOr<std::unique_ptr<store::Import>> import) {
          Status begun = import.status();
          if (begun.ok()) begun = self->FinishOne(i, *std::move(import));
          if (!begun.ok()) self->OnTakenIn(i, begun);
        });
  }
}

Status SmallAdd::FinishOne(size_t i, std::shared_ptr<store::Import> import) {
  if (request_.is_private()) import->MakePrivate();
  BLOBD_RETURN_IF_ERROR(import->Append(AsBytes(request_.contents(static_cast<int>(i)))));
  store::Import& taken = *import;
  taken.Finish(*strand_,
               [self = shared_from_this(), i, import = std::move(import)](
                   const StatusOr<store::Import::Result>& result) { self->OnTakenIn(i, result); });
  return OkStatus();
}

void SmallAdd::OnTakenIn(size_t i, const StatusOr<store::Import::Result>& result) {
  if (result.ok()) {
    v1::AddResponse* blob = response_->mutable_blobs(static_cast<int>(i));
    blob->set_hash(result->hash.ToHex());
    blob->set_size(result->size);
    blob->set_existed(result->was_there);
    kinds_[i] = {result->hash, BlobFormat::kRaw};
  } else if (worst_.ok()) {
    worst_ = result.status();
  }
  if (--left_ > 0) return;
  // What it holds holds this.
  Added added = std::move(added_);
  if (!worst_.ok()) return added(worst_);
  added(std::move(kinds_));
}

}  // namespace blobd::rpc
