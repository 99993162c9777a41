// ReadReactor: one Read call. One message is read from the disk while none is in flight to the
// caller, so memory is bounded by one message whatever the size of the blob and the speed of the
// caller.
//
// Thread: gRPC's threads start steps, the strand does the work; one step at a time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>

#include "blobd/v1/blobs.pb.h"
#include "rpc/context.h"

namespace blobd::rpc {

class ReadReactor final : public Reactor<grpc::ServerWriteReactor<v1::ReadResponse>> {
 public:
  ReadReactor(const ServiceContext& context, const v1::ReadRequest& request);
  void Begin(const Status& caller);

  void OnWriteDone(bool ok) override;

 private:
  static constexpr uint64_t kMessage = 256 * 1024;
  void OnReader(StatusOr<std::shared_ptr<store::BlobReader>> reader);
  void SendNext();

  const ServiceContext& context_;
  const v1::ReadRequest request_;
  const std::shared_ptr<Executor> strand_;
  std::shared_ptr<store::BlobReader> reader_;
  uint64_t offset_ = 0;
  uint64_t end_ = 0;
  v1::ReadResponse message_;
};

}  // namespace blobd::rpc
