#include "http/address_check.h"

#include <algorithm>
#include <array>

namespace blobd::http {
namespace {

using Ip4 = std::array<uint8_t, 4>;
using Ip6 = std::array<uint8_t, 16>;

// Metadata services that are neither on the link nor in a block of their own.
constexpr std::array<Ip4, 3> kMetadata4 = {{
    {100, 100, 100, 200},  // Alibaba Cloud
    {168, 63, 129, 16},    // Azure
    {192, 0, 0, 192},      // Oracle Cloud
}};
// fd00:ec2::254, Amazon; fd20:ce::254, Google.
constexpr std::array<Ip6, 2> kMetadata6 = {{
    {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54},
    {0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54},
}};
constexpr std::array<uint8_t, 12> kNat64 = {0x00, 0x64, 0xff, 0x9b};  // 64:ff9b::/96
constexpr std::array<uint8_t, 12> kCompatible = {};                   // ::/96

template <size_t N>
bool StartsWith(const Ip6& ip, const std::array<uint8_t, N>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), ip.begin());
}

// The IPv4 address that packets to this IPv6 address end up at.
std::optional<Ip4> Inside(const Ip6& ip) {
  if (StartsWith(ip, kNat64) || StartsWith(ip, kCompatible)) {
    return Ip4{ip[12], ip[13], ip[14], ip[15]};
  }
  if (ip[0] == 0x20 && ip[1] == 0x02) return Ip4{ip[2], ip[3], ip[4], ip[5]};  // 6to4
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> LocalPlace(const SocketAddress& address) {
  if (address.is_loopback()) return "a loopback address";
  if (address.is_unspecified()) return "an unspecified address";
  if (address.is_link_local()) return "a link-local address";
  if (address.is_multicast()) return "a multicast address";
  if (address.is_v4()) {
    const Ip4 ip = address.ip4();
    if (ip[0] == 0) return "an address of this network";  // 0.0.0.0/8 reaches this machine
    if (ip == Ip4{255, 255, 255, 255}) return "the broadcast address";
    if (std::find(kMetadata4.begin(), kMetadata4.end(), ip) != kMetadata4.end()) {
      return "a metadata service";
    }
    return std::nullopt;
  }
  const Ip6& ip = address.ip16();
  if (std::find(kMetadata6.begin(), kMetadata6.end(), ip) != kMetadata6.end()) {
    return "a metadata service";
  }
  if (const auto inside = Inside(ip)) return LocalPlace(SocketAddress::V4(*inside, address.port()));
  return std::nullopt;
}

}  // namespace blobd::http
