// NodeAddr: a node and where it may be reached, and its two encodings (protocol/formats.md,
// sections 6 and 7).
//
// Values; any thread. Addresses and relays are hints by whoever wrote them; only dialling proves a
// node.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "wire/postcard.h"

namespace blobd::wire {

// A node has a handful of each; what claims more is refused. Whoever writes a NodeAddr keeps to the
// same limits.
inline constexpr size_t kMaxAddresses = 512;
inline constexpr size_t kMaxRelayUrlSize = 2048;

struct NodeAddr {
  NodeId node;
  std::vector<std::string> relay_urls;  // as written, not checked to be URLs
  std::vector<SocketAddress> addresses;

  // Brings both lists into the order of the wire, without repetitions: IPv4 before IPv6, then by
  // bytes, then port. What is read comes so.
  void Sort();
  bool operator==(const NodeAddr&) const = default;
};

// Both name one relay. iroh 0.35 writes a dot behind the host (`https://relay.example.org./`),
// later ones do not; the case of scheme and host and a missing last slash do not count either.
bool IsSameRelay(std::string_view a, std::string_view b);

void WriteSocketAddress(const SocketAddress& address, Writer& writer);
StatusOr<SocketAddress> ReadSocketAddress(Reader& reader);

// NodeAddr of 0.35, also in blob and node tickets. It has room for one relay: the first in order is
// written.
void WriteNodeAddr(const NodeAddr& addr, Writer& writer);
StatusOr<NodeAddr> ReadNodeAddr(Reader& reader);

// EndpointAddr of 1.x, also in endpoint tickets. Addresses of custom transports are skipped: we
// could not dial them.
void WriteEndpointAddr(const NodeAddr& addr, Writer& writer);
StatusOr<NodeAddr> ReadEndpointAddr(Reader& reader);

}  // namespace blobd::wire
