// WaitNotes: why a download stands still, one line for each reason, where no progress line says so:
// for the logs of scripts. A reason is said once however often it comes back, and not before the
// download has stood still for some seconds.
//
// Thread: Look is for one thread; a thread of its own minds the time.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

// Which reasons are to be said, and when. No clock.
//
// Thread: one owner.
class WaitReasons {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void Look(const v1::Intent& intent, Time now);
  // A line to be said now; empty: none.
  std::string Next(Time now);

 private:
  std::string waits_for_;  // empty: it runs
  uint64_t intent_id_ = 0;
  Time since_{};
  std::set<std::string> said_;
};

class WaitNotes {
 public:
  explicit WaitNotes(bool enabled);
  ~WaitNotes();
  WaitNotes(const WaitNotes&) = delete;
  WaitNotes& operator=(const WaitNotes&) = delete;

  void Look(const v1::Intent& intent);

 private:
  void Run();

  Mutex mutex_;
  WaitReasons reasons_ ABSL_GUARDED_BY(mutex_);
  int ending_ = -1;  // an eventfd, readable from the end on; -1: nothing is said
  std::thread thread_;
};

}  // namespace blobd::client
