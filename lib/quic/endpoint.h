// quic: nodes over QUIC version 1 (ngtcp2 and GnuTLS), authenticated on both sides by raw ed25519
// public keys, with the ALPN of iroh-blobs (protocol/transport.md, sections 0 to 3 and 6;
// platform/quic-and-hash.md).
//
// Endpoint is one dual-stack UDP socket with all its connections. It dials nodes and opens request
// streams, takes the connections of others and sends answers, and hands up what arrives; it knows
// nothing of blobs.
//
// Thread:    everything on the network loop's thread, callbacks too. A callback may call back into
//            the endpoint, but not destroy it.
// Ownership: the caller owns observers, acceptor, readers and handlers; they outlive the connection
//            or stream, or are detached by CloseConnection / StopStream / SetAcceptor, after which
//            they are not called again. Bytes to be sent belong to the endpoint.
// Credit:    bytes handed to a reader stay counted against the flow-control windows until
//            Consumed() gives them back; a reader that does not consume stops its own sender and
//            nobody else. Windows that were given cannot be taken back; Withhold() lets one become
//            smaller as it is used.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
#include "quic/silence.h"
#include "quic/stats.h"
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
  // While dialling: one address did not answer, refused, or could not be sent to. Others may still
  // do.
  virtual void OnAttemptFailed(ConnectionId /*id*/, const SocketAddress& /*address*/,
                               const std::string& /*reason*/) {}
  // What became of a Move (below). `not_yet`: it could not even be tried now.
  virtual void OnMoved(ConnectionId /*id*/, const SocketAddress& /*to*/) {}
  virtual void OnMoveFailed(ConnectionId /*id*/, const SocketAddress& /*to*/, bool /*not_yet*/) {}
  // The last call for this connection; its streams' readers heard OnLost before.
  virtual void OnClosed(ConnectionId id, const CloseReason& why) = 0;
};

// Hears how soon addresses answered to Probe. Anybody may answer: it proves nothing about who it
// was.
class ProbeObserver {
 public:
  virtual ~ProbeObserver() = default;
  virtual void OnProbeAnswered(const SocketAddress& address, Duration rtt) = 0;
};

// How the path of a connection does.
struct PathState {
  SocketAddress address;
  Duration rtt{0};  // of the last answer; 0: none yet
  Instant heard;    // anything from the peer
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

// Receives one stream that a peer opened, and hears how its answer goes. Reading ends by OnFin or
// OnReset; after that the answer may go on. OnClosed or OnLost is the last call, always one of
// them, unless StopStream or CloseConnection detached the handler.
class StreamHandler : public StreamReader {
 public:
  // The peer has received `bytes` more of what was sent, in order.
  virtual void OnAcknowledged(uint64_t bytes) = 0;
  // Both directions have ended; `code` is set if one of them ended by a reset.
  virtual void OnClosed(std::optional<uint64_t> code) = 0;
};

// Why a connection is refused or ended: an application code, and a word for the peer.
struct Refusal {
  uint64_t code = 0;
  std::string_view reason;  // static text
};

// Decides about connections that peers open, and takes their streams.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // The peer's identity is proven. A refused connection is closed and heard of no more.
  virtual std::optional<Refusal> OnAccepted(ConnectionId id, const ConnectionInfo& info) = 0;
  // Never null. The handler lives until its last call, or until it is detached.
  virtual StreamHandler* OnStreamOpened(ConnectionId id, StreamId stream) = 0;
  // The last call for this connection; its streams' handlers heard OnLost before.
  virtual void OnClosed(ConnectionId id, const CloseReason& why) = 0;
};

struct EndpointOptions {
  SocketAddress listen;  // [::]:0 by default: any port on all addresses
  Duration dial_timeout = seconds(10);
  Duration race_delay = milliseconds(100);  // between attempts at the addresses of one node
  size_t race_width = 4;                    // attempts at once
  uint64_t stream_window = 4 << 20;
  uint64_t connection_window = 16 << 20;
  Duration idle_timeout = seconds(30);
  // Of the connections we dialled: so soon we notice that a dark path has come back.
  Duration keep_alive = seconds(1);
  // The connection windows of all that were dialled, together (receive_budget.h).
  uint64_t receive_budget = 128 << 20;
  // Connections that peers open.
  size_t incoming = 1024;
  size_t incoming_per_address = 64;  // an IPv4 address, or an IPv6 /64
  size_t half_open_before_retry = 128;
  uint64_t peer_streams = 256;  // open at once on one connection
  Duration handshake_timeout = seconds(10);
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
  // While more addresses may come, a dial whose addresses have all failed, or that never had one,
  // goes on until its time is out.
  virtual void KeepOpen(ConnectionId id, bool open) = 0;
  // Closes with an application code and a word for the peer (ASCII; 100 bytes of it are sent), or
  // gives a running dial up. Observer and acceptor are not called again about it; readers and
  // handlers of open streams are not either.
  virtual void CloseConnection(ConnectionId id, uint64_t code, std::string_view reason = {}) = 0;

  // Has a connection that was dialled go to another address of its node: once it is proven that the
  // node is there, or at once, because the present path is dark. The connection ends if it goes at
  // once and the node is not there. Answered by OnMoved or OnMoveFailed, unless another Move or the
  // end comes first.
  virtual void Move(ConnectionId id, const SocketAddress& to, bool immediate) = 0;
  // nullopt if the connection is gone or not up.
  virtual std::optional<PathState> PathOf(ConnectionId id) const = 0;
  // Asks whoever is at `address` for a version of QUIC that nobody speaks, so that it says which it
  // does. No connection is disturbed. At most 256 questions are open; an older one is forgotten.
  // `node`: who should be there; a node up to 0.95 hears of us first (disco.h), and may leave the
  // first question without an answer.
  virtual void Probe(const NodeId& node, const SocketAddress& address) = 0;
  virtual void SetProbeObserver(ProbeObserver* observer) = 0;
  // The machine's network has changed: by which address of ours others are reached is asked anew.
  virtual void ForgetRoutes() {}

  // From now on connections of peers are taken; before, and with null, nobody is answered. What an
  // earlier acceptor has taken is closed with code 0, without a call to it or its handlers.
  virtual void SetAcceptor(Acceptor* acceptor) = 0;
  // Queues bytes of the answer on a stream that a peer opened; they are kept until acknowledged.
  // `fin` ends the answer. kNotFound if that direction has ended, also because the peer wants no
  // more of it, or if the connection is gone.
  virtual Status Send(ConnectionId id, StreamId stream, Bytes bytes, bool fin) = 0;

  // Opens a stream, sends `request` and FIN. Returns kResourceExhausted if the peer allows no
  // further stream now, kNotFound if the connection is gone.
  virtual StatusOr<StreamId> OpenRequest(ConnectionId id, Bytes request, StreamReader* reader) = 0;
  // Gives credit for bytes that OnData delivered. Credit for a stream that has ended goes to the
  // connection.
  virtual void Consumed(ConnectionId id, StreamId stream, uint64_t bytes) = 0;
  // From now on the windows of connections that we dial, each for all its streams together, are at
  // most `bytes`; nullopt: as the options say. Those that are there become smaller by Withhold.
  virtual void LimitWindows(std::optional<uint64_t> /*bytes*/) {}
  // Gives credit for at most `bytes` to the stream alone, as long as its connection's window is
  // larger than it should be; returns for how many. The rest needs Consumed.
  virtual uint64_t Withhold(ConnectionId /*id*/, StreamId /*stream*/, uint64_t /*bytes*/) {
    return 0;
  }
  // STOP_SENDING and RESET_STREAM with `code`; the reader is not called again. What was delivered
  // but not consumed is given back to the connection's window.
  virtual void StopStream(ConnectionId id, StreamId stream, uint64_t code) = 0;

  // What is known of the peer's silence; null if the connection is gone or not up. Valid until the
  // next call.
  virtual const Silence* SilenceOf(ConnectionId id) const = 0;

  virtual EndpointStats stats() const = 0;
};

}  // namespace blobd::quic
