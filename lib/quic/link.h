// Link: one Connection on the endpoint's socket, with its ids in the tables and its timer; hands
// what happens on its streams to whom it concerns. Included by the endpoint's own sources only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quic/endpoint_impl.h"

namespace blobd::quic {

class EndpointImpl::Link final : public ConnectionDelegate {
 public:
  enum class Side { kDialled, kVisiting };

  Link(EndpointImpl& endpoint, ConnectionId owner, Side side, const SocketAddress& remote)
      : endpoint_(endpoint), owner_(owner), side_(side), remote_(remote) {}
  ~Link() override;

  void OnCidAdded(const Cid& cid) override;
  void OnCidRetired(const Cid& cid) override;
  void OnReady() override;
  void OnStreamOpened(StreamId stream) override;
  void OnStreamData(StreamId stream, ByteView bytes) override;
  void OnStreamFin(StreamId stream) override;
  void OnStreamReset(StreamId stream, uint64_t code) override;
  void OnStreamAcknowledged(StreamId stream, uint64_t bytes) override;
  void OnStreamClosed(StreamId stream, std::optional<uint64_t> code) override;
  void OnMoved(const SocketAddress& to, bool done) override;

  ConnectionId owner() const { return owner_; }
  bool visiting() const { return side_ == Side::kVisiting; }
  // Where the peer was first.
  const SocketAddress& remote() const { return remote_; }
  // From which of our addresses the peer expects to hear, if it asked one of them.
  std::optional<SocketAddress> source() const {
    return visiting() ? asked_at : std::optional<SocketAddress>();
  }
  // True if nothing could be sent for longer than a cable is out or a route is missing in passing.
  bool dark(Instant now) const { return dark_since && now - *dark_since > kDarkTolerance; }

  std::unique_ptr<Connection> connection;
  std::vector<Cid> cids;
  std::vector<SocketAddress> listed;  // where by_address_ has it
  loop::TimerId timer = 0;
  Instant timer_at = Instant::Max();
  bool dirty = false;
  std::optional<SocketAddress> asked_at;  // where the peer's latest datagram was sent to
  bool heard = false;                     // of the peer: it may hold state for us
  bool pinged = false;                    // in this write
  // Since when the socket refuses the address; cleared by the next datagram in either direction.
  std::optional<Instant> dark_since;

 private:
  static constexpr Duration kDarkTolerance = seconds(10);

  StreamReader* Reader(StreamId stream);
  StreamReader* TakeReader(StreamId stream);
  Served* FindServed(StreamId stream);

  EndpointImpl& endpoint_;
  const ConnectionId owner_;
  const Side side_;
  const SocketAddress remote_;
};

}  // namespace blobd::quic
