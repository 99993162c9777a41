// TopFeed: asks the daemon for what "blobctl top" and the status page show, while that is drawn and
// keys are read.
//
// Thread: its owner's; it has two of its own for the calls.
// Ownership: `daemon` outlives it, and is interrupted when it goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "client/daemon_client.h"
#include "client/followed_transfers.h"
#include "client/top_view.h"

namespace blobd::client {

// All that top shows, by plain calls.
StatusOr<TopState> AskTopState(DaemonClient& daemon);

class TopFeed {
 public:
  struct Options {
    // Also what ended a while ago: TopState::ended.
    bool with_ended = false;
    // What else is to be asked each second, on a thread of the feed; its error counts like ours.
    std::function<Status()> also;
  };
  TopFeed(DaemonClient& daemon, Options options);
  ~TopFeed();
  TopFeed(const TopFeed&) = delete;
  TopFeed& operator=(const TopFeed&) = delete;

  // As it is now. A daemon that went away, or says nothing for a few seconds, is a trouble of the
  // state; any other error is returned.
  StatusOr<TopState> State();
  // Whether the daemon has answered yet, and told all of its transfers.
  bool has_answered();
  // How often it has: what has not grown is still what it said before.
  uint64_t answers();

 private:
  void Follow();
  void Ask();
  // What came of a call; says whether to go on.
  bool GoesOn(const Status& status);
  // Until the next second, or the end.
  void Rest() const;

  DaemonClient& daemon_;
  const Options options_;
  int ending_ = -1;  // an eventfd, readable from the end on
  Mutex mutex_;
  TopState state_ ABSL_GUARDED_BY(mutex_);
  FollowedTransfers followed_ ABSL_GUARDED_BY(mutex_);
  Status error_ ABSL_GUARDED_BY(mutex_);
  bool has_transfers_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last answer, or when it was first asked.
  std::chrono::steady_clock::time_point heard_at_ ABSL_GUARDED_BY(mutex_);
  std::thread follower_;
  std::thread asker_;
};

}  // namespace blobd::client
