// Two Connections and a link between them that loses, delays, reorders, doubles and damages
// datagrams by a seed. Time jumps from event to event. Test code only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/task.h"
#include "quic/connection.h"

namespace blobd::quic {

struct LinkOptions {
  double loss = 0;
  double duplicate = 0;
  Duration delay = milliseconds(5);
  Duration jitter{0};  // more than the gap between datagrams: they arrive in another order
  double damage = 0;   // of one bit
  size_t mtu = 65535;  // larger datagrams are lost
};

// Records what a connection reports. A test sets what shall happen in a callback.
class Peer final : public ConnectionDelegate {
 public:
  struct Received {
    Bytes bytes;
    uint64_t size = 0;
    bool fin = false;
    std::optional<uint64_t> reset;
    bool closed = false;
    std::optional<uint64_t> close_code;
    uint64_t acknowledged = 0;
  };

  void OnCidAdded(const Cid& cid) override {
    ++cids;
    all_cids.push_back(cid);
  }
  void OnCidRetired(const Cid&) override { --cids; }
  void OnReady() override { ++ready; }
  void OnStreamOpened(StreamId id) override {
    streams[id];
    if (on_opened) on_opened(id);
  }
  void OnStreamData(StreamId id, ByteView bytes) override {
    Received& stream = streams[id];
    stream.size += bytes.size();
    if (keep_bytes) stream.bytes.insert(stream.bytes.end(), bytes.begin(), bytes.end());
    if (consume) connection->Consumed(id, bytes.size());
    if (on_data) on_data(id);
  }
  void OnStreamFin(StreamId id) override {
    streams[id].fin = true;
    if (on_fin) on_fin(id);
  }
  void OnStreamReset(StreamId id, uint64_t code) override { streams[id].reset = code; }
  void OnMoved(const SocketAddress& to, bool done) override { moves.emplace_back(to, done); }
  void OnStreamAcknowledged(StreamId id, uint64_t bytes) override {
    streams[id].acknowledged += bytes;
  }
  void OnStreamClosed(StreamId id, std::optional<uint64_t> code) override {
    streams[id].closed = true;
    streams[id].close_code = code;
  }

  std::unique_ptr<Connection> connection;
  std::map<StreamId, Received> streams;
  std::vector<std::pair<SocketAddress, bool>> moves;
  int cids = 0;
  std::vector<Cid> all_cids;  // also those that were retired
  int ready = 0;
  bool consume = true;
  bool keep_bytes = true;
  UniqueFunction<void(StreamId)> on_opened;
  UniqueFunction<void(StreamId)> on_data;
  UniqueFunction<void(StreamId)> on_fin;
};

class SimulatedLink {
 public:
  SimulatedLink(uint64_t seed, const LinkOptions& options);

  // Dials `expected` (by default the server's own id) and accepts when the first datagram comes.
  void Dial(std::optional<NodeId> expected = std::nullopt);
  // One event. False when nothing will happen any more.
  bool Step();
  // Steps until `done` or `limit` of simulated time; false if it was the limit.
  template <typename Done>
  bool RunUntil(Done done, Duration limit = seconds(60)) {
    const Instant end = now + limit;
    while (!done()) {
      if (now > end || !Step()) return done();
    }
    return true;
  }

  const Identity client_identity;
  const Identity server_identity;
  // Where the client is; a test may move it. What is sent to where it was is lost.
  SocketAddress client_address = SocketAddress::V4({192, 0, 2, 1}, 1000);
  const SocketAddress server_address = SocketAddress::V4({192, 0, 2, 2}, 2000);
  // Other addresses of the server, each reached over a link of its own; from there the client has
  // another address, too.
  struct Place {
    SocketAddress client;
    Duration delay{0};
    bool dark = false;
  };
  std::map<SocketAddress, Place> places;
  bool dark = false;  // nothing passes between the first addresses
  LinkOptions options;
  ConnectionOptions client_options;
  ConnectionOptions server_options;
  Instant now = Instant::FromNanos(1'000'000'000);
  Peer client;
  Peer server;
  uint64_t datagrams_sent = 0;
  // What went on the link, by where the client was.
  struct Traffic {
    uint64_t to_server = 0;
    uint64_t to_client = 0;
  };
  std::map<SocketAddress, Traffic> traffic;

 private:
  class Side;
  void Flush(Peer& peer);
  struct Datagram {
    bool to_server;
    SocketAddress client;  // sender or receiver
    Bytes bytes;
  };
  void Put(bool to_server, const SocketAddress& client, ByteView bytes);
  // The place that the client's address belongs to; the end if that is the first.
  std::map<SocketAddress, Place>::const_iterator PlaceOf(const SocketAddress& client_at) const;
  void Deliver(const Datagram& datagram);
  void MaybeAccept(const Datagram& datagram);

  Rng rng_;
  std::unique_ptr<TlsContext> client_tls_;
  std::unique_ptr<TlsContext> server_tls_;
  std::multimap<Instant, Datagram> in_flight_;
  Bytes scratch_ = Bytes(Connection::kWriteSpace);
};

}  // namespace blobd::quic
