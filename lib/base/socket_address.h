// SocketAddress: an IPv4 or IPv6 address with a port, in canonical form (IPv4-mapped IPv6 is IPv4).
// No scope and no flow label: an address that needs them (link-local) is not one we can give to
// others.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

struct sockaddr;
struct sockaddr_storage;

namespace blobd {

class SocketAddress {
 public:
  SocketAddress() = default;  // [::]:0
  static SocketAddress V4(std::array<uint8_t, 4> ip, uint16_t port);
  static SocketAddress V6(std::array<uint8_t, 16> ip, uint16_t port);
  // "192.0.2.1:443" or "[2001:db8::1]:443"; nullopt for anything else, names included.
  static std::optional<SocketAddress> Parse(std::string_view text);
  static std::optional<SocketAddress> FromSockaddr(const sockaddr* address);

  bool is_v4() const;
  uint16_t port() const { return port_; }
  // The 16 bytes of the IPv6 form; an IPv4 address is ::ffff:a.b.c.d.
  const std::array<uint8_t, 16>& ip16() const { return ip_; }
  std::array<uint8_t, 4> ip4() const;  // REQUIRES: is_v4()
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_unspecified() const;
  bool is_multicast() const;

  // Writes an AF_INET6 address, IPv4 as mapped, as a dual-stack socket wants it. Returns its
  // length.
  uint32_t ToSockaddr6(sockaddr_storage* out) const;
  std::string ToString() const;

  auto operator<=>(const SocketAddress&) const = default;

 private:
  std::array<uint8_t, 16> ip_{};
  uint16_t port_ = 0;
};

}  // namespace blobd

template <>
struct std::hash<blobd::SocketAddress> {
  size_t operator()(const blobd::SocketAddress& address) const noexcept {
    const std::string_view ip(reinterpret_cast<const char*>(address.ip16().data()), 16);
    return std::hash<std::string_view>{}(ip)*31 + address.port();
  }
};
