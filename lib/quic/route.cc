#include "quic/route.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace blobd::quic {
namespace {

class Socket {
 public:
  Socket(int family, int type, int protocol)
      : fd_(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// A socket that would send to `to`; nothing is sent.
bool Aim(const Socket& socket, const SocketAddress& to) {
  const bool v4 = to.is_v4();
  sockaddr_storage address{};
  socklen_t size = 0;
  if (v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(to.port());
    std::memcpy(&in.sin_addr, to.ip4().data(), 4);
    std::memcpy(&address, &in, sizeof in);
    size = sizeof in;
  } else {
    size = to.ToSockaddr6(&address);
  }
  return connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
}

int FamilyOf(const SocketAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

// The MTU of the route that a datagram to `to` would take.
std::optional<size_t> MtuTo(const SocketAddress& to) {
  const bool v4 = to.is_v4();
  const Socket socket(FamilyOf(to), SOCK_DGRAM, IPPROTO_UDP);
  if (socket.fd() < 0 || !Aim(socket, to)) return std::nullopt;
  int mtu = 0;
  socklen_t mtu_size = sizeof mtu;
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  if (getsockopt(socket.fd(), level, v4 ? IP_MTU : IPV6_MTU, &mtu, &mtu_size) != 0 || mtu <= 0) {
    return std::nullopt;
  }
  return static_cast<size_t>(mtu);
}

struct RouteRequest {
  nlmsghdr header{};
  rtmsg route{};
  std::array<uint8_t, RTA_SPACE(16)> destination{};
};

// True if the kernel's answer names a route without a gateway.
bool IsOnLink(const uint8_t* data, size_t size) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(data);
  if (!NLMSG_OK(header, size) || header->nlmsg_type != RTM_NEWROUTE) return false;
  const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(header));
  if (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_LOCAL) return false;
  auto left = static_cast<unsigned>(RTM_PAYLOAD(header));
  for (const rtattr* each = RTM_RTA(route); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type == RTA_GATEWAY || each->rta_type == RTA_VIA ||
        each->rta_type == RTA_MULTIPATH || each->rta_type == RTA_ENCAP) {
      return false;
    }
  }
  return true;
}

bool OnLink(const SocketAddress& to) {
  const Socket netlink(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (netlink.fd() < 0) return false;
  const bool v4 = to.is_v4();
  const size_t ip_size = v4 ? 4 : 16;
  RouteRequest request;
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_len =
      static_cast<uint32_t>(NLMSG_LENGTH(sizeof request.route) + RTA_LENGTH(ip_size));
  request.route.rtm_family = v4 ? AF_INET : AF_INET6;
  request.route.rtm_dst_len = static_cast<uint8_t>(ip_size * 8);
  rtattr attribute{};
  attribute.rta_type = RTA_DST;
  attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(ip_size));
  std::memcpy(request.destination.data(), &attribute, sizeof attribute);
  uint8_t* ip = request.destination.data() + RTA_LENGTH(0);
  if (v4) {
    std::memcpy(ip, to.ip4().data(), 4);
  } else {
    std::memcpy(ip, to.ip16().data(), 16);
  }
  if (send(netlink.fd(), &request, request.header.nlmsg_len, 0) < 0) return false;
  // The kernel answers such a question within the send.
  alignas(nlmsghdr) std::array<uint8_t, 4096> answer;
  const ssize_t size = recv(netlink.fd(), answer.data(), answer.size(), 0);
  return size > 0 && IsOnLink(answer.data(), static_cast<size_t>(size));
}

}  // namespace

std::optional<Route> ProbeRoute(const SocketAddress& to) {
  const auto mtu = MtuTo(to);
  if (!mtu) return std::nullopt;
  return Route{*mtu, OnLink(to)};
}

std::optional<SocketAddress> SourceTowards(const SocketAddress& to) {
  const Socket socket(FamilyOf(to), SOCK_DGRAM, IPPROTO_UDP);
  if (socket.fd() < 0 || !Aim(socket, to)) return std::nullopt;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::nullopt;
  }
  const auto source = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&address));
  if (!source) return std::nullopt;
  return source->is_v4() ? SocketAddress::V4(source->ip4(), 0)
                         : SocketAddress::V6(source->ip16(), 0);
}

}  // namespace blobd::quic
