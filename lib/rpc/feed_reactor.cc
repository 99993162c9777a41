#include "rpc/feed_reactor.h"

#include <utility>

namespace blobd::rpc {
namespace {

// The slice holds on to the bytes.
grpc::Slice SliceOf(SharedBytes bytes) {
  auto* held = new SharedBytes(std::move(bytes));
  const std::string& content = **held;
  return grpc::Slice(
      const_cast<char*>(content.data()), content.size(),
      [](void* done) { delete static_cast<SharedBytes*>(done); }, held);
}

}  // namespace

void FeedReactor::Begin(const StatusOr<std::shared_ptr<FeedReader>>& reader) {
  TakeOver();
  if (!reader.ok()) return FinishOnce(reader.status());
  reader_ = *reader;
  reader_->Attach(this);
  if (!context_.commands.Post(is_admin(), [reader = reader_] { reader->Start(); })) {
    FinishOnce(TooManyCommands());
  }
}

void FeedReactor::OnWriteDone(bool ok) {
  TakeOver();
  if (!ok) return FinishOnce(CallerIsGone());
  context_.commands.PostAlways([reader = reader_] { reader->OnSent(); });
}

void FeedReactor::OnCancel() {
  TakeOver();
  FinishOnce(CallerIsGone());
}

void FeedReactor::Send(std::vector<SharedBytes> message) {
  const MutexLock lock(mutex_);
  if (finished_) return;
  std::vector<grpc::Slice> slices;
  slices.reserve(message.size());
  for (SharedBytes& part : message) slices.push_back(SliceOf(std::move(part)));
  sending_ = grpc::ByteBuffer(slices.data(), slices.size());
  Write(&sending_);
}

void FeedReactor::EndFeed(const Status& status) { FinishOnce(status); }

void FeedReactor::FinishOnce(const Status& status) {
  const MutexLock lock(mutex_);
  if (!std::exchange(finished_, true)) End(status);
}

void FeedReactor::Gone() {
  { const MutexLock lock(mutex_); }  // whoever ended the call has let go
  if (reader_ != nullptr) {
    reader_->Detach();
    context_.commands.PostAlways([reader = reader_] { reader->Stop(); });
  }
  delete this;
}

}  // namespace blobd::rpc
