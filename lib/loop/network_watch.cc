#include "loop/network_watch.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

namespace blobd::loop {
namespace {

// Addresses of the Internet that lie in nobody's local network, those of a DNS root server. They
// are looked up in the routing table; nothing is ever sent to them.
constexpr const char* kFarIpv4 = "198.41.0.4";
constexpr const char* kFarIpv6 = "2001:503:ba3e::2:30";

// A descriptor that is closed at the end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct RouteRequest {
  nlmsghdr header{};
  rtmsg route{};
  rtattr attribute{};
  std::array<uint8_t, 16> destination{};
};

// Reads a route out of the kernel's answer.
std::optional<WayOut> ReadRoute(const uint8_t* bytes, size_t size) {
  nlmsghdr header{};
  if (size < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes, sizeof header);
  if (header.nlmsg_type != RTM_NEWROUTE || header.nlmsg_len > size ||
      header.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) {
    return std::nullopt;
  }
  rtmsg route{};
  std::memcpy(&route, bytes + NLMSG_HDRLEN, sizeof route);
  if (route.rtm_type != RTN_UNICAST) return std::nullopt;
  WayOut way;
  size_t at = NLMSG_LENGTH(sizeof(rtmsg));
  while (at + sizeof(rtattr) <= header.nlmsg_len) {
    rtattr attribute{};
    std::memcpy(&attribute, bytes + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > header.nlmsg_len) break;
    const uint8_t* const value = bytes + at + RTA_LENGTH(0);
    const size_t length = attribute.rta_len - RTA_LENGTH(0);
    const auto copy = [&](std::array<uint8_t, 16>& out) {
      std::memcpy(out.data(), value, std::min(length, out.size()));
    };
    if (attribute.rta_type == RTA_OIF && length == 4) std::memcpy(&way.interface, value, 4);
    if (attribute.rta_type == RTA_GATEWAY) copy(way.gateway);
    if (attribute.rta_type == RTA_PREFSRC) copy(way.source);
    at += RTA_ALIGN(attribute.rta_len);
  }
  return way;
}

// One look into the routing table: its cost does not depend on the table's size.
WayOut Route(int family, const char* destination) {
  const Socket socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket.fd() < 0) return {};
  RouteRequest request;
  if (inet_pton(family, destination, request.destination.data()) != 1) return {};
  const size_t length = family == AF_INET ? 4 : 16;
  request.header.nlmsg_len =
      static_cast<uint32_t>(NLMSG_LENGTH(sizeof(rtmsg)) + RTA_LENGTH(length));
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.route.rtm_family = static_cast<uint8_t>(family);
  request.route.rtm_dst_len = static_cast<uint8_t>(8 * length);
  request.attribute.rta_type = RTA_DST;
  request.attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
  // The kernel answers within the call, so nothing waits here.
  if (send(socket.fd(), &request, request.header.nlmsg_len, 0) < 0) return {};
  uint8_t answer[4096];
  const ssize_t size = recv(socket.fd(), answer, sizeof answer, MSG_DONTWAIT);
  if (size < 0) return {};
  return ReadRoute(answer, static_cast<size_t>(size)).value_or(WayOut{});
}

}  // namespace

NetworkState NetworkState::Now() {
  NetworkState state;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
      constexpr unsigned kUsable = IFF_UP | IFF_RUNNING;
      if (each->ifa_addr == nullptr || (each->ifa_flags & kUsable) != kUsable) continue;
      if (const auto ip = SocketAddress::FromSockaddr(each->ifa_addr)) {
        state.addresses.push_back({each->ifa_name, *ip});
      }
    }
    freeifaddrs(list);
  }
  std::sort(state.addresses.begin(), state.addresses.end());
  state.ipv4 = Route(AF_INET, kFarIpv4);
  state.ipv6 = Route(AF_INET6, kFarIpv6);
  return state;
}

std::optional<NetworkChange> Compare(const NetworkState& before, const NetworkState& after) {
  if (before == after) return std::nullopt;
  NetworkChange change;
  change.state = after;
  const auto has = [](const NetworkState& state, const SocketAddress& ip) {
    return std::any_of(state.addresses.begin(), state.addresses.end(),
                       [&](const InterfaceAddress& each) { return each.ip == ip; });
  };
  const auto counts = [](const SocketAddress& ip) {
    return !ip.is_loopback() && !ip.is_link_local();
  };
  const auto is_new_way = [](const WayOut& was, const WayOut& is) {
    return is.interface != 0 && is != was;
  };
  bool went = false;
  for (const InterfaceAddress& each : after.addresses) {
    change.back = change.back || (counts(each.ip) && !has(before, each.ip));
  }
  for (const InterfaceAddress& each : before.addresses) {
    if (has(after, each.ip)) continue;
    change.gone.push_back(each.ip);
    went = went || counts(each.ip);
  }
  change.way_out = before.ipv4 != after.ipv4 || before.ipv6 != after.ipv6;
  change.major = change.back || went || change.way_out;
  change.back =
      change.back || is_new_way(before.ipv4, after.ipv4) || is_new_way(before.ipv6, after.ipv6);
  return change;
}

NetworkWatch::NetworkWatch(Loop& loop, int fd, UniqueFunction<void(const NetworkChange&)> changed)
    : loop_(loop), fd_(fd), changed_(std::move(changed)) {}

StatusOr<std::unique_ptr<NetworkWatch>> NetworkWatch::Open(
    Loop& loop, UniqueFunction<void(const NetworkChange&)> changed) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return ErrnoStatus(errno, "a netlink socket");
  std::unique_ptr<NetworkWatch> watch(new NetworkWatch(loop, fd, std::move(changed)));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(errno, "bind a netlink socket");
  }
  BLOBD_RETURN_IF_ERROR(
      loop.Watch(fd, EPOLLIN, [self = watch.get()](uint32_t) { self->OnReadable(); }));
  // After the subscription, so that no change falls between.
  watch->state_ = NetworkState::Now();
  return watch;
}

NetworkWatch::~NetworkWatch() {
  if (timer_ != 0) loop_.CancelTimer(timer_);
  loop_.Unwatch(fd_);
  close(fd_);
}

void NetworkWatch::OnReadable() {
  // What is said does not matter, nor that some was lost because we were slow (ENOBUFS). A bounded
  // number, so that a routing daemon at work cannot keep the loop.
  uint8_t ignored[8192];
  for (int i = 0; i < 64; ++i) {
    if (recv(fd_, ignored, sizeof ignored, 0) < 0 && errno != ENOBUFS) break;
  }
  if (timer_ != 0) return;
  timer_ = loop_.AddTimer(loop_.Now() + kSettle, [this] {
    timer_ = 0;
    Look();
  });
}

void NetworkWatch::Look() {
  NetworkState now = NetworkState::Now();
  const std::optional<NetworkChange> change = Compare(state_, now);
  state_ = std::move(now);
  if (change) changed_(*change);
}

}  // namespace blobd::loop
