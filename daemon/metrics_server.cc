#include "daemon/metrics_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "rpc/accept.h"

namespace blobd::daemon {
namespace {

std::string Response(std::string_view status, std::string_view type, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      status, type, body.size(), body);
}

std::string Refusal(std::string_view status) {
  return Response(status, "text/plain", fmt::format("{}: there is only GET /metrics\n", status));
}

// The rest of the line is the version; a query is not looked at.
bool IsForMetrics(std::string_view line) {
  constexpr std::string_view kWanted = "GET /metrics";
  if (!line.starts_with(kWanted)) return false;
  line.remove_prefix(kWanted.size());
  return line.starts_with(" ") || line.starts_with("?");
}

}  // namespace

StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Create(loop::Loop& loop, int listening,
                                                               Collect collect) {
  std::unique_ptr<MetricsServer> server(new MetricsServer(loop, listening, std::move(collect)));
  const int flags = fcntl(listening, F_GETFL);
  if (flags < 0 || fcntl(listening, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "the socket for metrics");
  }
  BLOBD_RETURN_IF_ERROR(server->Listen());
  return server;
}

MetricsServer::MetricsServer(loop::Loop& loop, int listening, Collect collect)
    : loop_(loop),
      listening_(listening),
      collect_(std::move(collect)),
      self_(std::make_shared<MetricsServer*>(this)) {}

MetricsServer::~MetricsServer() {
  *self_ = nullptr;
  while (!connections_.empty()) Close(connections_.begin()->first);
  if (pause_ != 0) loop_.CancelTimer(pause_);
  loop_.Unwatch(listening_);
  close(listening_);
}

Status MetricsServer::Listen() {
  return loop_.Watch(listening_, EPOLLIN, [this](uint32_t) { Accept(); });
}

void MetricsServer::Accept() {
  rpc::AcceptFailure failure{};
  store::Descriptor accepted = rpc::Accept(listening_, &failure);
  if (!accepted.is_open()) {
    if (failure == rpc::AcceptFailure::kPause) Pause();
    return;
  }
  if (connections_.size() >= kMaxConnections) return;
  const int fd = accepted.Release();
  const uint64_t id = next_++;
  Connection& connection = connections_[id];
  connection.fd = fd;
  connection.timer = loop_.AddTimer(loop_.Now() + kMostTime, [this, id] {
    connections_.at(id).timer = 0;
    Close(id);
  });
  const Status watched =
      loop_.Watch(fd, EPOLLIN, [this, id](uint32_t events) { OnReady(id, events); });
  if (watched.ok()) return;
  loop_.CancelTimer(connection.timer);
  connections_.erase(id);
  close(fd);
}

// Who waits in the backlog keeps the socket readable.
void MetricsServer::Pause() {
  loop_.Unwatch(listening_);
  pause_ = loop_.AddTimer(loop_.Now() + kAcceptPause, [this] {
    pause_ = 0;
    if (!Listen().ok()) Pause();
  });
}

void MetricsServer::OnReady(uint64_t id, uint32_t events) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if ((events & EPOLLOUT) != 0) return Write(id, found->second);
  if ((events & EPOLLIN) != 0) return Read(id, found->second);
  Close(id);
}

void MetricsServer::Read(uint64_t id, Connection& connection) {
  std::array<char, 2048> piece;
  const ssize_t got = recv(connection.fd, piece.data(), piece.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // Whoever has asked and closes its side hears no answer.
  if (got <= 0) return Close(id);
  if (connection.waits || !connection.answer.empty()) return;  // one request is enough
  connection.request.append(piece.data(), static_cast<size_t>(got));
  if (connection.request.find("\r\n\r\n") != std::string::npos) return Handle(id, connection);
  if (connection.request.size() > kMaxRequest)
    Answer(id, connection, Refusal("431 Request Header Fields Too Large"));
}

void MetricsServer::Handle(uint64_t id, Connection& connection) {
  const std::string_view request = connection.request;
  const std::string_view line = request.substr(0, request.find("\r\n"));
  if (!line.starts_with("GET ")) return Answer(id, connection, Refusal("405 Method Not Allowed"));
  if (!IsForMetrics(line)) return Answer(id, connection, Refusal("404 Not Found"));
  connection.waits = true;
  if (std::exchange(collecting_, true)) return;
  collect_([&loop = loop_, self = self_](std::string text) {
    loop.Post([self, text = std::move(text)] {
      if (*self != nullptr) (*self)->Collected(text);
    });
  });
}

void MetricsServer::Collected(const std::string& text) {
  collecting_ = false;
  std::vector<uint64_t> waiting;
  for (const auto& [id, connection] : connections_) {
    if (connection.waits) waiting.push_back(id);
  }
  for (const uint64_t id : waiting) {
    Connection& connection = connections_.at(id);
    connection.waits = false;
    Answer(id, connection, Response("200 OK", "text/plain; version=0.0.4", text));
  }
}

void MetricsServer::Answer(uint64_t id, Connection& connection, std::string answer) {
  connection.answer = std::move(answer);
  Write(id, connection);
}

void MetricsServer::Write(uint64_t id, Connection& connection) {
  const ssize_t sent =
      send(connection.fd, connection.answer.data(), connection.answer.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return Close(id);
  if (sent > 0) connection.answer.erase(0, static_cast<size_t>(sent));
  if (connection.answer.empty()) return Close(id);
  if (!loop_.ChangeEvents(connection.fd, EPOLLOUT).ok()) Close(id);
}

void MetricsServer::Close(uint64_t id) {
  const auto found = connections_.find(id);
  if (found->second.timer != 0) loop_.CancelTimer(found->second.timer);
  loop_.Unwatch(found->second.fd);
  close(found->second.fd);
  connections_.erase(found);
}

}  // namespace blobd::daemon
