// An Endpoint without a network, for the tests of serving: the test is all peers. It keeps what is
// sent until the test acknowledges it. Network loop's thread only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "quic/endpoint.h"

namespace blobd::transfer {

class FakeEndpoint final : public quic::Endpoint {
 public:
  using StreamKey = std::pair<quic::ConnectionId, quic::StreamId>;

  // What the peer sees of one stream.
  struct Stream {
    quic::StreamHandler* handler = nullptr;  // null: detached, or heard its last call
    Bytes received;
    bool fin = false;
    std::optional<uint64_t> reset;  // by StopStream, which also stops the peer
    uint64_t acknowledged = 0;
    uint64_t consumed = 0;
    bool read_ended = false;       // the peer's FIN or reset was told
    bool stopped_by_peer = false;  // STOP_SENDING
    bool open = true;

    bool ended() const { return fin || reset.has_value(); }
  };

  // ---- The peers' side ----

  struct Connected {
    quic::ConnectionId id;
    std::optional<quic::Refusal> refusal;
  };
  Connected Connect(const NodeId& node) {
    const quic::ConnectionId id{next_connection_++};
    quic::ConnectionInfo info;
    info.peer = node;
    const auto refusal = acceptor_->OnAccepted(id, info);
    if (!refusal) connections_[id] = 0;
    return {id, refusal};
  }
  StreamKey Open(quic::ConnectionId connection) {
    const quic::StreamId id = connections_.at(connection);
    connections_[connection] += 4;
    const StreamKey key{connection, id};
    quic::StreamHandler* const handler = acceptor_->OnStreamOpened(connection, id);
    EXPECT_NE(handler, nullptr);
    streams_[key].handler = handler;
    return key;
  }
  void Data(StreamKey key, ByteView bytes) {
    if (auto* handler = stream(key).handler) handler->OnData(bytes);
  }
  void Fin(StreamKey key) {
    stream(key).read_ended = true;
    if (auto* handler = stream(key).handler) handler->OnFin();
    MaybeClose(key);
  }
  StreamKey Request(quic::ConnectionId connection, ByteView request) {
    const StreamKey key = Open(connection);
    Data(key, request);
    Fin(key);
    return key;
  }
  // RESET_STREAM: the request will not be completed.
  void ResetRequest(StreamKey key) {
    stream(key).read_ended = true;
    if (auto* handler = stream(key).handler) handler->OnReset(0);
    MaybeClose(key);
  }
  void StopSending(StreamKey key) {
    stream(key).stopped_by_peer = true;
    unacknowledged_ -= Unacknowledged(stream(key));
    stream(key).acknowledged = stream(key).received.size();
    MaybeClose(key);
  }
  void Acknowledge(StreamKey key, uint64_t most = UINT64_MAX) {
    Stream& s = stream(key);
    if (s.stopped_by_peer || s.handler == nullptr) return;
    const uint64_t bytes = std::min<uint64_t>(most, Unacknowledged(s));
    s.acknowledged += bytes;
    unacknowledged_ -= bytes;
    if (bytes > 0) s.handler->OnAcknowledged(bytes);
    MaybeClose(key);
  }
  // True if there was something to acknowledge.
  bool AcknowledgeAll() {
    bool any = false;
    for (auto& [key, s] : streams_) {
      if (s.handler == nullptr) continue;
      any |= Unacknowledged(s) > 0;
      Acknowledge(key);
    }
    return any;
  }
  void Lose(quic::ConnectionId connection) {
    const quic::CloseReason why;
    for (auto& [key, s] : streams_) {
      if (key.first != connection) continue;
      if (auto* handler = Detach(s)) handler->OnLost(why);
    }
    connections_.erase(connection);
    acceptor_->OnClosed(connection, why);
  }

  Stream& stream(StreamKey key) { return streams_.at(key); }
  const std::map<StreamKey, Stream>& streams() const { return streams_; }
  uint64_t unacknowledged() const { return unacknowledged_; }
  bool has_acceptor() const { return acceptor_ != nullptr; }
  size_t open_connections() const { return connections_.size(); }
  const std::map<quic::ConnectionId, uint64_t>& closed() const { return closed_; }
  size_t open_streams() const {
    return static_cast<size_t>(std::count_if(streams_.begin(), streams_.end(), [](const auto& s) {
      return s.second.handler != nullptr;
    }));
  }

  // ---- quic::Endpoint ----

  NodeId node_id() const override { return {}; }
  SocketAddress local_address() const override { return {}; }
  quic::ConnectionId Dial(const NodeId&, std::vector<SocketAddress>,
                          quic::ConnectionObserver*) override {
    std::abort();
  }
  void AddAddresses(quic::ConnectionId, std::vector<SocketAddress>) override { std::abort(); }
  void KeepOpen(quic::ConnectionId, bool) override { std::abort(); }
  void Move(quic::ConnectionId, const SocketAddress&, bool) override { std::abort(); }
  std::optional<quic::PathState> PathOf(quic::ConnectionId) const override { std::abort(); }
  void Probe(const NodeId&, const SocketAddress&) override { std::abort(); }
  void SetProbeObserver(quic::ProbeObserver*) override { std::abort(); }
  void CloseConnection(quic::ConnectionId id, uint64_t code, std::string_view) override {
    EXPECT_EQ(connections_.erase(id), 1u);
    closed_[id] = code;
    for (auto& [key, s] : streams_) {
      if (key.first == id) Detach(s);
    }
  }
  void SetAcceptor(quic::Acceptor* acceptor) override { acceptor_ = acceptor; }
  Status Send(quic::ConnectionId id, quic::StreamId number, Bytes bytes, bool fin) override {
    Stream& s = stream({id, number});
    if (s.handler == nullptr || s.stopped_by_peer) return NotFound("ended");
    EXPECT_FALSE(s.fin) << "sent behind FIN";
    unacknowledged_ += bytes.size();
    most_unacknowledged = std::max(most_unacknowledged, unacknowledged_);
    s.received.insert(s.received.end(), bytes.begin(), bytes.end());
    s.fin = fin;
    sends.emplace_back(StreamKey{id, number}, bytes.size());
    return OkStatus();
  }
  StatusOr<quic::StreamId> OpenRequest(quic::ConnectionId, Bytes, quic::StreamReader*) override {
    std::abort();
  }
  void Consumed(quic::ConnectionId id, quic::StreamId number, uint64_t bytes) override {
    stream({id, number}).consumed += bytes;
  }
  void StopStream(quic::ConnectionId id, quic::StreamId number, uint64_t code) override {
    const auto it = streams_.find({id, number});
    if (it == streams_.end() || it->second.handler == nullptr) return;
    Detach(it->second);
    it->second.reset = code;
  }
  const quic::Silence* SilenceOf(quic::ConnectionId) const override { return nullptr; }
  quic::EndpointStats stats() const override { return {}; }

  std::vector<std::pair<StreamKey, size_t>> sends;  // in order
  uint64_t most_unacknowledged = 0;

 private:
  static uint64_t Unacknowledged(const Stream& s) { return s.received.size() - s.acknowledged; }
  quic::StreamHandler* Detach(Stream& s) {
    unacknowledged_ -= Unacknowledged(s);
    s.acknowledged = s.received.size();
    return std::exchange(s.handler, nullptr);
  }
  // The last call, when both directions have ended.
  void MaybeClose(StreamKey key) {
    Stream& s = stream(key);
    const bool sent = s.stopped_by_peer || (s.fin && Unacknowledged(s) == 0);
    if (s.handler == nullptr || !s.read_ended || !sent) return;
    Detach(s)->OnClosed(s.stopped_by_peer ? std::optional<uint64_t>(0) : std::nullopt);
  }

  quic::Acceptor* acceptor_ = nullptr;
  uint64_t next_connection_ = 1;
  std::map<quic::ConnectionId, quic::StreamId> connections_;  // with the next stream's number
  std::map<quic::ConnectionId, uint64_t> closed_;             // by us, with the code
  std::map<StreamKey, Stream> streams_;
  uint64_t unacknowledged_ = 0;
};

}  // namespace blobd::transfer
