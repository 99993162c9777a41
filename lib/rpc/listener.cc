#include "rpc/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "loop/thread_name.h"
#include "rpc/accept.h"
#include "rpc/group.h"

namespace blobd::rpc {
namespace {

constexpr int kBacklog = 512;
constexpr int kSweepIntervalMs = 1000;
constexpr int kPauseMs = 100;
constexpr mode_t kSocketMode = 0660;

// Whether somebody accepts connections at this address, of this type or another.
bool IsAlive(const sockaddr_un& address, int type) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool alive = result == 0 || errno == EAGAIN || errno == EPROTOTYPE;
  close(fd);
  return alive;
}

}  // namespace

StatusOr<int> Listener::Bind(const std::string& path, const std::string& group, int type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return InvalidArgument("socket path {} is longer than {} bytes", path,
                           sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return AlreadyExists("{} exists and is no socket", path);
    if (IsAlive(address, type)) return AlreadyExists("another program serves on {}", path);
    unlink(path.c_str());
  }
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ErrnoStatus(errno, "socket");
  fchmod(fd, 0600);  // until the group is set, nobody else may connect
  const auto fail = [&](const char* what) {
    const int error = errno;
    close(fd);
    return ErrnoStatus(error, fmt::format("{} {}", what, path));
  };
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return fail("bind");
  if (!group.empty()) {
    const StatusOr<gid_t> gid = FindGroup(group);
    if (!gid.ok()) {
      close(fd);
      unlink(path.c_str());
      return gid.status();
    }
    if (chown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0) return fail("chown");
  }
  if (chmod(path.c_str(), kSocketMode) != 0) return fail("chmod");
  if (listen(fd, kBacklog) != 0) return fail("listen");
  return fd;
}

Listener::Listener(int listening, PeerTable& peers, UniqueFunction<void(int)> on_connection)
    : listening_(listening),
      stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      peers_(peers),
      on_connection_(std::move(on_connection)) {
  BLOBD_CHECK(stop_event_ >= 0);
  fcntl(listening_, F_SETFL, fcntl(listening_, F_GETFL) | O_NONBLOCK);
  thread_ = loop::NamedThread("listener", [this] { Run(); });
}

Listener::~Listener() {
  const uint64_t one = 1;
  BLOBD_CHECK(write(stop_event_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(listening_);
  close(stop_event_);
}

void Listener::Run() {
  std::array<pollfd, 2> fds = {pollfd{listening_, POLLIN, 0}, pollfd{stop_event_, POLLIN, 0}};
  for (;;) {
    const int timeout = peers_.size() == 0 ? -1 : kSweepIntervalMs;
    const int ready = poll(fds.data(), fds.size(), timeout);
    peers_.Sweep();
    if (ready <= 0) continue;
    if (fds[1].revents != 0) return;
    for (;;) {
      AcceptFailure failure{};
      store::Descriptor connection = Accept(listening_, &failure);
      if (connection.is_open()) {
        if (const auto number = peers_.Admit(connection.Release()); number.ok())
          on_connection_(*number);
      } else if (failure != AcceptFailure::kNext) {
        if (failure == AcceptFailure::kPause) poll(&fds[1], 1, kPauseMs);
        break;
      }
    }
  }
}

}  // namespace blobd::rpc
