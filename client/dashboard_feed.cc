#include "client/dashboard_feed.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/time.h"
#include "client/daemon_socket.h"

namespace blobd::client {
namespace {

using std::chrono::steady_clock;

constexpr int kSecondMs = 1000;
// Until the daemon answers for the first time, for which somebody waits.
constexpr int kSoonMs = 100;
// After an error that is no absence of the daemon: it may last.
constexpr seconds kReopenAfter(5);

}  // namespace

DashboardFeed::DashboardFeed(std::string socket)
    : socket_(std::move(socket)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      looked_at_(steady_clock::now()) {
  BLOBD_CHECK(wake_ >= 0);
  Publish({});
  thread_ = std::thread([this] { Run(); });
}

DashboardFeed::~DashboardFeed() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  Wake();
  thread_.join();
  close(wake_);
}

std::string DashboardFeed::Look() {
  const MutexLock lock(mutex_);
  looked_at_ = steady_clock::now();
  if (resting_) Wake();
  return document_;
}

bool DashboardFeed::IsWatched() {
  const MutexLock lock(mutex_);
  return steady_clock::now() - looked_at_ < DashboardHistory::kLength;
}

void DashboardFeed::Wake() const {
  const uint64_t one = 1;
  BLOBD_CHECK(write(wake_, &one, sizeof one) == sizeof one);
}

void DashboardFeed::Sleep(int timeout_ms) const {
  pollfd woken{wake_, POLLIN, 0};
  uint64_t count = 0;
  if (poll(&woken, 1, timeout_ms) > 0)
    BLOBD_CHECK(read(wake_, &count, sizeof count) == sizeof count);
}

void DashboardFeed::Run() {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (ending_) break;
    }
    if (!IsWatched()) {
      Rest();
      continue;
    }
    DashboardState state = Ask();
    if (!state.top.trouble.empty()) state.is_reachable = !IsAway();
    // Of what it said before there are no rates now.
    if (state.has_answered && asking_->feed->answers() != sampled_ && state.top.trouble.empty()) {
      sampled_ = asking_->feed->answers();
      history_.Add(SampleOf(state.top, SystemClock().WallNow().unix_ms));
    }
    Publish(state);
    Sleep(state.has_answered || !state.top.trouble.empty() ? kSecondMs : kSoonMs);
  }
  asking_.reset();
}

bool DashboardFeed::IsAway() const {
  const int error = TryConnect(socket_);
  return error == ENOENT || error == ECONNREFUSED;
}

void DashboardFeed::Rest() {
  asking_.reset();
  Publish({});
  for (;;) {
    {
      const MutexLock lock(mutex_);
      resting_ = !ending_ && steady_clock::now() - looked_at_ >= DashboardHistory::kLength;
      if (!resting_) return;
    }
    Sleep(-1);
  }
}

Status DashboardFeed::Open() {
  BLOBD_ASSIGN_OR_RETURN(auto daemon, DaemonClient::Connect(socket_, {}));
  Asking asking;
  asking.daemon = std::move(daemon);
  asking.requests = std::make_unique<DashboardRequests>(*asking.daemon);
  TopFeed::Options options;
  options.with_ended = true;
  options.also = [requests = asking.requests.get()] { return requests->Ask(); };
  asking.feed = std::make_unique<TopFeed>(*asking.daemon, std::move(options));
  asking_.emplace(std::move(asking));
  sampled_ = 0;
  return OkStatus();
}

DashboardState DashboardFeed::Ask() {
  DashboardState state;
  if (!asking_ && steady_clock::now() >= open_at_) {
    const Status opened = Open();
    trouble_ = Message(opened);
  }
  StatusOr<TopState> top = asking_ ? asking_->feed->State() : Unavailable("{}", trouble_);
  if (!top.ok()) {
    // A feed that had an error asks no more.
    if (asking_) open_at_ = steady_clock::now() + kReopenAfter;
    asking_.reset();
    trouble_ = state.top.trouble = Message(top.status());
    return state;
  }
  state.has_answered = asking_->feed->has_answered();
  state.top = *std::move(top);
  state.requests = asking_->requests->Latest();
  return state;
}

void DashboardFeed::Publish(const DashboardState& state) {
  std::string document = DashboardJson(state, history_, SystemClock().WallNow().unix_ms);
  const MutexLock lock(mutex_);
  document_ = std::move(document);
}

}  // namespace blobd::client
