#include "client/top_feed.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"
#include "base/time.h"
#include "client/pages.h"

namespace blobd::client {
namespace {

using std::chrono::steady_clock;

constexpr int kSecondMs = 1000;
// An answer takes milliseconds. A daemon that is stopped, or that systemd is only about to start,
// takes a call and leaves it.
constexpr seconds kSilence(3);

// The nodes in touch with us.
Status AskRemotes(DaemonClient& daemon, const v1::ListTransfersResponse& transfers,
                  std::vector<v1::Remote>* remotes) {
  v1::ListRemotesRequest request;
  request.add_states(v1::REMOTE_STATE_CONNECTED);
  request.add_states(v1::REMOTE_STATE_DIALLING);
  v1::ListRemotesResponse all;
  BLOBD_RETURN_IF_ERROR(CollectPages(
      request, 0, [&](const v1::ListRemotesRequest& r) { return daemon.ListRemotes(r); },
      [](v1::ListRemotesResponse* r) { return r->mutable_remotes(); }, &all));
  remotes->assign(all.remotes().begin(), all.remotes().end());
  AddUploads(transfers.uploads(), remotes);
  return OkStatus();
}

}  // namespace

StatusOr<TopState> AskTopState(DaemonClient& daemon) {
  TopState state;
  BLOBD_ASSIGN_OR_RETURN(state.status, daemon.DaemonStatus());
  v1::ListTransfersRequest request;
  request.set_running_only(true);
  v1::ListTransfersResponse all;
  BLOBD_RETURN_IF_ERROR(CollectPages(
      request, 0,
      [&](const v1::ListTransfersRequest& r) {
        auto page = daemon.ListTransfers(r);
        if (page.ok()) all.mutable_uploads()->MergeFrom(page->uploads());
        return page;
      },
      [](v1::ListTransfersResponse* r) { return r->mutable_transfers(); }, &all));
  state.transfers.assign(all.transfers().begin(), all.transfers().end());
  BLOBD_RETURN_IF_ERROR(AskRemotes(daemon, all, &state.remotes));
  return state;
}

TopFeed::TopFeed(DaemonClient& daemon, Options options)
    : daemon_(daemon),
      options_(std::move(options)),
      ending_(eventfd(0, EFD_CLOEXEC)),
      followed_(options_.with_ended),
      heard_at_(steady_clock::now()) {
  BLOBD_CHECK(ending_ >= 0);
  follower_ = std::thread([this] { Follow(); });
  asker_ = std::thread([this] { Ask(); });
}

TopFeed::~TopFeed() {
  const uint64_t one = 1;
  BLOBD_CHECK(write(ending_, &one, sizeof one) == sizeof one);
  daemon_.Interrupt();
  follower_.join();
  asker_.join();
  close(ending_);
}

StatusOr<TopState> TopFeed::State() {
  const MutexLock lock(mutex_);
  if (!error_.ok()) return error_;
  TopState state = state_;
  const auto silent = std::chrono::duration_cast<seconds>(steady_clock::now() - heard_at_);
  if (silent > kSilence && state.trouble.empty())
    state.trouble = fmt::format("blobd has not answered for {} s", silent.count());
  for (const auto& [id, transfer] : followed_.running()) state.transfers.push_back(transfer);
  for (const auto& [id, transfer] : followed_.ended()) state.ended.push_back(transfer);
  return state;
}

bool TopFeed::has_answered() {
  const MutexLock lock(mutex_);
  return answers_ > 0 && has_transfers_;
}

uint64_t TopFeed::answers() {
  const MutexLock lock(mutex_);
  return answers_;
}

bool TopFeed::GoesOn(const Status& status) {
  if (daemon_.interrupted()) return false;
  if (status.ok()) return true;
  const MutexLock lock(mutex_);
  if (status.code() == StatusCode::kUnavailable) {
    // It comes back, or the person goes.
    state_.trouble = Message(status);
    return true;
  }
  // A watch of a slow reader is ended; it begins anew.
  if (status.code() == StatusCode::kResourceExhausted) return true;
  error_ = status;
  return false;
}

void TopFeed::Follow() {
  v1::WatchTransfersRequest request;
  request.set_running_only(!options_.with_ended);
  while (GoesOn(daemon_.WatchTransfers(request, [this](const v1::WatchTransfersResponse& change) {
    const MutexLock lock(mutex_);
    followed_.Apply(change);
    has_transfers_ = has_transfers_ || change.current();
  }))) {
    Rest();
  }
}

void TopFeed::Ask() {
  for (;;) {
    auto status = daemon_.DaemonStatus();
    v1::ListTransfersRequest uploads_only;
    uploads_only.set_running_only(true);
    uploads_only.set_page_size(1);
    StatusOr<v1::ListTransfersResponse> transfers =
        status.ok() ? daemon_.ListTransfers(uploads_only) : status.status();
    std::vector<v1::Remote> remotes;
    Status asked = transfers.ok() ? AskRemotes(daemon_, *transfers, &remotes) : transfers.status();
    if (asked.ok() && options_.also) asked = options_.also();
    if (asked.ok()) {
      const MutexLock lock(mutex_);
      state_.status = *std::move(status);
      state_.remotes = std::move(remotes);
      state_.trouble.clear();
      state_.answered_unix_ms = SystemClock().WallNow().unix_ms;
      ++answers_;
      heard_at_ = steady_clock::now();
    }
    if (asked.code() == StatusCode::kResourceExhausted) {
      // It has too many calls to take ours: what is shown grows old, and that is said.
      const MutexLock lock(mutex_);
      state_.trouble = Message(asked);
    }
    if (!GoesOn(asked)) return;
    Rest();
  }
}

void TopFeed::Rest() const {
  pollfd ending{ending_, POLLIN, 0};
  poll(&ending, 1, kSecondMs);
}

}  // namespace blobd::client
