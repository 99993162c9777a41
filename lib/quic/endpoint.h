// quic: nodes over QUIC version 1 (ngtcp2 and GnuTLS), authenticated on both sides by raw ed25519
// public keys, with the ALPN of iroh-blobs (protocol/transport.md, sections 0 to 3 and 6;
// platform/quic-and-hash.md).
//
// Endpoint is one dual-stack UDP socket with all its connections. It dials nodes, opens request
// streams and hands up what arrives; it knows nothing of blobs.
//
// Thread:    everything on the network loop's thread, callbacks too. A callback may call back into
//            the endpoint, but not destroy it.
// Ownership: the caller owns observers and readers; they outlive the connection or stream, or are
//            detached by CloseConnection / StopStream, after which they are not called again.
// Credit:    bytes handed to a reader stay counted against the flow-control windows until
//            Consumed() gives them back; a reader that does not consume stops its own sender and
//            nobody else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "base/time.h"
#include "loop/loop.h"
#include "quic/close_reason.h"
#include "quic/identity.h"
#include "quic/stream_id.h"

namespace blobd::quic {

using ConnectionId = Id<struct ConnectionTag>;

struct ConnectionInfo {
  NodeId peer;
  SocketAddress address;  // the one that answered
  Duration rtt{0};
};

// Told about one connection that was dialled.
class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;
  virtual void OnConnected(ConnectionId id, const ConnectionInfo& info) = 0;
  // The last call for this connection; its streams' readers heard OnLost before.
  virtual void OnClosed(ConnectionId id, const CloseReason& why) = 0;
};

// Receives what the peer sends on one stream. Exactly one of OnFin, OnReset and OnLost ends it.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  virtual void OnData(ByteView bytes) = 0;  // in order; borrowed for the call
  virtual void OnFin() = 0;                 // all bytes were given
  virtual void OnReset(uint64_t code) = 0;
  virtual void OnLost(const CloseReason& why) = 0;  // the connection ended
};

struct EndpointOptions {
  SocketAddress listen;  // [::]:0 by default: any port on all addresses
  Duration dial_timeout = seconds(10);
  Duration race_delay = milliseconds(100);  // between attempts at the addresses of one node
  size_t race_width = 4;                    // attempts at once
  uint64_t stream_window = 4 << 20;
  uint64_t connection_window = 16 << 20;
  Duration idle_timeout = seconds(30);
  Duration keep_alive = seconds(5);
};

struct EndpointStats {
  uint64_t datagrams_received = 0;
  uint64_t datagrams_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t receive_calls = 0;
  uint64_t send_calls = 0;
};

class Endpoint {
 public:
  // REQUIRES: `loop` outlives the endpoint
  static StatusOr<std::unique_ptr<Endpoint>> Open(loop::Loop& loop, const Identity& identity,
                                                  const EndpointOptions& options);
  virtual ~Endpoint() = default;

  virtual NodeId node_id() const = 0;
  virtual SocketAddress local_address() const = 0;

  // Dials `node` at all addresses, best first, racing; the first finished handshake wins. The
  // observer hears of it later, never during this call.
  virtual ConnectionId Dial(const NodeId& node, std::vector<SocketAddress> addresses,
                            ConnectionObserver* observer) = 0;
  // More addresses for a dial that is still running; otherwise nothing happens.
  virtual void AddAddresses(ConnectionId id, std::vector<SocketAddress> addresses) = 0;
  // Closes with an application code, or gives a running dial up. The observer is not called again;
  // readers of open streams are not either.
  virtual void CloseConnection(ConnectionId id, uint64_t code) = 0;

  // Opens a stream, sends `request` and FIN. Returns kResourceExhausted if the peer allows no
  // further stream now, kNotFound if the connection is gone.
  virtual StatusOr<StreamId> OpenRequest(ConnectionId id, Bytes request, StreamReader* reader) = 0;
  // Gives credit for bytes that OnData delivered. Credit for a stream that has ended goes to the
  // connection.
  virtual void Consumed(ConnectionId id, StreamId stream, uint64_t bytes) = 0;
  // STOP_SENDING and RESET_STREAM with `code`; the reader is not called again. What was delivered
  // but not consumed is given back to the connection's window.
  virtual void StopStream(ConnectionId id, StreamId stream, uint64_t code) = 0;

  virtual EndpointStats stats() const = 0;
};

}  // namespace blobd::quic
