// Multi: libcurl's multi handle on our loop (curl_multi_socket_action): it says which descriptors
// and which time to wait for, the loop waits.
//
// libcurl and what it brings (TLS, names, other protocols) take 2 MiB: they are started with the
// first transfer, and a daemon that asks no mirror never has them.
//
// Thread:    the loop's. `done` is called from the loop, never from within Add or Remove; it may
//            call both.
// Ownership: owns the multi handle; easy handles are the caller's, and removed before they go.
#pragma once

#include <curl/curl.h>

#include <optional>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/task.h"
#include "loop/loop.h"

namespace blobd::http {

class Multi {
 public:
  using Done = UniqueFunction<void(CURL* easy, CURLcode code)>;
  Multi(loop::Loop& loop, Done done) : loop_(loop), done_(std::move(done)) {}
  ~Multi();
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  // Before the first Add; cheap once it is OK. An error: libcurl does not start.
  Status Start();
  // REQUIRES of both: not within a callback of libcurl
  void Add(CURL* easy);
  void Remove(CURL* easy);
  // Tells `done` of what has ended. Called by the loop's events; a caller that made libcurl work
  // otherwise (curl_easy_pause) calls it too.
  void Collect();

 private:
  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* unused);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  void Watch(int fd, int what);
  void Act(curl_socket_t fd, int events);

  loop::Loop& loop_;
  Done done_;
  CURLM* multi_ = nullptr;
  std::set<int> watched_;
  std::optional<TimerId> timer_;
};

}  // namespace blobd::http
