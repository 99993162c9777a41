#include "quic/simulated_link_for_test.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::quic {

class SimulatedLink::Side final : public DatagramSink {
 public:
  Side(SimulatedLink& link, bool to_server) : link_(link), to_server_(to_server) {}
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override {
    BLOBD_CHECK(to == (to_server_ ? link_.server_address : link_.client_address));
    while (!bytes.empty()) {
      const ByteView one = bytes.first(std::min(segment, bytes.size()));
      link_.Put(to_server_, one);
      bytes = bytes.subspan(one.size());
    }
    return true;
  }

 private:
  SimulatedLink& link_;
  const bool to_server_;
};

SimulatedLink::SimulatedLink(uint64_t seed, const LinkOptions& link_options)
    : client_identity(Identity::Generate()),
      server_identity(Identity::Generate()),
      options(link_options),
      rng_(seed) {
  client_tls_ = std::move(*TlsContext::Create(client_identity));
  server_tls_ = std::move(*TlsContext::Create(server_identity));
  server_options.peer_streams = 16;
}

void SimulatedLink::Dial(std::optional<NodeId> expected) {
  auto connection = Connection::Dial(*client_tls_, expected.value_or(server_identity.node_id()),
                                     client_options, client_address, server_address, now, &client);
  BLOBD_CHECK(connection.ok());
  client.connection = std::move(*connection);
  Flush(client);
}

void SimulatedLink::Flush(Peer& peer) {
  Connection& connection = *peer.connection;
  Side side(*this, &peer == &client);
  while (connection.Write(now, scratch_, side)) {
  }
  if (!connection.farewell().empty() && connection.ended()) {
    Put(&peer == &client, connection.farewell());
  }
}

void SimulatedLink::Put(bool to_server, ByteView datagram) {
  ++datagrams_sent;
  const int copies = rng_.Chance(options.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (rng_.Chance(options.loss)) continue;
    const Duration jitter = options.jitter > Duration::zero()
                                ? rng_.Between(Duration::zero(), options.jitter)
                                : Duration::zero();
    in_flight_.emplace(now + options.delay + jitter,
                       std::pair(to_server, Bytes(datagram.begin(), datagram.end())));
  }
}

void SimulatedLink::MaybeAccept(ByteView datagram) {
  ngtcp2_pkt_hd first{};
  if (ngtcp2_accept(&first, datagram.data(), datagram.size()) != 0) return;
  auto connection = Connection::Accept(*server_tls_, first, std::nullopt, server_options,
                                       server_address, client_address, now, &server);
  BLOBD_CHECK(connection.ok());
  server.connection = std::move(*connection);
}

void SimulatedLink::Deliver(bool to_server, ByteView datagram) {
  Peer& peer = to_server ? server : client;
  if (to_server && peer.connection == nullptr) MaybeAccept(datagram);
  if (peer.connection == nullptr || peer.connection->ended()) return;
  peer.connection->Receive(to_server ? client_address : server_address, datagram, now);
  Flush(peer);
}

bool SimulatedLink::Step() {
  Instant next = Instant::Max();
  if (!in_flight_.empty()) next = in_flight_.begin()->first;
  for (Peer* peer : {&client, &server}) {
    if (peer->connection != nullptr) next = std::min(next, peer->connection->NextDeadline());
  }
  if (next == Instant::Max()) return false;
  now = std::max(now, next);
  if (!in_flight_.empty() && in_flight_.begin()->first <= now) {
    const auto node = in_flight_.extract(in_flight_.begin());
    Deliver(node.mapped().first, node.mapped().second);
    return true;
  }
  for (Peer* peer : {&client, &server}) {
    if (peer->connection == nullptr || peer->connection->NextDeadline() > now) continue;
    peer->connection->OnTimer(now);
    Flush(*peer);
  }
  return true;
}

}  // namespace blobd::quic
