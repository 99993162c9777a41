// AddReactor: one Add call. Messages are appended to an import on a strand; the next one is read
// when the last is written, so a fast caller waits for the disk.
//
// Thread: gRPC's threads start steps, the strand does the work; one step at a time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>

#include "blobd/v1/blobs.pb.h"
#include "rpc/context.h"
#include "rpc/keep_added.h"

namespace blobd::rpc {

class AddReactor final : public Reactor<grpc::ServerReadReactor<v1::AddRequest>> {
 public:
  AddReactor(const ServiceContext& context, v1::AddResponse* response);
  void Begin(const StatusOr<engine::Caller>& caller);

  void OnReadDone(bool ok) override;

 private:
  static constexpr size_t kMaxMessage = 1 << 20;
  void Complete();
  void Finish(Added added);

  const ServiceContext& context_;
  v1::AddResponse* const response_;
  const std::shared_ptr<Executor> strand_;
  engine::Caller caller_;
  std::unique_ptr<store::Import> import_;
  v1::AddRequest message_;
  bool begun_ = false;  // the first message has come
  bool is_private_ = false;
};

}  // namespace blobd::rpc
