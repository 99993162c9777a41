// Which addresses a mirror may not lead us to: this machine itself, its link, and the places where
// clouds keep a machine's credentials. A name, or a redirect, that ends there would make the daemon
// ask in its own name what the caller could not (server-side request forgery). Private networks are
// not among them: fleets have their mirrors there.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/socket_address.h"

namespace blobd::http {

// What kind of place `address` is, if nothing is fetched from there unless it is configured;
// nullopt: it may be connected to. IPv4 addresses inside of IPv6 ones (NAT64, 6to4,
// IPv4-compatible) are seen through.
std::optional<std::string_view> LocalPlace(const SocketAddress& address);

}  // namespace blobd::http
