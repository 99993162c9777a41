// Counters of an endpoint since it was opened. Values; read as one snapshot.
#pragma once

#include <cstddef>
#include <cstdint>

namespace blobd::quic {

// What went through the socket.
struct UdpStats {
  uint64_t datagrams_received = 0;
  uint64_t datagrams_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t receive_calls = 0;
  uint64_t send_calls = 0;
};

// What was done about datagrams that belonged to no connection.
struct StrangerStats {
  uint64_t newcomers = 0;  // let in, to authenticate themselves
  uint64_t retries = 0;
  uint64_t refusals = 0;  // those that were told
  uint64_t version_answers = 0;
  uint64_t resets = 0;
  uint64_t dropped = 0;  // no QUIC, nothing to be said, or over a budget
};

struct EndpointStats {
  UdpStats udp = {};
  StrangerStats strangers = {};
  size_t incoming = 0;   // connections of peers now
  size_t half_open = 0;  // of those, the ones not authenticated yet
};

}  // namespace blobd::quic
