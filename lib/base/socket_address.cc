#include "base/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace blobd {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

}  // namespace

SocketAddress SocketAddress::V4(std::array<uint8_t, 4> ip, uint16_t port) {
  SocketAddress address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.ip_.begin());
  std::copy(ip.begin(), ip.end(), address.ip_.begin() + 12);
  address.port_ = port;
  return address;
}

SocketAddress SocketAddress::V6(std::array<uint8_t, 16> ip, uint16_t port) {
  SocketAddress address;
  address.ip_ = ip;
  address.port_ = port;
  return address;
}

std::optional<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.size() > 64) return std::nullopt;
  const auto port = ParsePort(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string host(text.substr(0, colon));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    std::array<uint8_t, 16> ip{};
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), ip.data()) != 1) return std::nullopt;
    return V6(ip, *port);
  }
  std::array<uint8_t, 4> ip{};
  if (inet_pton(AF_INET, host.c_str(), ip.data()) != 1) return std::nullopt;
  return V4(ip, *port);
}

std::optional<SocketAddress> SocketAddress::FromSockaddr(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::array<uint8_t, 4> ip{};
    std::memcpy(ip.data(), &in.sin_addr, ip.size());
    return V4(ip, ntohs(in.sin_port));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, address, sizeof in6);
    std::array<uint8_t, 16> ip{};
    std::memcpy(ip.data(), &in6.sin6_addr, ip.size());
    return V6(ip, ntohs(in6.sin6_port));
  }
  return std::nullopt;
}

bool SocketAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip_.begin());
}

std::array<uint8_t, 4> SocketAddress::ip4() const {
  BLOBD_CHECK(is_v4());
  return {ip_[12], ip_[13], ip_[14], ip_[15]};
}

bool SocketAddress::is_loopback() const {
  if (is_v4()) return ip_[12] == 127;
  return std::all_of(ip_.begin(), ip_.begin() + 15, [](uint8_t b) { return b == 0; }) &&
         ip_[15] == 1;
}

bool SocketAddress::is_link_local() const {
  if (is_v4()) return ip_[12] == 169 && ip_[13] == 254;
  return ip_[0] == 0xfe && (ip_[1] & 0xc0) == 0x80;
}

bool SocketAddress::is_unspecified() const {
  const auto first = is_v4() ? ip_.begin() + 12 : ip_.begin();
  return std::all_of(first, ip_.end(), [](uint8_t b) { return b == 0; });
}

bool SocketAddress::is_multicast() const {
  return is_v4() ? (ip_[12] & 0xf0) == 0xe0 : ip_[0] == 0xff;
}

uint32_t SocketAddress::ToSockaddr6(sockaddr_storage* out) const {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port_);
  std::memcpy(&in6.sin6_addr, ip_.data(), ip_.size());
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &in6, sizeof in6);
  return sizeof in6;
}

std::string SocketAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    inet_ntop(AF_INET, ip_.data() + 12, text, sizeof text);
    return fmt::format("{}:{}", text, port_);
  }
  inet_ntop(AF_INET6, ip_.data(), text, sizeof text);
  return fmt::format("[{}]:{}", text, port_);
}

}  // namespace blobd
