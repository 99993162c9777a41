#include "http/multi.h"

#include <sys/epoll.h>

#include <vector>

#include "base/check.h"

namespace blobd::http {
namespace {
// Idle connections that are kept open, of all origins together.
constexpr long kIdleConnections = 64;
}  // namespace

Status Multi::Start() {
  if (multi_ != nullptr) return OkStatus();
  // Once per process; what it sets up is never taken down, since other threads may use it.
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK) return Internal("libcurl does not start: {}", curl_easy_strerror(global));
  multi_ = curl_multi_init();
  if (multi_ == nullptr) return ResourceExhausted("no memory for libcurl");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Multi::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Multi::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
  return OkStatus();
}

Multi::~Multi() {
  if (multi_ != nullptr) curl_multi_cleanup(multi_);  // closes idle connections: OnSocket, OnTimer
  for (const int fd : watched_) loop_.Unwatch(fd);
  if (timer_) loop_.CancelTimer(*timer_);
}

void Multi::Add(CURL* easy) { BLOBD_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK); }

void Multi::Remove(CURL* easy) { BLOBD_CHECK(curl_multi_remove_handle(multi_, easy) == CURLM_OK); }

int Multi::OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  static_cast<Multi*>(self)->Watch(fd, what);
  return 0;
}

void Multi::Watch(int fd, int what) {
  if (what == CURL_POLL_REMOVE) {
    if (watched_.erase(fd) > 0) loop_.Unwatch(fd);
    return;
  }
  uint32_t events = 0;
  if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  if (watched_.contains(fd)) {
    if (loop_.ChangeEvents(fd, events).ok()) return;
    // The number belongs to another file now, of which epoll knows nothing yet.
    loop_.Unwatch(fd);
    watched_.erase(fd);
  }
  // Without memory for the watch the fetch hears nothing, and stalls: its timer ends it.
  if (loop_
          .Watch(fd, events,
                 [this, fd](uint32_t ready) {
                   int mask = 0;
                   if ((ready & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
                   if ((ready & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
                   if ((ready & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
                   Act(fd, mask);
                 })
          .ok()) {
    watched_.insert(fd);
  }
}

int Multi::OnTimer(CURLM*, long timeout_ms, void* self) {
  auto* multi = static_cast<Multi*>(self);
  if (multi->timer_) multi->loop_.CancelTimer(*multi->timer_);
  multi->timer_.reset();
  if (timeout_ms < 0) return 0;
  multi->timer_ = multi->loop_.AddTimer(multi->loop_.Now() + milliseconds(timeout_ms), [multi] {
    multi->timer_.reset();
    multi->Act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void Multi::Act(curl_socket_t fd, int events) {
  int running = 0;
  BLOBD_CHECK(curl_multi_socket_action(multi_, fd, events, &running) == CURLM_OK);
  Collect();
}

void Multi::Collect() {
  if (multi_ == nullptr) return;
  // First all, then told: who is told may remove others.
  std::vector<std::pair<CURL*, CURLcode>> ended;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE)
      ended.emplace_back(message->easy_handle, message->data.result);
  }
  for (const auto& [easy, code] : ended) done_(easy, code);
}

}  // namespace blobd::http
