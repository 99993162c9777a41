// RemotesWatchReactor: the call of a RemotesWatch, seen from gRPC.
//
// Thread: gRPC's threads and the control loop; its own lock guards all state. It deletes itself
//         when the call is over.
#pragma once

#include <memory>
#include <optional>

#include "base/mutex.h"
#include "rpc/remotes_watch.h"

namespace blobd::rpc {

class RemotesWatchReactor final
    : public Reactor<grpc::ServerWriteReactor<v1::WatchRemotesResponse>>,
      private RemotesWatch::Call {
 public:
  RemotesWatchReactor(const ServiceContext& context, std::optional<NodeId> only);
  // Once, after construction: starts watching, or ends at once if `caller` is an error.
  void Begin(const Status& caller);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;

 private:
  // RemotesWatch::Call
  void Send(v1::WatchRemotesResponse message) override;
  void EndWatch(const Status& status) override;
  void Gone() override;
  void FinishOnce(const Status& status);

  const ServiceContext& context_;
  const std::shared_ptr<RemotesWatch> watch_;
  v1::WatchRemotesResponse sending_;
  Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace blobd::rpc
