// RawClient: one QUIC connection to a node that does what no honest getter does: requests without
// an end, answers never read, streams reset at any byte. It stands on the same Connection as the
// daemon, so its handshake is right and only its behaviour is bad.
//
// Thread: the loop's. Ownership: owns its socket; the loop outlives it.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "base/task.h"
#include "loop/loop.h"
#include "quic/connection.h"
#include "quic/identity.h"
#include "quic/udp_socket.h"

namespace blobd::attack {

class RawClient final : private quic::ConnectionDelegate, private quic::DatagramSink {
 public:
  struct Target {
    NodeId node;
    SocketAddress address;
  };
  struct Counts {
    uint64_t received_bytes = 0;
    uint64_t streams_opened = 0;
    uint64_t streams_ended = 0;  // by the node: FIN, reset or closed
    bool ready = false;
    bool ended = false;
  };

  // Dials from `from` (port 0). Fails if there is no socket or no memory.
  static StatusOr<std::unique_ptr<RawClient>> Dial(loop::Loop& loop, const Target& target,
                                                   const SocketAddress& from);
  ~RawClient() override;

  bool ready() const { return counts_.ready && !counts_.ended; }
  const Counts& counts() const { return counts_; }

  // Opens a stream and sends `request`; `fin` ends it. nullopt if the node allows no further one.
  std::optional<quic::StreamId> Open(Bytes request, bool fin);
  // Stops the stream once so many bytes of its answer have come.
  void StopAfter(quic::StreamId stream, uint64_t bytes) { stop_after_[stream] = bytes; }
  // Whether answers are read: if not, no credit is ever given back.
  void set_reads(bool reads) { reads_ = reads; }
  // Called when a stream has ended, whoever ended it.
  void set_on_end(UniqueFunction<void()> on_end) { on_end_ = std::move(on_end); }

 private:
  RawClient(loop::Loop& loop, const Target& target);
  Status Start(const SocketAddress& from);

  void OnCidAdded(const quic::Cid&) override {}
  void OnCidRetired(const quic::Cid&) override {}
  void OnReady() override { counts_.ready = true; }
  void OnStreamOpened(quic::StreamId) override {}
  void OnStreamData(quic::StreamId stream, ByteView bytes) override;
  void OnStreamFin(quic::StreamId) override {}
  void OnStreamReset(quic::StreamId, uint64_t) override {}
  void OnStreamAcknowledged(quic::StreamId, uint64_t) override {}
  void OnStreamClosed(quic::StreamId stream, std::optional<uint64_t> code) override;
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override;

  void Turn();
  void WriteSoon();

  loop::Loop& loop_;
  const Target target_;
  const quic::Identity identity_ = quic::Identity::Generate();
  std::unique_ptr<quic::TlsContext> tls_;
  std::unique_ptr<quic::UdpSocket> socket_;
  quic::UdpSocket::Take take_;
  std::unique_ptr<quic::Connection> connection_;
  Bytes scratch_ = Bytes(quic::Connection::kWriteSpace);
  std::unordered_map<quic::StreamId, uint64_t> stop_after_;
  std::unordered_map<quic::StreamId, uint64_t> received_;
  bool reads_ = true;
  bool write_soon_ = false;
  UniqueFunction<void()> on_end_;
  Counts counts_;
  loop::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace blobd::attack
