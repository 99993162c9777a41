// Where other nodes may reach this daemon: for tickets (design/decisions.md, "addresses in
// tickets").
//
// Pure, but for InterfaceAddresses, which asks the kernel. Any thread.
#pragma once

#include <vector>

#include "base/socket_address.h"

namespace blobd::daemon {

// The addresses of all interfaces that are up, with port 0. Empty if the kernel cannot say.
std::vector<SocketAddress> InterfaceAddresses();

// Of a socket bound to `local`, with its port: the address itself, or for an unspecified one those
// of the interfaces of its family ([::] takes both). Global addresses come before private ones.
// Link-local addresses never do, since they mean nothing without their interface; loopback ones
// come last, and only if asked for.
std::vector<SocketAddress> ReachableAddresses(const SocketAddress& local,
                                              const std::vector<SocketAddress>& interfaces,
                                              bool include_loopback);

}  // namespace blobd::daemon
