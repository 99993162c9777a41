// Datagrams as peers send them, for tests of what strangers get. Test code only.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/rng.h"
#include "quic/connection.h"

namespace blobd::quic {

// A delegate that wants to know nothing.
class DeafDelegate final : public ConnectionDelegate {
 public:
  void OnCidAdded(const Cid&) override {}
  void OnCidRetired(const Cid&) override {}
  void OnReady() override {}
  void OnStreamOpened(StreamId) override {}
  void OnStreamData(StreamId, ByteView) override {}
  void OnStreamFin(StreamId) override {}
  void OnStreamReset(StreamId, uint64_t) override {}
  void OnStreamAcknowledged(StreamId, uint64_t) override {}
  void OnStreamClosed(StreamId, std::optional<uint64_t>) override {}
};

// Keeps the datagrams of one connection.
class Outbox final : public DatagramSink {
 public:
  bool Send(const SocketAddress&, ByteView bytes, size_t segment) override {
    while (!bytes.empty()) {
      const ByteView one = bytes.first(std::min(segment, bytes.size()));
      datagrams.emplace_back(one.begin(), one.end());
      bytes = bytes.subspan(one.size());
    }
    return true;
  }
  std::vector<Bytes> datagrams;
};

inline Bytes RandomBytes(Rng& rng, size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.Next());
  return bytes;
}

// A client that dials, without a socket.
struct Caller {
  Caller(const NodeId& node, Instant now) : identity(Identity::Generate()) {
    tls = std::move(*TlsContext::Create(identity));
    auto dialled = Connection::Dial(*tls, node, {}, SocketAddress::V4({192, 0, 2, 1}, 1000),
                                    SocketAddress::V4({192, 0, 2, 2}, 2000), now, &deaf);
    BLOBD_CHECK(dialled.ok());
    connection = std::move(*dialled);
  }
  // What it has to send now; the first time that is its first Initial.
  std::vector<Bytes> Write(Instant now) {
    Outbox outbox;
    while (connection->Write(now, scratch, outbox)) {
    }
    return std::move(outbox.datagrams);
  }
  void Receive(ByteView datagram, Instant now) {
    connection->Receive(SocketAddress::V4({192, 0, 2, 2}, 2000), datagram, now);
  }

  const Identity identity;
  DeafDelegate deaf;
  std::unique_ptr<TlsContext> tls;
  std::unique_ptr<Connection> connection;
  Bytes scratch = Bytes(Connection::kWriteSpace);
};

// The first datagram of a client that dials `node`.
inline Bytes FirstDatagram(const NodeId& node, Instant now) {
  return Caller(node, now).Write(now).at(0);
}

}  // namespace blobd::quic
