// RelayAddresses: relays as addresses. A node behind a relay is a URL and a node id, but everything
// that dials, probes, selects and lists paths speaks of socket addresses. So each pair gets a
// private one that no wire ever sees: an address of a prefix that is ours alone within this
// process, numbered as pairs come. Whoever sends datagrams maps it back.
//
// Bounded: a pair beyond the limit gets no address, and its relay is not used.
//
// Thread: one owner (the control loop).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/node_id.h"
#include "base/socket_address.h"

namespace blobd::path {

struct Relayed {
  std::string url;
  NodeId node;
  auto operator<=>(const Relayed&) const = default;
};

class RelayAddresses {
 public:
  static constexpr size_t kMax = 100'000;

  // True for addresses of the private prefix, also for ones that were never given out. Such an
  // address that comes from outside is nobody's.
  static bool IsRelayed(const SocketAddress& address);

  // The address of the pair, the same each time. nullopt if it is new and there is no room. Texts
  // that name one relay in two ways are two relays here; the caller brings them into one form.
  std::optional<SocketAddress> Of(std::string_view url, const NodeId& node);
  // Null if the address stands for no pair. Valid as long as this object.
  const Relayed* Find(const SocketAddress& address) const;

 private:
  std::map<Relayed, SocketAddress> addresses_;
  std::vector<const Relayed*> by_number_;  // keys of addresses_
};

}  // namespace blobd::path
