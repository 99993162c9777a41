// path: everything known about reaching nodes. Pure: values in, values out (design/remotes.md).
//
// RemoteTable (remote_table.h) remembers how nodes stand to us.
//
// AddressBook remembers for each node its addresses with their source and how they did, and says in
// which order to dial them.
//
// Bounded: at most 32 addresses per node. Of these, what worked, what was configured, what callers
// said and what was found have 8 each for themselves, and the rest is whose who came first; so
// whoever says a lot displaces what they said themselves. What was configured makes room only for
// what was configured too, or works.
//
// Thread: one owner (the control loop).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

struct KnownAddress {
  SocketAddress address;
  // Who told us first: "ticket", "api", "incoming", a lookup service. "config" and "static" (the
  // configuration) replace others.
  std::string source;
  WallTime last_worked;       // 0: never
  Duration rtt{0};            // measured when it last worked
  uint64_t order = 0;         // when it was learnt, counted
  WallTime last_failed = {};  // 0: never. When it was last found silent or refusing
  std::string failure = {};   // what was said then, UTF-8

  // It worked once, and was not found wanting since.
  bool proven() const { return last_worked > last_failed; }
};

class AddressBook {
 public:
  static constexpr size_t kMaxPerNode = 32;
  static constexpr size_t kPlacesOfEach = 8;
  static constexpr size_t kMaxNodes = 100'000;  // addresses of further ones are not kept
  static constexpr size_t kMaxReason = 256;     // bytes; the rest of a longer one is cut off

  struct Added {
    bool is_new = false;
    std::optional<SocketAddress> evicted;  // made room for it
  };

  // Somebody could be there: it has a port, and is neither unspecified nor multicast.
  static bool CanBeDialled(const SocketAddress& address);

  // Our own addresses are never kept or dialled. A node's addresses that cannot be dialled
  // (unspecified, multicast, port 0) are refused too, and so are private addresses of relays, which
  // nobody outside can mean.
  Added Add(const NodeId& node, const SocketAddress& address, std::string source);
  // A relay that reaches the node. REQUIRES: `address` is from RelayAddresses
  Added AddRelay(const NodeId& node, const SocketAddress& address, std::string source);
  // As loaded from the registry. Returns what there is no place for: it, or another one that made
  // room for it.
  std::optional<SocketAddress> Restore(const NodeId& node, const KnownAddress& known);
  // What became our own is not dialled; should it be another's again, it is.
  void SetOwnAddresses(std::vector<SocketAddress> own) { own_ = std::move(own); }
  bool IsOwn(const SocketAddress& address) const;

  struct Proof {
    KnownAddress known;
    bool is_kept = false;                  // false: it is none that the book takes
    std::optional<SocketAddress> evicted;  // made room for it
  };
  // A connection was made over this address. Returns what is known of it now.
  Proof Worked(const NodeId& node, const SocketAddress& address, WallTime now, Duration rtt);

  // There was no answer at this address, or it was refused. Returns what is known of it now;
  // nothing if it is not known.
  std::optional<KnownAddress> Failed(const NodeId& node, const SocketAddress& address, WallTime now,
                                     std::string_view reason);

  // Forgets what is known of the node, but for addresses that are configured, of which it forgets
  // how they did. Returns how many addresses are gone.
  size_t Forget(const NodeId& node);

  // Best first: those that did not fail since they worked, then by latest success, lowest
  // round-trip time, IPv6, and the order learnt. Relays come last, our own addresses not at all.
  std::vector<SocketAddress> ToDial(const NodeId& node) const;
  const std::vector<KnownAddress>& Of(const NodeId& node) const;
  // The same order, our own addresses too, with what is known of each.
  std::vector<KnownAddress> BestFirst(const NodeId& node) const;
  // At most `limit` nodes greater than `after` (nullopt: from the first), in order.
  std::vector<NodeId> NodesAfter(const std::optional<NodeId>& after, size_t limit) const;

 private:
  bool MayBeKept(const SocketAddress& address) const;
  Added Insert(const NodeId& node, KnownAddress known);

  std::map<NodeId, std::vector<KnownAddress>> nodes_;
  std::vector<SocketAddress> own_;
  uint64_t next_order_ = 1;
};

}  // namespace blobd::path
