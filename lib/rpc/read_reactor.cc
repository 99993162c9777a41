#include "rpc/read_reactor.h"

#include <algorithm>
#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"

namespace blobd::rpc {

ReadReactor::ReadReactor(const ServiceContext& context, const v1::ReadRequest& request)
    : context_(context), request_(request), strand_(context.workers.MakeStrand()) {}

void ReadReactor::Begin(const Status& caller) {
  if (!caller.ok()) return End(caller);
  const auto hash = ToHash(request_.hash(), "hash");
  if (!hash.ok()) return End(hash.status());
  context_.store.OpenReader(
      *hash, *strand_,
      [this](StatusOr<std::shared_ptr<store::BlobReader>> reader) { OnReader(std::move(reader)); });
}

void ReadReactor::OnReader(StatusOr<std::shared_ptr<store::BlobReader>> reader) {
  if (!reader.ok()) return End(reader.status());
  reader_ = *std::move(reader);
  const store::BlobInfo& info = reader_->info();
  offset_ = request_.offset();
  if (request_.length() == 0) {
    if (!info.size_proven) {
      return End(ErrorFor(Reason::kSizeUnknown, "the size of {} is not known yet; name a length",
                          request_.hash()));
    }
    end_ = info.size;
  } else if (request_.length() > UINT64_MAX - offset_) {
    return End(ErrorFor(Reason::kPastEnd, "offset and length together are past the end"));
  } else {
    end_ = offset_ + request_.length();
  }
  if (info.size_proven && (offset_ > info.size || end_ > info.size)) {
    const Status error = ErrorFor(Reason::kPastEnd, "{} has {} bytes; {} is past its end",
                                  request_.hash(), info.size, std::max(offset_, end_));
    return End(WithDetail(error, "size", std::to_string(info.size)));
  }
  SendNext();
}

void ReadReactor::SendNext() {
  if (offset_ >= end_) return End(OkStatus());
  const uint64_t size = std::min(kMessage, end_ - offset_);
  std::string& data = *message_.mutable_data();
  data.resize(size);
  const Status status =
      reader_->ReadAt(offset_, {reinterpret_cast<uint8_t*>(data.data()), data.size()});
  if (!status.ok()) return End(status);
  offset_ += size;
  Write(&message_);
}

void ReadReactor::OnWriteDone(bool ok) {
  TakeOver();
  if (!ok) return EndWith(grpc::Status::CANCELLED);
  strand_->Post([this] { SendNext(); });
}

}  // namespace blobd::rpc
