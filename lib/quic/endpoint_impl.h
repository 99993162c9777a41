// The Endpoint behind endpoint.h: a socket, its connections, and the order in which things happen.
//
// During a turn of the loop datagrams are read, timers run and callers ask for things; that only
// changes connections, and marks them. At the end of the turn Flush settles what the marked ones
// have become (dials won or lost, connections ended) and writes each in turn. Connections are
// destroyed nowhere else, so that no callback can pull the ground from under its caller.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/receive_budget.h"
#include "loop/loop.h"
#include "path/dial_race.h"
#include "quic/connection.h"
#include "quic/disco.h"
#include "quic/doorman.h"
#include "quic/endpoint.h"
#include "quic/farewells.h"
#include "quic/path_mtu.h"
#include "quic/route.h"
#include "quic/sources.h"
#include "quic/udp_socket.h"

namespace blobd::quic {

class EndpointImpl final : public Endpoint, private DatagramSink {
 public:
  EndpointImpl(loop::Loop& loop, const Identity& identity, const EndpointOptions& options,
               std::unique_ptr<TlsContext> tls, std::unique_ptr<UdpSocket> socket);
  Status Start();
  ~EndpointImpl() override;

  NodeId node_id() const override { return node_id_; }
  SocketAddress local_address() const override { return socket_->local_address(); }
  ConnectionId Dial(const NodeId& node, std::vector<SocketAddress> addresses,
                    ConnectionObserver* observer) override;
  void AddAddresses(ConnectionId id, std::vector<SocketAddress> addresses) override;
  void KeepOpen(ConnectionId id, bool open) override;
  void Move(ConnectionId id, const SocketAddress& to, bool immediate) override;
  std::optional<PathState> PathOf(ConnectionId id) const override;
  void Probe(const NodeId& node, const SocketAddress& address) override;
  void SetProbeObserver(ProbeObserver* observer) override { probe_observer_ = observer; }
  void ForgetRoutes() override { sources_.Forget(); }
  void CloseConnection(ConnectionId id, uint64_t code, std::string_view reason) override;
  void SetAcceptor(Acceptor* acceptor) override;
  Status Send(ConnectionId id, StreamId stream, Bytes bytes, bool fin) override;
  StatusOr<StreamId> OpenRequest(ConnectionId id, Bytes request, StreamReader* reader) override;
  void Consumed(ConnectionId id, StreamId stream, uint64_t bytes) override;
  void LimitWindows(std::optional<uint64_t> bytes) override { window_limit_ = bytes; }
  uint64_t Withhold(ConnectionId id, StreamId stream, uint64_t bytes) override;
  void StopStream(ConnectionId id, StreamId stream, uint64_t code) override;
  const Silence* SilenceOf(ConnectionId id) const override;
  EndpointStats stats() const override;

 private:
  class Link;

  // What the peer is told at the end.
  struct Goodbye {
    uint64_t code = 0;
    std::string reason = {};
  };
  // A connection that the peer opened.
  struct Visit {
    SocketAddress from;     // where it was first
    bool half_open = true;  // its handshake is not complete
    bool accepted = false;  // the acceptor knows of it
  };
  // A stream that the peer opened.
  struct Served {
    StreamHandler* handler = nullptr;  // null only while the acceptor is being asked
    bool reading = true;               // until OnFin or OnReset
  };
  // What a ConnectionId names: a dial with its attempts and then the connection that won, or a
  // visit.
  struct Peer {
    ConnectionId id;
    NodeId node = {};
    ConnectionObserver* observer = nullptr;   // of a dialled one
    std::optional<path::DialRace> race = {};  // while dialling
    std::vector<std::unique_ptr<Link>> attempts = {};
    std::optional<CloseReason> last_failure = {};
    std::vector<std::pair<SocketAddress, std::string>> untold = {};  // attempts that failed
    // What became of moves, to be told at the turn's end.
    struct Moved {
      SocketAddress to;
      bool done = false;
      bool not_yet = false;
    };
    std::vector<Moved> moves = {};
    std::optional<Visit> visit = {};
    std::unique_ptr<Link> link = {};  // when up; of a visit, from the start
    std::map<StreamId, StreamReader*> readers = {};
    std::map<StreamId, Served> served = {};
    uint64_t window = 0;                  // leased from budget_
    std::optional<Goodbye> goodbye = {};  // the caller gave it up; it only waits for Flush
    loop::TimerId timer = 0;
    bool marked = false;
  };

  // endpoint.cc
  Peer* Find(ConnectionId id);
  // What the window of a connection that we dial should be.
  uint64_t WantedWindow() const;
  void Mark(Peer& peer);
  void Schedule();
  void Flush();
  void Settle(ConnectionId id);
  void End(ConnectionId id, const CloseReason& why);
  bool LoseStream(ConnectionId id, const CloseReason& why);
  std::unique_ptr<Peer> Remove(ConnectionId id);

  // endpoint_dial.cc
  void SettleDial(Peer& peer);
  void CollectAttempts(Peer& peer);
  bool Win(Peer& peer);
  void RunRace(Peer& peer);
  void StartAttempt(Peer& peer, const SocketAddress& address);
  void LoseDial(Peer& peer);
  bool TellFailures(Peer& peer);
  void ArmRace(Peer& peer);
  CloseReason DialFailure(const Peer& peer) const;
  ConnectionOptions DialOptionsFor(Peer& peer, const SocketAddress& remote);

  // endpoint_paths.cc
  void TellMoves(Peer& peer);
  bool TakeProbeAnswer(const SocketAddress& from, const ngtcp2_version_cid& header);

  // endpoint_accept.cc
  void OnStranger(const SocketAddress& from, ByteView datagram);
  bool ShowToDialled(const SocketAddress& from, ByteView datagram);
  // What comes from there with an id that nobody has may be a stateless reset of this connection,
  // which was dialled or is moved there. Where it cannot be any more, it is not listed any more: so
  // these are no more places than a connection knows (PeerAddresses).
  // REQUIRES: not called from within Connection::Receive
  void ListAt(Link& link, const SocketAddress& at);
  void Unlist(Link& link, const SocketAddress& at);
  void Admit(const SocketAddress& from, ByteView datagram, const Doorman::Newcomer& newcomer);
  ConnectionOptions VisitOptionsFor(const SocketAddress& from);
  void Announce(Peer& peer);
  void OpenServed(Peer& peer, StreamId stream);

  // endpoint_io.cc
  void OnSocket(uint32_t events);
  void OnDatagram(const SocketAddress& from, ByteView datagram);
  Link* FindLink(const Cid& cid);
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override;
  void SendPing(const NodeId& node, const SocketAddress& to);
  void SendAside(const SocketAddress& to, ByteView datagram,
                 const std::optional<SocketAddress>& from = std::nullopt);
  void SendBlocked();
  void MarkDirty(Link& link);
  void WriteDirty();
  bool Write(Link& link);
  void Arm(Link& link);
  void Retire(std::unique_ptr<Link> link, const std::optional<Goodbye>& goodbye);

  loop::Loop& loop_;
  const NodeId node_id_;
  const EndpointOptions options_;
  const std::unique_ptr<TlsContext> tls_;
  const std::unique_ptr<UdpSocket> socket_;
  Disco disco_;
  std::array<uint8_t, 32> reset_secret_;
  Doorman doorman_;
  PathMtu path_mtu_{ProbeRoute};
  Sources sources_{SourceTowards};
  ReceiveBudget budget_;
  std::optional<uint64_t> window_limit_;
  Acceptor* acceptor_ = nullptr;
  ProbeObserver* probe_observer_ = nullptr;
  struct Probed {
    SocketAddress address;
    Instant at;
  };
  static constexpr size_t kMaxProbes = 256;
  std::unordered_map<Cid, Probed, CidHash> probes_;  // by the id that the answer is for
  std::deque<Cid> probe_order_;
  UdpSocket::Take take_datagram_;
  Bytes scratch_ = Bytes(Connection::kWriteSpace);

  uint64_t next_id_ = 1;
  std::map<ConnectionId, std::unique_ptr<Peer>> peers_;
  std::unordered_map<NodeId, size_t> visits_of_;  // of these the accepted ones; never 0
  std::unordered_map<Cid, Link*, CidHash> by_cid_;
  std::unordered_multimap<SocketAddress, Link*> by_address_;  // dialled ones
  Farewells farewells_;

  std::vector<ConnectionId> marked_;
  std::vector<Link*> dirty_;  // each once, none retired
  std::vector<std::unique_ptr<Link>> retired_;
  bool scheduled_ = false;
  Link* writing_ = nullptr;

  // What the socket did not take, at most one batch. While there is some, nothing is written.
  struct Blocked {
    SocketAddress to;
    Bytes bytes;
    size_t segment;
    std::optional<SocketAddress> from;
  };
  std::deque<Blocked> blocked_;
  // Tasks given to the loop hold it weakly, so that they do nothing when the endpoint is gone.
  std::shared_ptr<EndpointImpl*> self_ = std::make_shared<EndpointImpl*>(this);
};

}  // namespace blobd::quic
