#include "daemon/listening_sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "rpc/listener.h"

namespace blobd::daemon {
namespace {

using engine::LogLevel;

// Where a socket is bound, for people; empty if there is none.
std::string PathOf(int fd) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (fd < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  // With the longest paths there is no zero behind it.
  const size_t length = size - std::min<size_t>(size, offsetof(sockaddr_un, sun_path));
  return std::string(address.sun_path, strnlen(address.sun_path, length));
}

// The names of the sockets that were passed in, in the order of their descriptors.
std::vector<std::string> InheritedSockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) {
    all.emplace_back(names != nullptr ? names[i] : "");
    if (names != nullptr) std::free(names[i]);
  }
  std::free(names);
  return all;
}

}  // namespace

StatusOr<std::unique_ptr<ListeningSockets>> ListeningSockets::Open(const Config& config,
                                                                   LogSink& log) {
  std::unique_ptr<ListeningSockets> sockets(new ListeningSockets());
  const std::vector<std::string> inherited = InheritedSockets();
  if (inherited.empty()) {
    BLOBD_RETURN_IF_ERROR(sockets->Make(config));
    return sockets;
  }
  BLOBD_RETURN_IF_ERROR(sockets->TakeInherited(inherited));
  sockets->WarnOfUnused(config, log);
  return sockets;
}

ListeningSockets::~ListeningSockets() {
  for (const int fd : {calls_.grpc, calls_.data, metrics_}) {
    if (fd >= 0) close(fd);
  }
  for (const std::string& path : made_) unlink(path.c_str());
}

Status ListeningSockets::Make(const Config& config) {
  path_ = config.socket;
  const std::string data_socket = DataSocketPath(config);
  for (const std::string& path : {config.socket, data_socket, config.metrics_socket}) {
    // The directory of a default place may be missing for a user's own daemon. Who may connect is
    // the socket's mode to say.
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) continue;
    const std::string directory = path.substr(0, slash);
    if (mkdir(directory.c_str(), 0755) == 0) chmod(directory.c_str(), 0755);
  }
  const auto bind = [this, &config](const std::string& path, int type) {
    auto bound = rpc::Listener::Bind(path, config.socket_group, type);
    if (bound.ok()) made_.push_back(path);
    return bound;
  };
  BLOBD_ASSIGN_OR_RETURN(calls_.grpc, bind(config.socket, SOCK_STREAM));
  BLOBD_ASSIGN_OR_RETURN(calls_.data, bind(data_socket, SOCK_SEQPACKET));
  if (config.metrics_socket.empty()) return OkStatus();
  BLOBD_ASSIGN_OR_RETURN(metrics_, bind(config.metrics_socket, SOCK_STREAM));
  return OkStatus();
}

// They are told apart by their types, whatever their order and names, but for the one that is
// called "metrics". Without one for data, callers send and read streams.
Status ListeningSockets::TakeInherited(const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    const int fd = SD_LISTEN_FDS_START + static_cast<int>(i);
    if (names[i] == "metrics" && metrics_ < 0 &&
        sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) > 0) {
      metrics_ = fd;
      continue;
    }
    const bool is_data = sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, nullptr, 0) > 0;
    if (!is_data && sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) <= 0)
      return InvalidArgument("descriptor {} that was passed in is no listening Unix socket", fd);
    int& place = is_data ? calls_.data : calls_.grpc;
    if (place >= 0) return InvalidArgument("two sockets of one type were passed in");
    place = fd;
  }
  if (calls_.grpc < 0) return InvalidArgument("no stream socket was passed in");
  path_ = PathOf(calls_.grpc);
  return OkStatus();
}

// Sockets that are passed in have their places and their modes from whoever made them.
void ListeningSockets::WarnOfUnused(const Config& config, LogSink& log) const {
  if (calls_.data < 0) {
    log.Write(LogLevel::kNotice,
              "no data socket (ListenSequentialPacket=) was passed in: callers use streams");
  }
  const struct {
    const char* key;
    const std::string& wanted;
    int passed_in;
  } places[] = {{"socket", config.socket, calls_.grpc},
                {"data_socket", config.data_socket, calls_.data},
                {"metrics_socket", config.metrics_socket, metrics_}};
  for (const auto& [key, wanted, passed_in] : places) {
    const std::string there = PathOf(passed_in);
    if (config.written.count(key) == 0 || wanted == there) continue;
    log.Write(
        LogLevel::kWarning,
        fmt::format("{} = \"{}\" in the configuration is not used: sockets were passed in, {}", key,
                    wanted, there.empty() ? "and none for this" : "for this " + there));
  }
  if (config.written.count("socket_group") != 0) {
    log.Write(LogLevel::kWarning,
              "socket_group in the configuration is not used: sockets were passed in, with a group "
              "of their own (SocketGroup= of the socket unit)");
  }
}

}  // namespace blobd::daemon
