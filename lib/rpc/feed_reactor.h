// FeedReactor: the call of a FeedReader, seen from gRPC. It sends messages that are encoded
// already, and copies none of their bytes.
//
// Thread: gRPC's threads and the control loop; its own lock guards all state. It deletes itself
//         when the call is over.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <vector>

#include "base/error_reason.h"
#include "base/mutex.h"
#include "blobd/request_limits.h"
#include "rpc/context.h"
#include "rpc/feed_call.h"
#include "rpc/malformed_requests.h"

namespace blobd::rpc {

class FeedReactor final : public Reactor<grpc::ServerWriteReactor<grpc::ByteBuffer>>,
                          private FeedCall {
 public:
  explicit FeedReactor(const ServiceContext& context) : context_(context) {}
  // Once, after construction: starts reading, or ends at once if there is no reader.
  void Begin(const StatusOr<std::shared_ptr<FeedReader>>& reader);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;

 private:
  void Send(std::vector<SharedBytes> message) override;
  void EndFeed(const Status& status) override;
  void Gone() override;
  void FinishOnce(const Status& status);

  const ServiceContext& context_;
  std::shared_ptr<FeedReader> reader_;
  grpc::ByteBuffer sending_;
  Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

// The message of a call whose messages are not decoded for us. kInvalidArgument.
template <typename Message>
StatusOr<Message> Decode(grpc::ByteBuffer bytes) {
  Message message;
  if (!grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok())
    return Malformed(*Message::descriptor());
  return message;
}

}  // namespace blobd::rpc
