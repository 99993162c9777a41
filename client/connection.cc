#include "client/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "client/daemon_socket.h"
#include "client/reason.h"

namespace blobd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// How often we look whether we were interrupted, and whether the socket is there.
constexpr milliseconds kLook(250);
constexpr seconds kLookAtSocket(1);
// So long somebody may take our connections and close them before it is no start any more.
constexpr seconds kRefused(5);
// A wait that is shorter is not worth a word.
constexpr seconds kTellAfter(1);
// A daemon that answered and is going away has gone by then, or is asked again.
constexpr seconds kGoing(3);

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // A page of names can be larger than the library's default of 4 MiB.
  arguments.SetMaxReceiveMessageSize(64 << 20);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Whose connection waits to be accepted keeps it: each new one would be one more in that queue.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10 * 60 * 1000);
  return arguments;
}

// What the kernel says of everybody whom a user namespace does not know, unless it was told
// another.
constexpr uid_t kNobody = 65534;

Status LetsNobodyIn(const std::string& path) {
  if (geteuid() == kNobody) {
    return Unavailable(
        "blobd at {} lets nobody in as uid {}, which stands for everybody whom a user namespace "
        "does not know; run this as another user",
        path, kNobody);
  }
  return Unavailable(
      "blobd at {} closes every connection: too many of yours may be open, or it cannot know who "
      "calls; its metrics count both (blobd_rpc_connections_refused_total)",
      path);
}

}  // namespace

Connection::Connection(std::string path, Options options)
    : path_(std::move(path)),
      on_waiting_(std::move(options.on_waiting)),
      channel_(grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(),
                                         Arguments())) {
  if (options.timeout) deadline_ = system_clock::now() + *options.timeout;
}

void Connection::Interrupt() {
  const MutexLock lock(mutex_);
  interrupted_ = true;
  for (grpc::ClientContext* context : running_) context->TryCancel();
}

bool Connection::interrupted() const {
  const MutexLock lock(mutex_);
  return interrupted_;
}

Status Connection::stopped() const {
  if (interrupted()) return Cancelled("interrupted");
  if (deadline_ && system_clock::now() >= *deadline_)
    return DeadlineExceeded("blobd did not answer in the time that it was given");
  return OkStatus();
}

Status Connection::Await(milliseconds absence) {
  const auto began = steady_clock::now();
  auto look_at = began;
  auto give_up = began + absence;
  auto refused_since = steady_clock::time_point::max();
  auto last = GRPC_CHANNEL_IDLE;
  for (;;) {
    BLOBD_RETURN_IF_ERROR(stopped());
    const grpc_connectivity_state state = channel_->GetState(true);
    if (state == GRPC_CHANNEL_READY) return OkStatus();
    const auto now = steady_clock::now();
    if (state == GRPC_CHANNEL_CONNECTING && last == state) {
      // The socket took our connection, and nobody answers on it yet: whoever holds it starts
      // blobd.
      give_up = now + absence;
      refused_since = steady_clock::time_point::max();
    }
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE && now >= look_at) {
      look_at = now + kLookAtSocket;
      const int error = TryConnect(path_);
      if (error != 0 && now >= give_up) return SocketError(path_, error);
      if (error == 0) refused_since = std::min(refused_since, now);
      if (now - kRefused >= refused_since) return LetsNobodyIn(path_);
    }
    last = state;
    if (now - began >= kTellAfter && on_waiting_ && !told_.exchange(true)) on_waiting_();
    auto until = system_clock::now() + kLook;
    if (deadline_) until = std::min(until, *deadline_);
    channel_->WaitForConnected(until);
  }
}

bool Connection::WasCut(const grpc::Status& status) {
  const bool may_be = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                      status.error_code() == grpc::StatusCode::CANCELLED;
  if (!may_be) return false;
  for (const auto until = steady_clock::now() + kGoing; steady_clock::now() < until;) {
    if (!stopped().ok()) return false;
    if (channel_->WaitForStateChange(GRPC_CHANNEL_READY, system_clock::now() + kLook)) return true;
  }
  return false;
}

Status Connection::Ended(const grpc::Status& status) const {
  if (status.ok()) return OkStatus();
  if (status.error_code() == grpc::StatusCode::CANCELLED ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    BLOBD_RETURN_IF_ERROR(stopped());
  }
  // A daemon that goes away cuts calls with this code, too.
  if (status.error_code() == grpc::StatusCode::CANCELLED)
    return Unavailable("blobd went away during the call; try again");
  // So gRPC itself answers for a method that the daemon does not have.
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && status.error_message().empty())
    return MakeStatus(StatusCode::kUnimplemented,
                      "blobd does not know this call: it is older than this program; update and "
                      "restart it");
  Status ended = MakeStatus(static_cast<StatusCode>(static_cast<int>(status.error_code())),
                            std::string_view(status.error_message()));
  AddReason(status.error_details(), &ended);
  return ended;
}

Connection::Call::Call(Connection& connection)
    : connection_(connection), context_(std::make_unique<grpc::ClientContext>()) {
  if (connection_.deadline_) context_->set_deadline(*connection_.deadline_);
  const MutexLock lock(connection_.mutex_);
  connection_.running_.insert(context_.get());
  if (connection_.interrupted_) context_->TryCancel();
}

Connection::Call::~Call() {
  const MutexLock lock(connection_.mutex_);
  connection_.running_.erase(context_.get());
}

}  // namespace blobd::client
