#include "rpc/remotes_watch_reactor.h"

#include <utility>

namespace blobd::rpc {

RemotesWatchReactor::RemotesWatchReactor(const ServiceContext& context, std::optional<NodeId> only)
    : context_(context),
      watch_(
          std::make_shared<RemotesWatch>(context, static_cast<RemotesWatch::Call*>(this), only)) {}

void RemotesWatchReactor::Begin(const Status& caller) {
  TakeOver();
  if (!caller.ok()) return FinishOnce(caller);
  if (!context_.commands.Post([watch = watch_] { watch->Start(); })) {
    FinishOnce(TooManyCommands());
  }
}

void RemotesWatchReactor::OnWriteDone(bool ok) {
  TakeOver();
  if (!ok) return FinishOnce(CallerIsGone());
  context_.commands.PostAlways([watch = watch_] { watch->OnSent(); });
}

void RemotesWatchReactor::OnCancel() {
  TakeOver();
  FinishOnce(CallerIsGone());
}

void RemotesWatchReactor::Send(v1::WatchRemotesResponse message) {
  const MutexLock lock(mutex_);
  if (finished_) return;
  sending_ = std::move(message);
  Write(&sending_);
}

void RemotesWatchReactor::EndWatch(const Status& status) { FinishOnce(status); }

void RemotesWatchReactor::FinishOnce(const Status& status) {
  const MutexLock lock(mutex_);
  if (!std::exchange(finished_, true)) End(status);
}

void RemotesWatchReactor::Gone() {
  { const MutexLock lock(mutex_); }  // whoever ended the call has let go
  watch_->Detach();
  context_.commands.PostAlways([watch = watch_] { watch->Stop(); });
  delete this;
}

}  // namespace blobd::rpc
