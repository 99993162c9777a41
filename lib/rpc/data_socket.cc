#include "rpc/data_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <deque>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "base/error_reason.h"
#include "loop/thread_name.h"
#include "rpc/accept.h"
#include "rpc/peer.h"

namespace blobd::rpc {
namespace {

constexpr int kAcceptedPerTurn = 64;
// Without room for more, connections are left in the backlog for a moment.
constexpr Duration kAcceptPause = milliseconds(100);

// The path a Unix socket is bound to.
std::string PathOf(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      size <= offsetof(sockaddr_un, sun_path) || address.sun_family != AF_UNIX) {
    return "";
  }
  const std::string path(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  return path.substr(0, path.find('\0'));  // empty for an abstract one
}

void KeepNothing(const engine::Caller& /*caller*/, UniqueFunction<void(Added)> add,
                 UniqueFunction<void(Status)> done) {
  add([done = std::move(done)](const StatusOr<std::vector<Kind>>& kinds) mutable {
    done(kinds.status());
  });
}

// Everything but the thread, and on it.
class Connections final : public DataExchange::Host {
 public:
  Connections(const DataSocket::Deps& deps, const std::shared_ptr<loop::Loop>& loop,
              store::Descriptor listening, const DataOptions& options)
      : options_(options),
        admins_(deps.admins),
        loop_(*loop),
        listening_(std::move(listening)),
        inspector_(loop, options.descriptors),
        exchange_deps_{*this,
                       *loop,
                       deps.store,
                       deps.tokens,
                       deps.keep ? deps.keep : KeepImport(KeepNothing),
                       inspector_,
                       counts_,
                       deps.calls},
        quota_(options.connections),
        turns_(options.imports) {}

  Status Listen() {
    return loop_.Watch(listening_.fd(), EPOLLIN, [this](uint32_t) { AcceptSome(); });
  }
  // No new connections. `idle` is called when none is left.
  void Drain(UniqueFunction<void()> idle) {
    StopListening();
    idle_ = std::move(idle);
    TellIfIdle();
  }
  void CutAll() {
    waiting_.clear();
    exchanges_.clear();
    TellIfIdle();
  }
  const DataCounts& counts() const { return counts_; }

 private:
  void StopListening() {
    loop_.CancelTimer(std::exchange(pause_, 0));
    loop_.Unwatch(listening_.fd());
  }
  void TellIfIdle() {
    if (exchanges_.empty() && idle_) std::exchange(idle_, nullptr)();
  }

  void AcceptSome() {
    for (int i = 0; i < kAcceptedPerTurn; ++i) {
      AcceptFailure failure{};
      store::Descriptor connection = Accept(listening_.fd(), &failure);
      if (connection.is_open()) {
        Admit(std::move(connection));
      } else if (failure != AcceptFailure::kNext) {
        if (failure == AcceptFailure::kPause) Pause();
        return;
      }
    }
  }
  void Pause() {
    StopListening();
    pause_ = loop_.AddTimer(loop_.Now() + kAcceptPause, [this] {
      pause_ = 0;
      if (!Listen().ok()) Pause();
    });
  }

  void Admit(store::Descriptor connection) {
    const auto caller = CallerAt(connection.fd(), admins_);
    const Status status =
        caller.ok() ? quota_.Take(*caller, "connections to the data socket") : caller.status();
    if (!status.ok()) {
      ++counts_.refused;
      if (exchange_deps_.calls != nullptr) exchange_deps_.calls->Note("the data socket", status);
      // Not for want of space: the caller can take the other way at once.
      return SendError(
          connection.fd(),
          status.code() == StatusCode::kResourceExhausted
              ? WithReason(Reason::kTooManyConnections,
                           Unavailable("{}; try again, or use a stream", Message(status)))
              : status);
    }
    auto exchange =
        std::make_shared<DataExchange>(exchange_deps_, options_, std::move(connection), *caller);
    exchanges_.emplace(exchange.get(), exchange);
    exchange->Begin();
  }

  void AwaitTurn(DataExchange& exchange) override {
    waiting_.push_back(&exchange);
    GiveTurns();
  }
  void GiveUpTurn(DataExchange& exchange) override { std::erase(waiting_, &exchange); }
  void EndTurn(DataExchange& exchange) override {
    turns_.Give(exchange.caller());
    // Later: an import that starts may end another, and so on.
    loop_.Post([this] { GiveTurns(); });
  }
  void Ended(DataExchange& exchange) override {
    GiveUpTurn(exchange);
    if (exchange.has_turn()) EndTurn(exchange);
    quota_.Give(exchange.caller());
    exchanges_.erase(&exchange);
    TellIfIdle();
  }
  // Those who wait get their turn in the order they came, but for those whose uid has enough.
  void GiveTurns() {
    std::deque<DataExchange*> still_waiting;
    std::swap(waiting_, still_waiting);
    for (DataExchange* exchange : still_waiting) {
      if (turns_.Take(exchange->caller(), "imports").ok()) {
        exchange->StartImport();
      } else {
        waiting_.push_back(exchange);
      }
    }
  }

  const DataOptions options_;
  const Admins admins_;
  loop::Loop& loop_;
  const store::Descriptor listening_;
  DataCounts counts_;
  SourceInspector inspector_;
  const DataExchange::Deps exchange_deps_;
  TimerId pause_ = 0;
  UidQuota quota_;
  UidQuota turns_;
  std::map<DataExchange*, std::shared_ptr<DataExchange>> exchanges_;
  std::deque<DataExchange*> waiting_;  // for their turn; all of them in `exchanges_`
  UniqueFunction<void()> idle_;
};

class DataSocketThread final : public DataSocket {
 public:
  DataSocketThread(const Deps& deps, std::unique_ptr<loop::Loop> loop, store::Descriptor listening,
                   const DataOptions& options)
      : loop_(std::move(loop)),
        path_(PathOf(listening.fd())),
        connections_(deps, loop_, std::move(listening), options) {}
  ~DataSocketThread() override { Shutdown(Duration::zero()); }

  Status Begin() {
    BLOBD_RETURN_IF_ERROR(connections_.Listen());
    thread_ = loop::NamedThread("data-socket", [this] { loop_->Run(); });
    return OkStatus();
  }

  void Shutdown(Duration grace) override {
    if (!thread_.joinable()) return;
    std::promise<void> idle;
    loop_->Post([&] { connections_.Drain([&] { idle.set_value(); }); });
    if (idle.get_future().wait_for(grace) != std::future_status::ready) {
      loop_->Post([this] { connections_.CutAll(); });
    }
    loop_->Stop();
    thread_.join();
  }

  const DataCounts& counts() const override { return connections_.counts(); }
  const std::string& path() const override { return path_; }

 private:
  // Shared with threads of the inspector that do not come back.
  const std::shared_ptr<loop::Loop> loop_;
  const std::string path_;
  Connections connections_;
  std::thread thread_;
};

}  // namespace

StatusOr<std::unique_ptr<DataSocket>> DataSocket::Start(const Deps& deps,
                                                        store::Descriptor listening,
                                                        const DataOptions& options) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(listening.fd(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_SEQPACKET) {
    return InvalidArgument("the data socket is not of type SOCK_SEQPACKET");
  }
  fcntl(listening.fd(), F_SETFL, fcntl(listening.fd(), F_GETFL) | O_NONBLOCK);
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<loop::Loop> loop, loop::Loop::Create());
  auto socket =
      std::make_unique<DataSocketThread>(deps, std::move(loop), std::move(listening), options);
  BLOBD_RETURN_IF_ERROR(socket->Begin());
  return std::unique_ptr<DataSocket>(std::move(socket));
}

}  // namespace blobd::rpc
