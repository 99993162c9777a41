#include "daemon/own_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <memory>

namespace blobd::daemon {
namespace {

SocketAddress WithPort(const SocketAddress& address, uint16_t port) {
  return address.is_v4() ? SocketAddress::V4(address.ip4(), port)
                         : SocketAddress::V6(address.ip16(), port);
}

// Private use (RFC 1918), shared by carriers (RFC 6598), unique local (RFC 4193).
bool IsPrivate(const SocketAddress& address) {
  if (!address.is_v4()) return (address.ip16()[0] & 0xfe) == 0xfc;
  const std::array<uint8_t, 4> ip = address.ip4();
  return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
         (ip[0] == 100 && (ip[1] & 0xc0) == 64);
}

int RankOf(const SocketAddress& address) {
  if (address.is_loopback()) return 2;
  return IsPrivate(address) ? 1 : 0;
}

}  // namespace

std::vector<SocketAddress> InterfaceAddresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  std::vector<SocketAddress> addresses;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    if (const auto address = SocketAddress::FromSockaddr(each->ifa_addr)) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

std::vector<SocketAddress> ReachableAddresses(const SocketAddress& local,
                                              const std::vector<SocketAddress>& interfaces,
                                              bool include_loopback) {
  std::vector<SocketAddress> addresses;
  const auto take = [&](const SocketAddress& ip) {
    const SocketAddress address = WithPort(ip, local.port());
    if (address.is_unspecified() || address.is_multicast() || address.is_link_local()) return;
    if (address.is_loopback() && !include_loopback) return;
    if (std::count(addresses.begin(), addresses.end(), address) == 0) addresses.push_back(address);
  };
  if (!local.is_unspecified()) {
    take(local);
  } else {
    for (const SocketAddress& ip : interfaces) {
      if (ip.is_v4() || !local.is_v4()) take(ip);
    }
  }
  std::stable_sort(
      addresses.begin(), addresses.end(),
      [](const SocketAddress& a, const SocketAddress& b) { return RankOf(a) < RankOf(b); });
  return addresses;
}

}  // namespace blobd::daemon
