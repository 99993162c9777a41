// Payload: how large the datagrams of one connection may be, in bytes of UDP payload.
#pragma once

#include <cstddef>

namespace blobd::quic {

struct Payload {
  static constexpr size_t kLeast = 1200;     // every path of QUIC carries that (RFC 9000, 14.1)
  static constexpr size_t kUsual = 1452;     // any Ethernet does
  static constexpr size_t kLargest = 65000;  // fits IPv4 and IPv6 with their headers

  size_t size = kUsual;
  // Begin with kLeast and find out how much of `size` the path carries. Otherwise the path is known
  // to carry it.
  bool probe = true;

  bool operator==(const Payload&) const = default;
};

}  // namespace blobd::quic
