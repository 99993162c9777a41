// The Endpoint behind endpoint.h: a socket, its connections, and the order in which things happen.
//
// During a turn of the loop datagrams are read, timers run and callers ask for things; that only
// changes connections, and marks them. At the end of the turn Flush settles what the marked ones
// have become (dials won or lost, connections ended) and writes each once. Connections are
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

#include "loop/loop.h"
#include "quic/connection.h"
#include "quic/dial_race.h"
#include "quic/disco.h"
#include "quic/endpoint.h"
#include "quic/farewells.h"
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
  void CloseConnection(ConnectionId id, uint64_t code) override;
  StatusOr<StreamId> OpenRequest(ConnectionId id, Bytes request, StreamReader* reader) override;
  void Consumed(ConnectionId id, StreamId stream, uint64_t bytes) override;
  void StopStream(ConnectionId id, StreamId stream, uint64_t code) override;
  EndpointStats stats() const override;

 private:
  class Link;

  // What a ConnectionId names: first a dial with its attempts, then the connection that won.
  struct Peer {
    ConnectionId id;
    NodeId node;
    ConnectionObserver* observer = nullptr;
    std::optional<DialRace> race;  // while dialling
    std::vector<std::unique_ptr<Link>> attempts;
    std::optional<CloseReason> last_failure;
    std::unique_ptr<Link> link;  // when up
    std::map<StreamId, StreamReader*> readers;
    std::optional<uint64_t> close_code;  // the caller gave it up; it only waits for Flush
    loop::TimerId timer = 0;
    bool marked = false;
  };

  // endpoint.cc
  Peer* Find(ConnectionId id);
  void Mark(Peer& peer);
  void Schedule();
  void Flush();
  void Settle(ConnectionId id);

  // endpoint_dial.cc
  void SettleDial(Peer& peer);
  void CollectAttempts(Peer& peer);
  bool Win(Peer& peer);
  void RunRace(Peer& peer);
  void StartAttempt(Peer& peer, const SocketAddress& address);
  void LoseDial(Peer& peer);
  void ArmRace(Peer& peer);
  CloseReason DialFailure(const Peer& peer) const;
  ConnectionOptions OptionsFor(const SocketAddress& remote) const;
  void End(ConnectionId id, const CloseReason& why);

  // endpoint_io.cc
  void OnSocket(uint32_t events);
  void OnDatagram(const SocketAddress& from, ByteView datagram);
  Link* FindLink(const Cid& cid);
  void OnStranger(const SocketAddress& from, ByteView datagram);
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override;
  void SendAside(const SocketAddress& to, ByteView datagram);
  void SendBlocked();
  void MarkDirty(Link& link);
  void WriteDirty();
  void Arm(Link& link);
  void Retire(std::unique_ptr<Link> link, std::optional<uint64_t> code);

  loop::Loop& loop_;
  const NodeId node_id_;
  const EndpointOptions options_;
  const std::unique_ptr<TlsContext> tls_;
  const std::unique_ptr<UdpSocket> socket_;
  Disco disco_;
  std::array<uint8_t, 32> reset_secret_{};
  UdpSocket::Take take_datagram_;
  Bytes scratch_ = Bytes(Connection::kWriteSpace);

  uint64_t next_id_ = 1;
  std::map<ConnectionId, std::unique_ptr<Peer>> peers_;
  std::unordered_map<Cid, Link*, CidHash> by_cid_;
  std::unordered_multimap<SocketAddress, Link*> by_address_;
  Farewells farewells_;

  std::vector<ConnectionId> marked_;
  std::vector<Link*> dirty_;  // each once, none retired
  std::vector<std::unique_ptr<Link>> retired_;
  bool scheduled_ = false;
  Link* writing_ = nullptr;

  // What the socket did not take. While it is not empty nothing is written.
  struct Blocked {
    SocketAddress to;
    Bytes bytes;
    size_t segment;
  };
  std::deque<Blocked> blocked_;
  // Tasks given to the loop hold it weakly, so that they do nothing when the endpoint is gone.
  std::shared_ptr<EndpointImpl*> self_ = std::make_shared<EndpointImpl*>(this);
};

}  // namespace blobd::quic
