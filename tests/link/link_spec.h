// LinkSpec: which link to make: its name, the namespaces it joins, the addresses of its ends.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace blobd::link {

inline constexpr uint32_t kMtuMin = 576;
inline constexpr uint32_t kMtuMinIpv6 = 1280;  // RFC 8200, section 5
inline constexpr uint32_t kMtuMax = 65000;

// An address of an interface. With a prefix, that network is behind the link; without, only the
// address of the other end.
struct InterfaceAddress {
  bool is_v4 = true;
  std::array<uint8_t, 16> ip{};  // the first four for IPv4
  std::optional<uint8_t> prefix;

  uint8_t ip_bytes() const { return is_v4 ? 4 : 16; }
};

struct LinkEnd {
  // As `ip netns` names it, or a path to a namespace if it has a slash.
  std::string net_namespace;
  InterfaceAddress address;
  std::optional<InterfaceAddress> more_address;  // of the other family
};

struct LinkSpec {
  std::string name;  // also of the device, in both namespaces
  LinkEnd a;
  LinkEnd b;
  uint32_t mtu = 1500;
  bool offload = true;  // take super-packets from the kernel
};

}  // namespace blobd::link
