// DashboardFeed: the newest document of the status page, made once a second however many pages ask
// for it. Who opens the page again finds the rates of the last minutes, so it goes on for as long
// as they are kept after a page last asked; then the daemon is asked for nothing until somebody
// looks.
//
// Thread: Look from any thread, and never waits; one thread of its own, and those of TopFeed.
// Errors: a daemon that cannot be reached, or refuses, is a trouble that the document tells; it is
//         tried again without end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "client/daemon_client.h"
#include "client/dashboard_data.h"
#include "client/dashboard_requests.h"
#include "client/top_feed.h"

namespace blobd::client {

class DashboardFeed {
 public:
  // `socket`: the daemon's.
  explicit DashboardFeed(std::string socket);
  ~DashboardFeed();
  DashboardFeed(const DashboardFeed&) = delete;
  DashboardFeed& operator=(const DashboardFeed&) = delete;

  // The newest document. Somebody looks: it goes on, or begins again.
  std::string Look();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  // What is asked, while somebody looks.
  struct Asking {
    std::unique_ptr<DaemonClient> daemon;
    std::unique_ptr<DashboardRequests> requests;
    std::unique_ptr<TopFeed> feed;  // the first to go
  };

  void Run();
  // Until somebody looks, or the end.
  void Rest();
  DashboardState Ask();
  Status Open();
  // Nobody holds the socket.
  bool IsAway() const;
  void Publish(const DashboardState& state);
  bool IsWatched();
  // Returns early when woken.
  void Sleep(int timeout_ms) const;
  void Wake() const;

  const std::string socket_;
  std::optional<Asking> asking_;  // the thread's own, like the next four
  uint64_t sampled_ = 0;          // how many answers it had with the last sample
  DashboardHistory history_;
  TimePoint open_at_;    // not before
  std::string trouble_;  // why it is not open
  int wake_ = -1;        // an eventfd
  Mutex mutex_;
  std::string document_ ABSL_GUARDED_BY(mutex_);
  TimePoint looked_at_ ABSL_GUARDED_BY(mutex_);
  bool resting_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace blobd::client
