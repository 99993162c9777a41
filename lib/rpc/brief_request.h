// BriefRequest: a large request is in memory while its handler runs and no longer, however long the
// answer takes and however slowly its caller takes that. By default gRPC keeps a request until the
// call is over.
//
// Thread:    gRPC's threads.
// Ownership: a service owns the memory of its methods, which outlives the server.
// Source:    grpcpp/support/message_allocator.h.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/message_allocator.h>

#include <memory>

#include "base/mutex.h"

namespace blobd::rpc {

// Makes the messages of one method.
template <typename Request, typename Response>
class BriefRequests final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Messages(); }

 private:
  class Messages final : public grpc::MessageHolder<Request, Response> {
   public:
    Messages() : request_(std::make_unique<Request>()) {
      this->set_request(request_.get());
      this->set_response(&response_);
    }
    void FreeRequest() override {
      const MutexLock lock(hand_over_);
      this->set_request(nullptr);
      request_.reset();
    }
    void Release() override {
      { const MutexLock lock(hand_over_); }
      delete this;
    }

   private:
    Mutex hand_over_;  // from thread to thread, see reactor.h
    std::unique_ptr<Request> request_;
    Response response_;
  };
};

// The first thing in a handler of such a method: its request is gone when the handler returns.
class BriefRequest {
 public:
  explicit BriefRequest(grpc::CallbackServerContext& call) : call_(call) {}
  ~BriefRequest() { call_.GetRpcAllocatorState()->FreeRequest(); }
  BriefRequest(const BriefRequest&) = delete;
  BriefRequest& operator=(const BriefRequest&) = delete;

 private:
  // There until the handler has returned, even if the call has ended in it.
  grpc::CallbackServerContext& call_;
};

}  // namespace blobd::rpc
