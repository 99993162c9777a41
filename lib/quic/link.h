// Link: one Connection on the endpoint's socket, with its ids in the tables and its timer. Included
// by the endpoint's own sources only.
#pragma once

#include <memory>
#include <vector>

#include "quic/endpoint_impl.h"

namespace blobd::quic {

class EndpointImpl::Link final : public ConnectionDelegate {
 public:
  Link(EndpointImpl& endpoint, ConnectionId owner, const SocketAddress& remote)
      : endpoint_(endpoint), owner_(owner), remote_(remote) {}
  ~Link() override;

  void OnCidAdded(const Cid& cid) override;
  void OnCidRetired(const Cid& cid) override;
  void OnReady() override {}
  void OnStreamOpened(StreamId) override {}
  void OnStreamData(StreamId stream, ByteView bytes) override;
  void OnStreamFin(StreamId stream) override;
  void OnStreamReset(StreamId stream, uint64_t code) override;
  void OnStreamAcknowledged(StreamId, uint64_t) override {}
  void OnStreamClosed(StreamId stream, std::optional<uint64_t> code) override;

  const SocketAddress& remote() const { return remote_; }
  ConnectionId owner() const { return owner_; }

  std::unique_ptr<Connection> connection;
  std::vector<Cid> cids;
  loop::TimerId timer = 0;
  Instant timer_at = Instant::Max();
  bool dirty = false;
  bool heard = false;        // of the peer: it may hold state for us
  bool unreachable = false;  // the socket refused the address
  bool pinged = false;       // in this write

 private:
  StreamReader* Reader(StreamId stream);
  StreamReader* TakeReader(StreamId stream);

  EndpointImpl& endpoint_;
  const ConnectionId owner_;
  const SocketAddress remote_;
};

}  // namespace blobd::quic
