// PathMtu: how large a connection's datagrams may be. ngtcp2 finds sizes up to 1452 bytes by
// itself, and never more; a larger size has to be right before the connection is made, since larger
// datagrams than the path takes are lost every time (platform/quic-and-hash.md, section 4.1). So
// larger ones are used only where we can know: on loopback, and to hosts of our own network whose
// device takes them. A switch may still be in the way: an address where large datagrams got lost is
// remembered for a while.
//
// Thread: one. Bounded: the oldest answers are forgotten. Units: bytes of UDP payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/socket_address.h"
#include "base/task.h"
#include "base/time.h"
#include "quic/payload.h"
#include "quic/route.h"

namespace blobd::quic {

class PathMtu {
 public:
  // `probe` says what the kernel knows (ProbeRoute, in tests something else).
  using Probe = UniqueFunction<std::optional<Route>(const SocketAddress&)>;
  explicit PathMtu(Probe probe) : probe_(std::move(probe)) {}

  // For a connection from `local` to `remote`. Asks the kernel at most every 30 s for one host.
  Payload For(const SocketAddress& local, const SocketAddress& remote, Instant now);
  // Large datagrams to this host were lost: for 10 min it gets the usual ones.
  void MarkSmall(const SocketAddress& remote, Instant now);

 private:
  using Host = std::array<uint8_t, 16>;
  struct Answer {
    Payload payload;
    Instant until;
  };
  void Remember(const Host& host, const Payload& payload, Instant until, Instant now);
  Payload Ask(const SocketAddress& remote);

  Probe probe_;
  std::map<Host, Answer> answers_;
};

}  // namespace blobd::quic
