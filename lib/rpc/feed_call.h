// What a Feed and a gRPC call are to each other: the call takes messages one at a time, the reader
// on the control loop makes them.
//
// Thread: FeedCall from the control loop; of FeedReader the control loop, but for Detach.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"

namespace blobd::rpc {

// Part of an encoded message that many messages share.
using SharedBytes = std::shared_ptr<const std::string>;

class FeedCall {
 public:
  virtual ~FeedCall() = default;
  // The parts of one message, in order. REQUIRES: the message before it has gone out (OnSent)
  virtual void Send(std::vector<SharedBytes> message) = 0;
  virtual void EndFeed(const Status& status) = 0;
};

class FeedReader {
 public:
  virtual ~FeedReader() = default;
  virtual void Start() = 0;
  virtual void Stop() = 0;
  virtual void OnSent() = 0;

  // Any thread; before Start, and when the call is over and must not be touched any more.
  void Attach(FeedCall* call) {
    const MutexLock lock(mutex_);
    call_ = call;
  }
  void Detach() { Attach(nullptr); }

 protected:
  template <typename F>
  void WithCall(F f) {
    const MutexLock lock(mutex_);
    if (call_ != nullptr) f(*call_);
  }

 private:
  Mutex mutex_;
  FeedCall* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace blobd::rpc
