// ProbeRoute: what the kernel knows of the way to an address (rtnetlink(7); IP_MTU in ip(7)).
#pragma once

#include <cstddef>
#include <optional>

#include "base/socket_address.h"

namespace blobd::quic {

struct Route {
  size_t mtu = 0;        // bytes, IP header included
  bool on_link = false;  // no gateway between: every device of the way is ours to ask
};

// Asks the kernel; nothing is sent and nothing waits. nullopt if there is no route or the kernel
// does not tell.
std::optional<Route> ProbeRoute(const SocketAddress& to);

// Our address from which a datagram to `to` would leave, without a port. As above.
std::optional<SocketAddress> SourceTowards(const SocketAddress& to);

}  // namespace blobd::quic
