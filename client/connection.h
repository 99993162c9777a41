// Connection: the way to one daemon, over its restarts. While somebody holds the socket, as systemd
// does while blobd is replaced, calls wait for the daemon.
//
// Thread: any, several calls at once. Interrupt may come from any thread and ends every wait and
//         call, now and for all later ones.
// Errors: kUnavailable: nobody is there. kCancelled: interrupted. kDeadlineExceeded: the time that
//         all calls have together is over.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/status.h"

namespace blobd::client {

class Connection {
 public:
  struct Options {
    // What all calls have together, from now on; absent: as long as they take.
    std::optional<std::chrono::milliseconds> timeout;
    // Called once, by some thread, when a call has to wait for the daemon.
    std::function<void()> on_waiting;
  };

  Connection(std::string path, Options options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  void Interrupt();
  bool interrupted() const;
  // OK while calls may go on; else why not.
  Status stopped() const;

  // Waits until the daemon can be asked: as long as somebody holds the socket, and for `absence` if
  // nobody does.
  Status Await(std::chrono::milliseconds absence = {});
  // Whether a call that ended so was cut by a daemon that went away, and not answered by one that
  // stays. Waits a moment to see that.
  bool WasCut(const grpc::Status& status);
  // The end of a call for the caller.
  Status Ended(const grpc::Status& status) const;

  // A call under way.
  class Call {
   public:
    explicit Call(Connection& connection);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    grpc::ClientContext* context() const { return context_.get(); }

   private:
    Connection& connection_;
    const std::unique_ptr<grpc::ClientContext> context_;
  };

 private:
  const std::string path_;
  const std::function<void()> on_waiting_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::optional<std::chrono::system_clock::time_point> deadline_;
  std::atomic<bool> told_ = false;
  mutable Mutex mutex_;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace blobd::client
