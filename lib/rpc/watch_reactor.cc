#include "rpc/watch_reactor.h"

#include <utility>
#include <vector>

#include "rpc/convert.h"
#include "rpc/veil.h"

namespace blobd::rpc {

WatchReactor::WatchReactor(const ServiceContext& context, IntentId intent)
    : context_(context), intent_(intent), watcher_(std::make_shared<Watcher>(this)) {}

void WatchReactor::Begin(const StatusOr<engine::Caller>& caller) {
  TakeOver();
  if (!caller.ok()) {
    const MutexLock lock(mutex_);
    return FinishOnce(caller.status());
  }
  // The watcher speaks for this call; the call itself may be gone when the control loop gets here.
  const bool posted = context_.commands.Post(
      is_admin(), [&context = context_, caller = *caller, intent = intent_, watcher = watcher_] {
        StartWatching(context, caller, intent, watcher);
      });
  if (!posted) {
    const MutexLock lock(mutex_);
    FinishOnce(TooManyCommands());
  }
}

// What it is about becomes no secret of others while it runs: that takes content that is all here.
void WatchReactor::StartWatching(const ServiceContext& context, const engine::Caller& caller,
                                 IntentId intent, const std::shared_ptr<Watcher>& watcher) {
  context.engine.GetIntent(
      intent, [&context, caller, intent, watcher](const StatusOr<engine::IntentView>& view) {
        if (!view.ok()) return watcher->Refuse(view.status());
        std::vector<Hash> doubtful;
        if (!caller.may_see(view->row.owner_uid)) doubtful.push_back(view->row.kind.hash);
        context.keeper.HiddenFrom(
            caller, std::move(doubtful),
            [&context, intent, watcher](const engine::Keeper::Hidden& hidden) {
              if (watcher->is_gone()) return;  // and has been unwatched before it was watched
              watcher->is_veiled = !hidden.empty();
              context.engine.Watch(intent, watcher, [watcher](const Status& status) {
                if (!status.ok()) watcher->Refuse(status);
              });
            });
      });
}

void WatchReactor::Watcher::OnIntent(const engine::IntentView& view, bool last) {
  v1::WatchIntentResponse response;
  Fill(view, response.mutable_intent());
  if (is_veiled) Veil(view.row.kind.hash, response.mutable_intent());
  const MutexLock lock(mutex_);
  if (reactor_ != nullptr) reactor_->Show(std::move(response), last);
}

bool WatchReactor::Watcher::is_gone() {
  const MutexLock lock(mutex_);
  return reactor_ == nullptr;
}

void WatchReactor::Watcher::Refuse(const Status& status) {
  const MutexLock lock(mutex_);
  if (reactor_ == nullptr) return;
  const MutexLock reactor_lock(reactor_->mutex_);
  reactor_->FinishOnce(status);
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
    Write(&sending_);
  } else if (last_) {
    FinishOnce(OkStatus());
  }
}

void WatchReactor::FinishOnce(const Status& status) {
  if (std::exchange(finished_, true)) return;
  End(status);
}

void WatchReactor::OnWriteDone(bool ok) {
  TakeOver();
  const MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) return FinishOnce(CallerIsGone());
  Advance();
}

void WatchReactor::OnCancel() {
  TakeOver();
  const MutexLock lock(mutex_);
  FinishOnce(CallerIsGone());
}

void WatchReactor::Gone() {
  { const MutexLock lock(mutex_); }  // whoever ended the call has let go
  watcher_->Detach();
  context_.commands.PostAlways([&engine = context_.engine, intent = intent_, watcher = watcher_] {
    engine.Unwatch(intent, watcher);
  });
  delete this;
}

}  // namespace blobd::rpc
