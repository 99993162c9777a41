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
#include <fstream>
#include <vector>

#include "base/error_reason.h"

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

// What the kernel uses for a uid or gid that has no mapping in our user namespace, unless somebody
// has set another: it says nothing about the caller.
constexpr uint32_t kOverflowId = 65534;

uint32_t OverflowUid() {
  static const uint32_t kUid = [] {
    uint32_t uid = kOverflowId;
    std::ifstream("/proc/sys/kernel/overflowuid") >> uid;
    return uid;
  }();
  return kUid;
}

// Whether the process at the other end had this supplementary group. What the kernel does not say
// is no.
bool HasGroup(int connection, gid_t group) {
  // The kernel gives a process no more than these (NGROUPS_MAX), and hardly any has a hundred.
  constexpr size_t kMostGroups = 65536;
  std::vector<gid_t> groups(128);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return std::find(groups.begin(), groups.end(), group) != groups.end();
    }
    if (errno != ERANGE || groups.size() >= kMostGroups) return false;
    groups.resize(kMostGroups);
  }
}

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

StatusOr<engine::Caller> CallerAt(int connection, const Admins& admins) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
      credentials.pid == 0) {
    return ErrorFor(Reason::kUnknownCaller, "the kernel does not say who connected");
  }
  if (credentials.uid == kOverflowId || credentials.uid == OverflowUid()) {
    return ErrorFor(Reason::kUnknownCaller,
                    "who connected has uid {} here, which stands for everybody whom this user "
                    "namespace does not know, and so for nobody: a caller needs a user of its own "
                    "that the namespace of blobd knows",
                    credentials.uid);
  }
  engine::Caller caller = engine::CallerOfUid(credentials.uid, admins.daemon_uid);
  caller.in_admin_group =
      admins.group && (credentials.gid == *admins.group || HasGroup(connection, *admins.group));
  return caller;
}

PeerTable::~PeerTable() {
  for (const auto& [number, connection] : connections_) close(connection.watch);
}

StatusOr<int> PeerTable::Admit(int connection) {
  const auto caller = CallerAt(connection, admins_);
  const auto take = [&] {
    const MutexLock lock(mutex_);
    return quota_.Take(*caller, "connections");
  };
  Status room = caller.ok() ? take() : OkStatus();
  if (!room.ok()) {
    Sweep();  // of those that come and go some may have gone
    room = take();
  }
  const MutexLock lock(mutex_);
  if (!caller.ok()) {
    ++counts_.refused_as_unknown;
    close(connection);
    return caller.status();
  }
  if (!room.ok()) {
    ++counts_.refused_by_limit;
    close(connection);
    return WithReason(Reason::kTooManyConnections, room);
  }
  const NumberRange range = Numbers();
  if (next_number_ < range.first || next_number_ >= range.end) next_number_ = range.first;
  int number = fcntl(connection, F_DUPFD_CLOEXEC, next_number_);
  if (number < 0) number = fcntl(connection, F_DUPFD_CLOEXEC, next_number_ = range.first);
  if (number < 0) {
    const int error = errno;
    quota_.Give(*caller);
    close(connection);
    return ErrnoStatus(error, "accepting a connection");
  }
  next_number_ = number + 1;
  ++counts_.accepted;
  connections_[number] = {*caller, connection, InodeOf(connection)};
  return number;
}

void PeerTable::Sweep() {
  const MutexLock lock(mutex_);
  for (auto it = connections_.begin(); it != connections_.end();) {
    const auto& [number, connection] = *it;
    // Ended by the peer, or gRPC has closed its number (or it names another file by now).
    if (HasHungUp(connection.watch) || InodeOf(number) != connection.inode) {
      close(connection.watch);
      quota_.Give(connection.caller);
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

std::optional<engine::Caller> PeerTable::Find(std::string_view name) const {
  constexpr std::string_view kPrefix = "fd:";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int number = -1;
  if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc())
    return std::nullopt;
  const MutexLock lock(mutex_);
  const auto it = connections_.find(number);
  if (it == connections_.end()) return std::nullopt;
  return it->second.caller;
}

size_t PeerTable::size() const {
  const MutexLock lock(mutex_);
  return connections_.size();
}

PeerCounts PeerTable::counts() const {
  const MutexLock lock(mutex_);
  PeerCounts counts = counts_;
  counts.open = connections_.size();
  return counts;
}

}  // namespace blobd::rpc
