#include "quic/simulated_link_for_test.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::quic {

class SimulatedLink::Side final : public DatagramSink {
 public:
  Side(SimulatedLink& link, bool to_server) : link_(link), to_server_(to_server) {}
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override {
    const auto place = link_.places.find(to);
    const bool is_place = place != link_.places.end();
    if (to_server_) BLOBD_CHECK(to == link_.server_address || is_place);
    const SocketAddress client = !to_server_ ? to
                                 : is_place  ? place->second.client
                                             : link_.client_address;
    while (!bytes.empty()) {
      const ByteView one = bytes.first(std::min(segment, bytes.size()));
      link_.Put(to_server_, client, one);
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
    const bool to_server = &peer == &client;
    Put(to_server, to_server ? client_address : connection.remote(), connection.farewell());
  }
}

void SimulatedLink::Put(bool to_server, const SocketAddress& client_at, ByteView bytes) {
  ++datagrams_sent;
  Traffic& there = traffic[client_at];
  (to_server ? there.to_server : there.to_client) += bytes.size();
  const auto place = PlaceOf(client_at);
  const bool is_place = place != places.end();
  if (is_place ? place->second.dark : dark) return;
  const Duration delay = is_place ? place->second.delay : options.delay;
  const int copies = rng_.Chance(options.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (rng_.Chance(options.loss) || bytes.size() > options.mtu) continue;
    const Duration jitter = options.jitter > Duration::zero()
                                ? rng_.Between(Duration::zero(), options.jitter)
                                : Duration::zero();
    Datagram datagram{to_server, client_at, Bytes(bytes.begin(), bytes.end())};
    if (rng_.Chance(options.damage)) {
      const uint64_t bit = rng_.Below(bytes.size() * 8);
      datagram.bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
    in_flight_.emplace(now + delay + jitter, std::move(datagram));
  }
}

std::map<SocketAddress, SimulatedLink::Place>::const_iterator SimulatedLink::PlaceOf(
    const SocketAddress& client_at) const {
  return std::find_if(places.begin(), places.end(),
                      [&](const auto& entry) { return entry.second.client == client_at; });
}

void SimulatedLink::MaybeAccept(const Datagram& datagram) {
  ngtcp2_pkt_hd first{};
  if (ngtcp2_accept(&first, datagram.bytes.data(), datagram.bytes.size()) != 0 ||
      first.version != NGTCP2_PROTO_VER_V1) {
    return;
  }
  auto connection = Connection::Accept(*server_tls_, first, std::nullopt, server_options,
                                       server_address, datagram.client, now, &server);
  BLOBD_CHECK(connection.ok());
  server.connection = std::move(*connection);
}

void SimulatedLink::Deliver(const Datagram& datagram) {
  const auto place = PlaceOf(datagram.client);
  if (!datagram.to_server && place == places.end() && datagram.client != client_address) return;
  const SocketAddress& server_at = place == places.end() ? server_address : place->first;
  Peer& peer = datagram.to_server ? server : client;
  // What ended before it was ready was no connection: the client's next datagram begins another.
  if (datagram.to_server &&
      (peer.connection == nullptr || (peer.connection->ended() && server.ready == 0))) {
    MaybeAccept(datagram);
  }
  if (peer.connection == nullptr || peer.connection->ended()) return;
  peer.connection->Receive(datagram.to_server ? datagram.client : server_at, datagram.bytes, now);
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
    Deliver(node.mapped());
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
