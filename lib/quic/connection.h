// Connection: one QUIC connection, client or server side, as a machine that takes datagrams and
// time and gives datagrams (ngtcp2 and GnuTLS inside). It owns no socket, timer or clock, so tests
// run it over a simulated link.
//
// Thread:    one.
// Re-entry:  the delegate is called from Receive, OnTimer and Write. It may call the functions for
//            streams from there, but nothing else, and not destroy the connection.
// Ownership: borrows delegate and TLS context, which outlive it. Bytes to send are owned until the
//            peer acknowledged them.
// Credit:    bytes given to the delegate count against the windows until Consumed.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "base/time.h"
#include "quic/cid.h"
#include "quic/close_reason.h"
#include "quic/payload.h"
#include "quic/peer_addresses.h"
#include "quic/send_buffer.h"
#include "quic/silence.h"
#include "quic/stream_id.h"
#include "quic/tls.h"

namespace blobd::quic {

struct ConnectionOptions {
  uint64_t stream_window = 4 << 20;  // what the peer may send unasked, per stream and in all
  uint64_t connection_window = 16 << 20;
  uint64_t peer_streams = 0;  // how many streams the peer may have open at once
  Duration idle_timeout = seconds(30);
  Duration keep_alive{0};         // 0: never
  Duration handshake_timeout{0};  // 0: the owner watches it
  // Of the datagrams we send; path_mtu.h decides it.
  Payload payload = {};
  // From this secret come the stateless reset tokens of our connection ids.
  std::array<uint8_t, 32> reset_secret{};
};

class ConnectionDelegate {
 public:
  virtual ~ConnectionDelegate() = default;
  // Datagrams for `cid` are this connection's. Comes from Dial and Accept already.
  virtual void OnCidAdded(const Cid& cid) = 0;
  virtual void OnCidRetired(const Cid& cid) = 0;
  // The handshake is complete, the peer is authenticated and, as client, we may open streams.
  virtual void OnReady() = 0;
  // The peer opened a stream.
  virtual void OnStreamOpened(StreamId stream) = 0;
  // In order; borrowed for the call. Nothing follows after StopStream.
  virtual void OnStreamData(StreamId stream, ByteView bytes) = 0;
  virtual void OnStreamFin(StreamId stream) = 0;
  virtual void OnStreamReset(StreamId stream, uint64_t code) = 0;
  // The peer received `bytes` more of what we sent.
  virtual void OnStreamAcknowledged(StreamId stream, uint64_t bytes) = 0;
  // Both directions ended; `code` is set when one of them ended by a reset.
  virtual void OnStreamClosed(StreamId stream, std::optional<uint64_t> code) = 0;
  // What became of a Move: the peer is reached at `to` from now on, or stays where it was.
  virtual void OnMoved(const SocketAddress& /*to*/, bool /*done*/) {}
};

// Where datagrams go.
class DatagramSink {
 public:
  virtual ~DatagramSink() = default;
  // Takes `bytes`, datagrams of `segment` bytes back to back, the last one perhaps shorter. False
  // if no more can be taken now.
  virtual bool Send(const SocketAddress& to, ByteView bytes, size_t segment) = 0;
};

class Connection {
 public:
  // Starts a connection to `node`; the first datagram comes with the first Write.
  static StatusOr<std::unique_ptr<Connection>> Dial(const TlsContext& tls, const NodeId& node,
                                                    const ConnectionOptions& options,
                                                    const SocketAddress& local,
                                                    const SocketAddress& remote, Instant now,
                                                    ConnectionDelegate* delegate);
  // Answers the client whose first datagram ngtcp2_accept found to be `first`; that datagram is
  // then given to Receive. After a Retry, `original` is the id that the client first used, from the
  // verified token.
  static StatusOr<std::unique_ptr<Connection>> Accept(
      const TlsContext& tls, const ngtcp2_pkt_hd& first, const std::optional<Cid>& original,
      const ConnectionOptions& options, const SocketAddress& local, const SocketAddress& remote,
      Instant now, ConnectionDelegate* delegate);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // True if something in it is proven to be the peer's. Anything else may be anybody's.
  bool Receive(const SocketAddress& from, ByteView datagram, Instant now);
  // To be called at NextDeadline or later; early calls do nothing.
  void OnTimer(Instant now);
  // When OnTimer and Write are due; Instant::Max() for never.
  Instant NextDeadline() const;
  // Writes what may be sent now, at most one batch of `scratch`. True if there is more at once.
  // REQUIRES: scratch has kWriteSpace bytes; not called from the delegate
  bool Write(Instant now, MutableBytes scratch, DatagramSink& sink);
  static constexpr size_t kWriteSpace = 65536 + 2048;

  bool ready() const { return state_ == State::kReady; }
  bool handshake_completed() const;
  // Set once the connection has ended by anything but Close.
  const std::optional<CloseReason>& ended() const { return ended_; }
  // Ends the connection with an application code and a word for the peer, of which at most
  // kMaxReason bytes are sent.
  // REQUIRES: not called from the delegate
  void Close(uint64_t code, std::string_view reason, Instant now);
  static constexpr size_t kMaxReason = 100;
  // After the end: the datagram that tells the peer; empty if there is nothing to tell.
  const Bytes& farewell() const { return farewell_; }

  const std::optional<NodeId>& peer() const { return tls_->peer(); }
  // Where the peer is now. A client may move; its new address is believed once it is proven.
  const SocketAddress& remote() const { return addresses_.current(); }
  // As client: goes to another address of the peer, once it is proven that the peer is there; or
  // at once, because the present one is dark: then the connection ends if the peer is not there.
  // Answered by OnMoved, unless another Move comes first.
  // REQUIRES: not called from the delegate
  enum class MoveStart { kBegun, kNotYet, kNever };
  MoveStart Move(const SocketAddress& to, bool immediate, Instant now);
  // As client: the peer is, was or may be there.
  bool Expects(const SocketAddress& from) const { return addresses_.KnownNameOf(from).has_value(); }
  Duration rtt() const;
  // Of the last answer that came; 0 before the first.
  Duration latest_rtt() const;
  Duration pto() const;
  const Silence& silence() const { return silence_; }

  // kResourceExhausted if the peer allows none now, kFailedPrecondition if not ready or ended.
  StatusOr<StreamId> OpenStream();
  // Queues bytes; `fin` ends our direction. kNotFound if that has ended already.
  Status Send(StreamId stream, Bytes bytes, bool fin);
  // Gives credit for delivered bytes, at most for what was delivered and not yet consumed; also
  // for streams that have ended.
  void Consumed(StreamId stream, uint64_t bytes);
  // The same for the stream alone: the window of all streams together becomes smaller by what is
  // returned.
  uint64_t Withhold(StreamId stream, uint64_t bytes);
  // Lets the peer send `bytes` more on all streams together.
  void GrowWindow(uint64_t bytes);
  // True once if datagrams larger than usual turned out to be lost on this path. The connection
  // goes on with small ones.
  bool TakeLargeLost() { return std::exchange(large_lost_, false); }
  // Stops both directions with `code` and gives credit for everything delivered.
  void StopStream(StreamId stream, uint64_t code);

 private:
  enum class State { kHandshake, kReady, kEnded };
  struct Stream {
    SendBuffer send;
    uint64_t unconsumed = 0;
    bool stopped = false;
    bool sendable = false;  // is in sendable_ or blocked_
  };
  struct Callbacks;  // what ngtcp2 calls
  struct Batch;      // datagrams of one Write

  Connection(Role role, const ConnectionOptions& options, const SocketAddress& local,
             const SocketAddress& remote, Instant now, ConnectionDelegate* delegate);
  static ngtcp2_callbacks MakeCallbacks(Role role);
  // Whether a packet was decrypted on this thread since the last call.
  static bool TakeDecrypted();
  Status InitClient(const TlsContext& tls, const NodeId& node, Instant now);
  Status InitServer(const TlsContext& tls, const ngtcp2_pkt_hd& first,
                    const std::optional<Cid>& original, Instant now);
  void FillSettings(ngtcp2_settings& settings, ngtcp2_transport_params& params, Instant now) const;
  // `name` is what `addresses_` calls the remote address.
  ngtcp2_path MakePath(sockaddr_storage* local, sockaddr_storage* remote,
                       const SocketAddress& name) const;
  void NotePath();
  void OnPathValidated(const SocketAddress& name, bool valid);
  // Whether it is a stateless reset for an id of the peer that we have retired.
  bool IsLateReset(ByteView datagram) const;
  size_t DatagramLimit() const;
  void NoteLargeLost();
  void AnnounceReady();
  // Ends the connection because ngtcp2 said so.
  void Fail(int error, Instant now);
  void FailFromPeer();
  void WriteFarewell(const ngtcp2_connection_close_error& error, Instant now);

  uint64_t TakeUnconsumed(StreamId id, uint64_t bytes);
  void MarkSendable(StreamId id, Stream& stream);
  void RetryBlocked();
  ngtcp2_ssize WriteDatagram(MutableBytes out, ngtcp2_path_storage* path, uint64_t now);
  void AfterWrite(StreamId id, bool blocked, ngtcp2_ssize taken, bool fin_sent);

  const Role role_;
  const ConnectionOptions options_;
  const SocketAddress local_;
  PeerAddresses addresses_;
  ConnectionDelegate* const delegate_;
  std::unique_ptr<TlsSession> tls_;  // before conn_: outlives it
  ngtcp2_conn* conn_ = nullptr;
  State state_ = State::kHandshake;
  bool stateless_reset_ = false;
  std::optional<CloseReason> ended_;
  std::optional<SocketAddress> moving_to_;  // a name of addresses_
  Bytes farewell_;
  Silence silence_;

  // Large datagrams are known to arrive when more bytes were acknowledged than small ones carried.
  size_t max_payload_;
  uint64_t sent_small_ = 0;
  uint64_t acknowledged_ = 0;
  bool large_lost_ = false;

  std::unordered_map<StreamId, Stream> streams_;
  // Bytes delivered and not yet consumed of streams that have closed.
  std::unordered_map<StreamId, uint64_t> unconsumed_of_closed_;
  std::deque<StreamId> sendable_;  // round robin; may name streams that are gone
  std::vector<StreamId> blocked_;  // by flow control
};

}  // namespace blobd::quic
