// PeerAddresses: where the peer of one connection is and was, and the names under which the QUIC
// library knows these places.
//
// ngtcp2 0.12.1 ends the process (an assertion in its path MTU discovery) when a client goes back
// to the address it has just left, while the new one is still being validated; a NAT that flaps is
// enough. So it never hears the same address twice: each time the peer turns up somewhere else, the
// place gets a fresh name, which is the address with a running number for a port. The library
// validates it like any new place; names are turned back into addresses when datagrams leave.
//
// Thread: one. Bounded: the last few places are known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/socket_address.h"

namespace blobd::quic {

class PeerAddresses {
 public:
  static constexpr size_t kMaxPlaces = 8;

  explicit PeerAddresses(const SocketAddress& first);

  // The name for a datagram that came from `from`; nullopt if the peer has moved more often than
  // any does.
  std::optional<SocketAddress> NameOf(const SocketAddress& from);
  // For a client, which moves itself: a fresh name for `to`, under which it will try to go there.
  std::optional<SocketAddress> Reserve(const SocketAddress& to);
  // For a client: the latest name of a place where its peer is, was, or may be soon; nullopt for
  // any other.
  std::optional<SocketAddress> KnownNameOf(const SocketAddress& from) const;
  // Where a datagram goes that the library addressed to `name`; nullopt if that place is forgotten.
  std::optional<SocketAddress> Resolve(const SocketAddress& name) const;
  // The library's present path. To be told after whatever may have changed it, before the next
  // NameOf.
  void SetCurrent(const SocketAddress& name);

  const SocketAddress& current() const { return current_; }
  // True while the peer is at the host where it was first; its port may have changed.
  bool at_first_host() const { return current_.ip16() == first_.ip16(); }

 private:
  struct Place {
    SocketAddress address;
    uint16_t number;
    bool used = false;  // was the present path once; then the name is not given again
  };
  void MakeRoom();
  const Place* Find(const SocketAddress& name) const;

  const SocketAddress first_;
  SocketAddress current_;
  uint16_t current_number_ = 1;
  uint16_t last_number_ = 1;
  std::vector<Place> places_;  // oldest first
};

}  // namespace blobd::quic
