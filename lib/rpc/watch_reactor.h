// WatchReactor: one WatchIntent call. It holds at most the newest state that the caller has not
// been sent, so a slow reader costs one message and slows nobody.
//
// Thread: gRPC's threads and the control loop; its own lock guards all state. It deletes itself
//         when the call is over.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>

#include "base/mutex.h"
#include "blobd/v1/downloads.pb.h"
#include "engine/engine.h"
#include "rpc/context.h"

namespace blobd::rpc {

class WatchReactor final : public Reactor<grpc::ServerWriteReactor<v1::WatchIntentResponse>> {
 public:
  WatchReactor(const ServiceContext& context, IntentId intent);
  // Once, after construction: starts watching, or ends at once if `caller` is an error.
  void Begin(const StatusOr<engine::Caller>& caller);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;

 private:
  // What the engine holds; it may outlive the call.
  class Watcher final : public engine::IntentWatcher {
   public:
    explicit Watcher(WatchReactor* reactor) : reactor_(reactor) {}
    void OnIntent(const engine::IntentView& view, bool last) override;
    void Refuse(const Status& status);
    void Detach();
    bool is_gone();
    bool is_veiled = false;  // the caller must not learn of the hash; control loop

   private:
    Mutex mutex_;
    WatchReactor* reactor_ ABSL_GUARDED_BY(mutex_);  // null once the call has ended
  };

  static void StartWatching(const ServiceContext& context, const engine::Caller& caller,
                            IntentId intent, const std::shared_ptr<Watcher>& watcher);
  void Show(v1::WatchIntentResponse response, bool last);
  void Gone() override;
  void FinishOnce(const Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ServiceContext& context_;
  const IntentId intent_;
  const std::shared_ptr<Watcher> watcher_;
  Mutex mutex_;
  std::optional<v1::WatchIntentResponse> newest_ ABSL_GUARDED_BY(mutex_);  // not sent yet
  v1::WatchIntentResponse sending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_ ABSL_GUARDED_BY(mutex_) = false;  // newest_, or what was sent before it, is the result
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace blobd::rpc
