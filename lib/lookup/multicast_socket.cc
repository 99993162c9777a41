#include "lookup/multicast_socket.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

namespace blobd::lookup {
namespace {

struct Sockaddr {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// In the form of a socket of that version; base's is for dual-stack sockets.
Sockaddr Plain(const SocketAddress& address) {
  Sockaddr plain;
  if (!address.is_v4()) {
    plain.size = address.ToSockaddr6(&plain.storage);
    return plain;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port());
  std::memcpy(&in.sin_addr, address.ip4().data(), 4);
  std::memcpy(&plain.storage, &in, sizeof in);
  plain.size = sizeof in;
  return plain;
}

bool Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

StatusOr<std::unique_ptr<MulticastSocket>> MulticastSocket::Open(const SocketAddress& group) {
  const bool v4 = group.is_v4();
  const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ErrnoStatus(errno, "a multicast socket");
  std::unique_ptr<MulticastSocket> opened(new MulticastSocket(fd, group));
  bool set = Set(fd, SOL_SOCKET, SO_REUSEADDR, 1) && Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (v4) {
    // Only groups that this socket joined, whatever others on the machine join.
    set = set && Set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1) &&
          Set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 255) && Set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
          Set(fd, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set = set && Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
          Set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) &&
          Set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255) &&
          Set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0) &&
          Set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  if (!set) return ErrnoStatus(errno, "options of a multicast socket");
  const SocketAddress any =
      v4 ? SocketAddress::V4({}, group.port()) : SocketAddress::V6({}, group.port());
  const Sockaddr bound = Plain(any);
  if (bind(fd, bound.get(), bound.size) != 0) {
    return ErrnoStatus(errno, "bind UDP port " + std::to_string(group.port()));
  }
  return opened;
}

MulticastSocket::~MulticastSocket() { close(fd_); }

size_t MulticastSocket::JoinAll() {
  std::set<uint32_t> wanted;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
      constexpr unsigned kNeeded = IFF_UP | IFF_RUNNING;
      if (each->ifa_addr == nullptr || (each->ifa_flags & kNeeded) != kNeeded) continue;
      const bool can = (each->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) != 0;
      const int family = group_.is_v4() ? AF_INET : AF_INET6;
      if (!can || each->ifa_addr->sa_family != family) continue;
      if (const unsigned index = if_nametoindex(each->ifa_name)) wanted.insert(index);
    }
    freeifaddrs(list);
  }
  interfaces_.clear();
  for (const uint32_t interface : wanted) {
    if (Join(interface)) interfaces_.push_back(interface);
  }
  return interfaces_.size();
}

bool MulticastSocket::Join(uint32_t interface) {
  int result = 0;
  if (group_.is_v4()) {
    ip_mreqn request{};
    std::memcpy(&request.imr_multiaddr, group_.ip4().data(), 4);
    request.imr_ifindex = static_cast<int>(interface);
    result = setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
  } else {
    ipv6_mreq request{};
    std::memcpy(&request.ipv6mr_multiaddr, group_.ip16().data(), 16);
    request.ipv6mr_interface = interface;
    result = setsockopt(fd_, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
  }
  return result == 0 || errno == EADDRINUSE;  // in use: joined before
}

bool MulticastSocket::SpeakOn(uint32_t interface) {
  if (!group_.is_v4()) {
    return Set(fd_, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(interface));
  }
  ip_mreqn request{};
  request.imr_ifindex = static_cast<int>(interface);
  return setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) == 0;
}

bool MulticastSocket::Send(ByteView message) {
  const Sockaddr to = Plain(group_);
  bool sent = false;
  for (const uint32_t interface : interfaces_) {
    if (!SpeakOn(interface)) continue;
    const ssize_t size =
        sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL, to.get(), to.size);
    sent = sent || size == static_cast<ssize_t>(message.size());
  }
  return sent;
}

bool MulticastSocket::Receive(Bytes* message) {
  message->resize(kMaxDatagram);
  iovec piece{message->data(), message->size()};
  alignas(cmsghdr) std::array<uint8_t, 128> control{};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd_, &header, MSG_TRUNC);
  if (size < 0) return false;
  // A longer one reads as nothing, too.
  const bool whole = static_cast<size_t>(size) <= kMaxDatagram;
  message->resize(whole && IsToGroup(header) ? static_cast<size_t>(size) : 0);
  return true;
}

bool MulticastSocket::IsToGroup(msghdr& header) const {
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    if (group_.is_v4() && each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(each), sizeof info);
      return std::memcmp(&info.ipi_addr, group_.ip4().data(), 4) == 0;
    }
    if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(each), sizeof info);
      return std::memcmp(&info.ipi6_addr, group_.ip16().data(), 16) == 0;
    }
  }
  return false;
}

}  // namespace blobd::lookup
