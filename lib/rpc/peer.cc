#include "rpc/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace blobd::rpc {
namespace {

// Numbers given to gRPC cycle through the upper three quarters of what the process may open.
struct NumberRange {
  int first;
  int end;
};
NumberRange Numbers() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto top = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 16384));
  return {top / 4, top};
}

// What the kernel uses for a uid that has no mapping in our user namespace: it says nothing about
// the caller.
constexpr uint32_t kOverflowUid = 65534;

uint64_t InodeOf(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 ? static_cast<uint64_t>(info.st_ino) : 0;
}

bool HasHungUp(int fd) {
  pollfd poll_fd{fd, POLLRDHUP, 0};
  return poll(&poll_fd, 1, 0) > 0 &&
         (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace

StatusOr<Peer> PeerOf(int connection) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
      credentials.pid == 0 || credentials.uid == kOverflowUid) {
    return PermissionDenied("the kernel does not say who connected");
  }
  return Peer{credentials.uid, credentials.gid, credentials.pid};
}

PeerTable::~PeerTable() {
  for (const auto& [number, connection] : connections_) close(connection.watch);
}

StatusOr<int> PeerTable::Admit(int connection) {
  const auto peer = PeerOf(connection);
  if (!peer.ok()) {
    close(connection);
    return peer.status();
  }
  const MutexLock lock(mutex_);
  if (const Status status = quota_.Take(peer->uid, "connections"); !status.ok()) {
    close(connection);
    return status;
  }
  const NumberRange range = Numbers();
  if (next_number_ < range.first || next_number_ >= range.end) next_number_ = range.first;
  int number = fcntl(connection, F_DUPFD_CLOEXEC, next_number_);
  if (number < 0) number = fcntl(connection, F_DUPFD_CLOEXEC, next_number_ = range.first);
  if (number < 0) {
    const int error = errno;
    quota_.Give(peer->uid);
    close(connection);
    return ErrnoStatus(error, "accepting a connection");
  }
  next_number_ = number + 1;
  connections_[number] = {*peer, connection, InodeOf(connection)};
  return number;
}

void PeerTable::Sweep() {
  const MutexLock lock(mutex_);
  for (auto it = connections_.begin(); it != connections_.end();) {
    const auto& [number, connection] = *it;
    // Ended by the peer, or gRPC has closed its number (or it names another file by now).
    if (HasHungUp(connection.watch) || InodeOf(number) != connection.inode) {
      close(connection.watch);
      quota_.Give(connection.peer.uid);
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

std::optional<Peer> PeerTable::Find(std::string_view name) const {
  constexpr std::string_view kPrefix = "fd:";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int number = -1;
  if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc())
    return std::nullopt;
  const MutexLock lock(mutex_);
  const auto it = connections_.find(number);
  if (it == connections_.end()) return std::nullopt;
  return it->second.peer;
}

size_t PeerTable::size() const {
  const MutexLock lock(mutex_);
  return connections_.size();
}

}  // namespace blobd::rpc
