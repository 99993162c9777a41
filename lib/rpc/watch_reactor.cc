#include "rpc/watch_reactor.h"

#include <utility>

#include "rpc/convert.h"

namespace blobd::rpc {

WatchReactor::WatchReactor(const ServiceContext& context, IntentId intent)
    : context_(context), intent_(intent), watcher_(std::make_shared<Watcher>(this)) {}

void WatchReactor::Begin(const Status& caller) {
  if (!caller.ok()) {
    const MutexLock lock(mutex_);
    return FinishOnce(ToGrpc(caller));
  }
  // The watcher speaks for this call; the call itself may be gone when the control loop gets here.
  const bool posted =
      context_.commands.Post([&engine = context_.engine, intent = intent_, watcher = watcher_] {
        engine.Watch(intent, watcher, [watcher](const Status& status) {
          if (!status.ok()) watcher->Refuse(status);
        });
      });
  if (!posted) {
    const MutexLock lock(mutex_);
    FinishOnce(
        ToGrpc(ResourceExhausted("the daemon has too many commands waiting; try again soon")));
  }
}

void WatchReactor::Watcher::OnIntent(const engine::IntentView& view, bool last) {
  v1::WatchIntentResponse response;
  Fill(view, response.mutable_intent());
  const MutexLock lock(mutex_);
  if (reactor_ != nullptr) reactor_->Show(std::move(response), last);
}

void WatchReactor::Watcher::Refuse(const Status& status) {
  const MutexLock lock(mutex_);
  if (reactor_ == nullptr) return;
  const MutexLock reactor_lock(reactor_->mutex_);
  reactor_->FinishOnce(ToGrpc(status));
}

void WatchReactor::Watcher::Detach() {
  const MutexLock lock(mutex_);
  reactor_ = nullptr;
}

void WatchReactor::Show(v1::WatchIntentResponse response, bool last) {
  const MutexLock lock(mutex_);
  newest_ = std::move(response);
  last_ |= last;
  Advance();
}

void WatchReactor::Advance() {
  if (writing_ || finished_) return;
  if (newest_) {
    sending_ = *std::exchange(newest_, std::nullopt);
    writing_ = true;
    StartWrite(&sending_);
  } else if (last_) {
    FinishOnce(grpc::Status::OK);
  }
}

void WatchReactor::FinishOnce(const grpc::Status& status) {
  if (std::exchange(finished_, true)) return;
  Finish(status);
}

void WatchReactor::OnWriteDone(bool ok) {
  const MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) return FinishOnce(grpc::Status::CANCELLED);
  Advance();
}

void WatchReactor::OnCancel() {
  const MutexLock lock(mutex_);
  FinishOnce(grpc::Status::CANCELLED);
}

void WatchReactor::OnDone() {
  { const MutexLock lock(mutex_); }  // see reactor.h
  watcher_->Detach();
  context_.commands.PostAlways([&engine = context_.engine, intent = intent_, watcher = watcher_] {
    engine.Unwatch(intent, watcher);
  });
  delete this;
}

}  // namespace blobd::rpc
