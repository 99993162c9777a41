#include "route_socket.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <string_view>

#include "base/check.h"
#include "base/time.h"

namespace blobd::link {

// One message: netlink header, family header, attributes. Everything is aligned to four bytes.
class RouteRequest {
 public:
  template <typename FamilyHeader>
  RouteRequest(uint16_t type, uint16_t flags, const FamilyHeader& family) {
    nlmsghdr header = {};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    Append(&header, sizeof header);
    Append(&family, sizeof family);
  }

  void Add(uint16_t type, const void* value, size_t bytes) {
    const size_t at = Begin(type);
    Append(value, bytes);
    End(at);
  }
  template <typename T>
  void Add(uint16_t type, const T& value) {
    Add(type, &value, sizeof value);
  }
  // What is added until End is inside this attribute.
  size_t Begin(uint16_t type) {
    const size_t at = message_.size();
    const rtattr attribute = {.rta_len = 0, .rta_type = type};
    Append(&attribute, sizeof attribute);
    return at;
  }
  void End(size_t at) {
    const auto length = static_cast<uint16_t>(message_.size() - at);
    std::memcpy(&message_[at + offsetof(rtattr, rta_len)], &length, sizeof length);
    message_.resize(NLMSG_ALIGN(message_.size()));
  }

  const std::string& Finish(uint32_t sequence) {
    const auto length = static_cast<uint32_t>(message_.size());
    std::memcpy(&message_[offsetof(nlmsghdr, nlmsg_len)], &length, sizeof length);
    std::memcpy(&message_[offsetof(nlmsghdr, nlmsg_seq)], &sequence, sizeof sequence);
    return message_;
  }

 private:
  void Append(const void* bytes, size_t count) {
    message_.append(static_cast<const char*>(bytes), count);
  }
  std::string message_;
};

namespace {

// Far more than it takes, also on a machine with much else to do.
constexpr Duration kRoutesTimeout = seconds(10);
constexpr timespec kRoutesPause = {.tv_sec = 0, .tv_nsec = 500'000};

// The `size` bytes at `offset` in attribute `type`, among those from `at` on; empty if there are
// none.
std::string_view FindAttribute(std::string_view answer, size_t at, uint16_t type, size_t offset,
                               size_t size) {
  rtattr attribute;
  while (at <= answer.size() && answer.size() - at >= sizeof attribute) {
    std::memcpy(&attribute, &answer[at], sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > answer.size() - at) break;
    if (attribute.rta_type == type && attribute.rta_len >= sizeof attribute + offset + size)
      return answer.substr(at + sizeof attribute + offset, size);
    at += NLMSG_ALIGN(attribute.rta_len);
  }
  return {};
}

}  // namespace

StatusOr<RouteSocket> RouteSocket::Open() {
  Descriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.is_open()) return ErrnoStatus(errno, "netlink socket");
  return RouteSocket(std::move(fd));
}

StatusOr<std::string> RouteSocket::Ask(RouteRequest& request) {
  const std::string& message = request.Finish(++sequence_);
  if (send(socket_.get(), message.data(), message.size(), 0) < 0)
    return ErrnoStatus(errno, "netlink send");
  // An answer about one device takes a few KiB; the kernel makes messages of at most 32.
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t received = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return ErrnoStatus(errno, "netlink recv");
    nlmsghdr header;
    const auto size = static_cast<size_t>(received);
    if (size < sizeof header) return Internal("netlink: short answer");
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size)
      return Internal("netlink: an answer's length is wrong");
    if (header.nlmsg_seq != sequence_) continue;
    if (header.nlmsg_type != NLMSG_ERROR)
      return std::string(buffer.data() + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
    int error = 0;
    if (header.nlmsg_len < NLMSG_HDRLEN + sizeof error) return Internal("netlink: short error");
    std::memcpy(&error, buffer.data() + NLMSG_HDRLEN, sizeof error);
    if (error != 0) return ErrnoStatus(-error, "netlink");
    return std::string();
  }
}

StatusOr<int> RouteSocket::DeviceIndex(const std::string& device) const {
  ifreq request = {};
  BLOBD_CHECK(device.size() < sizeof request.ifr_name);
  device.copy(request.ifr_name, device.size());
  const unsigned index = if_nametoindex(request.ifr_name);
  if (index == 0) return ErrnoStatus(errno, device);
  return static_cast<int>(index);
}

Status RouteSocket::Configure(int device_index, uint32_t mtu, uint32_t queue_packets) {
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK,
                       ifinfomsg{.ifi_family = AF_UNSPEC,
                                 .__ifi_pad = 0,
                                 .ifi_type = 0,
                                 .ifi_index = device_index,
                                 .ifi_flags = 0,
                                 .ifi_change = 0});
  request.Add(IFLA_MTU, mtu);
  request.Add(IFLA_TXQLEN, queue_packets);
  const size_t families = request.Begin(IFLA_AF_SPEC);
  const size_t ipv6 = request.Begin(AF_INET6);
  request.Add(IFLA_INET6_ADDR_GEN_MODE, static_cast<uint8_t>(IN6_ADDR_GEN_MODE_NONE));
  request.End(ipv6);
  request.End(families);
  return Ask(request).status();
}

Status RouteSocket::BringUp(int device_index) {
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK,
                       ifinfomsg{.ifi_family = AF_UNSPEC,
                                 .__ifi_pad = 0,
                                 .ifi_type = 0,
                                 .ifi_index = device_index,
                                 .ifi_flags = IFF_UP,
                                 .ifi_change = IFF_UP});
  return Ask(request).status();
}

Status RouteSocket::AddAddress(int device_index, const InterfaceAddress& own,
                               const InterfaceAddress& peer) {
  const auto host_prefix = static_cast<uint8_t>(own.ip_bytes() * 8);
  RouteRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                       ifaddrmsg{.ifa_family = own.is_v4 ? uint8_t{AF_INET} : uint8_t{AF_INET6},
                                 .ifa_prefixlen = own.prefix.value_or(host_prefix),
                                 .ifa_flags = IFA_F_NODAD,
                                 .ifa_scope = RT_SCOPE_UNIVERSE,
                                 .ifa_index = static_cast<uint32_t>(device_index)});
  // IFA_ADDRESS is what a route is made to: the own network, or the other end alone.
  request.Add(IFA_LOCAL, own.ip.data(), own.ip_bytes());
  request.Add(IFA_ADDRESS, own.prefix ? own.ip.data() : peer.ip.data(), own.ip_bytes());
  BLOBD_RETURN_IF_ERROR(Ask(request).status());
  if (own.is_v4) return OkStatus();
  const Instant deadline = SystemClock().Now() + kRoutesTimeout;
  for (;;) {
    if (AreRouted(device_index, own, peer)) return OkStatus();
    if (SystemClock().Now() > deadline)
      return DeadlineExceeded("the kernel has not brought an IPv6 address into use");
    nanosleep(&kRoutesPause, nullptr);
  }
}

bool RouteSocket::AreRouted(int device_index, const InterfaceAddress& own,
                            const InterfaceAddress& peer) {
  if (FindRoute(own).kind != RTN_LOCAL) return false;
  if (own.prefix) return true;  // the route to that network was made at once
  const Route to_peer = FindRoute(peer);
  return to_peer.kind == RTN_UNICAST && to_peer.device_index == device_index;
}

RouteSocket::Route RouteSocket::FindRoute(const InterfaceAddress& address) {
  rtmsg message = {};
  message.rtm_family = address.is_v4 ? AF_INET : AF_INET6;
  message.rtm_dst_len = static_cast<uint8_t>(address.ip_bytes() * 8);
  RouteRequest request(RTM_GETROUTE, 0, message);
  request.Add(RTA_DST, address.ip.data(), address.ip_bytes());
  const StatusOr<std::string> answer = Ask(request);
  // That there is none comes as an error, ENETUNREACH.
  if (!answer.ok() || answer->size() < sizeof message) return {};
  std::memcpy(&message, answer->data(), sizeof message);
  Route route = {.kind = message.rtm_type, .device_index = 0};
  const std::string_view device =
      FindAttribute(*answer, NLMSG_ALIGN(sizeof message), RTA_OIF, 0, sizeof route.device_index);
  if (!device.empty()) std::memcpy(&route.device_index, device.data(), device.size());
  return route;
}

StatusOr<uint64_t> RouteSocket::DroppedOnTransmit(int device_index) {
  RouteRequest request(RTM_GETLINK, 0,
                       ifinfomsg{.ifi_family = AF_UNSPEC,
                                 .__ifi_pad = 0,
                                 .ifi_type = 0,
                                 .ifi_index = device_index,
                                 .ifi_flags = 0,
                                 .ifi_change = 0});
  BLOBD_ASSIGN_OR_RETURN(const std::string answer, Ask(request));
  uint64_t dropped = 0;
  const std::string_view found =
      FindAttribute(answer, NLMSG_ALIGN(sizeof(ifinfomsg)), IFLA_STATS64,
                    offsetof(rtnl_link_stats64, tx_dropped), sizeof dropped);
  if (found.empty()) return Internal("netlink: no statistics of device {}", device_index);
  std::memcpy(&dropped, found.data(), found.size());
  return dropped;
}

}  // namespace blobd::link
