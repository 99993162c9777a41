// BackupReactor: one Backup call: has a copy of the registry made, sends it, and removes it however
// the call ends. One message is read while none is in flight, so memory is bounded by one.
//
// Thread: gRPC's threads start steps, the strand does the work; one step at a time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "blobd/v1/admin.pb.h"
#include "rpc/context.h"
#include "rpc/maintenance.h"

namespace blobd::rpc {

class BackupReactor final : public Reactor<grpc::ServerWriteReactor<v1::BackupResponse>> {
 public:
  BackupReactor(const ServiceContext& context, Maintenance& maintenance);
  ~BackupReactor() override;
  void Begin(const Status& caller);

  void OnWriteDone(bool ok) override;

 private:
  static constexpr size_t kMessage = 256 * 1024;
  void OnCopy(StatusOr<std::string> path);
  void SendNext();

  const ServiceContext& context_;
  Maintenance& maintenance_;
  const std::shared_ptr<Executor> strand_;
  int file_ = -1;
  uint64_t sent_ = 0;
  v1::BackupResponse message_;
};

}  // namespace blobd::rpc
