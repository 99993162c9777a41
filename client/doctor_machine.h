// What "blobctl doctor" looks at on the machine itself: sockets, the network, the clock, systemd.
// Nothing is sent anywhere, but for the DNS questions of CheckName.
//
// Thread: any; CheckName and CheckService block, for some seconds at most.
// Errors: what cannot be looked at is not judged, or said to be so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/finding.h"

namespace blobd::client {

// The daemon's socket: whether somebody holds it, and by what right we may use it.
Findings CheckSocket(const std::string& path);
// The UDP addresses that the daemon says it listens on, "IP:PORT".
Findings CheckPorts(const std::vector<std::string>& listen_addresses);
// The interface that leads to the internet: its MTU and offloads.
Findings CheckInterface();
// How much the kernel lets a UDP socket buffer.
Findings CheckBuffers();
Findings CheckClock();
// Whether the machine's resolver knows the name.
Finding CheckName(const std::string& name);
// The unit that belongs to the socket at `path`, where systemd runs and knows it.
Findings CheckService(const std::string& path);

// Pure parts of the above.

// The interface of the default route with the lowest metric in the text of /proc/net/route; empty:
// there is none.
std::string OutgoingInterface(std::string_view routes);
// The same of /proc/net/ipv6_route.
std::string OutgoingInterface6(std::string_view routes);
// Whether a socket has that port, by the text of /proc/net/udp or udp6.
bool HasPort(std::string_view sockets, uint16_t port);
// What "systemctl show" says of the unit `name`. nullopt: systemd does not know it.
std::optional<Finding> JudgeUnit(const std::string& name, std::string_view properties);

}  // namespace blobd::client
