// Endpoints against each other over real loopback sockets: observers, readers, a server that
// answers requests, and the fixture that turns the loop. Short time limits, no sleeping. Test code
// only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "quic/endpoint.h"
#include "quic/udp_socket.h"

namespace blobd::quic {

class Observer final : public ConnectionObserver {
 public:
  void OnConnected(ConnectionId id, const ConnectionInfo& info) override {
    connected[id] = info;
    if (on_connected) on_connected(id);
  }
  void OnClosed(ConnectionId id, const CloseReason& why) override {
    EXPECT_FALSE(closed.contains(id));
    closed[id] = why;
  }
  void OnAttemptFailed(ConnectionId, const SocketAddress& address,
                       const std::string& reason) override {
    EXPECT_FALSE(reason.empty());
    failed.insert(address);
  }
  void OnMoved(ConnectionId, const SocketAddress& to) override { moved.push_back(to); }
  std::vector<SocketAddress> moved;
  std::map<ConnectionId, ConnectionInfo> connected;
  std::set<SocketAddress> failed;
  std::map<ConnectionId, CloseReason> closed;
  UniqueFunction<void(ConnectionId)> on_connected;
};

class Reader final : public StreamReader {
 public:
  void OnData(ByteView bytes) override {
    EXPECT_EQ(ends, 0);
    size += bytes.size();
    for (const uint8_t byte : bytes) sum = sum * 31 + byte;
    if (on_data) on_data(bytes.size());
  }
  void OnFin() override {
    ++ends;
    fin = true;
    if (on_fin) on_fin();
  }
  void OnReset(uint64_t code) override {
    ++ends;
    reset = code;
  }
  void OnLost(const CloseReason& why) override {
    ++ends;
    lost = why;
    if (on_lost) on_lost();
  }
  uint64_t size = 0;
  uint64_t sum = 0;
  int ends = 0;
  bool fin = false;
  std::optional<uint64_t> reset;
  std::optional<CloseReason> lost;
  UniqueFunction<void(size_t)> on_data;
  UniqueFunction<void()> on_fin;
  UniqueFunction<void()> on_lost;
};

inline Bytes Pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return bytes;
}

inline uint64_t SumOf(const Bytes& bytes) {
  uint64_t sum = 0;
  for (const uint8_t byte : bytes) sum = sum * 31 + byte;
  return sum;
}

inline Bytes AsVector(std::string_view text) {
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

// An endpoint that takes connections. Whole requests go to `on_request`; what else happens is
// recorded, and a test may do something in each call.
class TestServer final : public Acceptor {
 public:
  struct Stream final : public StreamHandler {
    explicit Stream(TestServer& test_server) : server(test_server) {}
    void OnData(ByteView bytes) override {
      EXPECT_FALSE(fin || reset);
      request.insert(request.end(), bytes.begin(), bytes.end());
      if (server.consume) server.endpoint->Consumed(connection, id, bytes.size());
      if (server.on_data) server.on_data(*this);
    }
    void OnFin() override {
      EXPECT_FALSE(fin || reset || lost || closed);
      fin = true;
      if (server.on_request) server.on_request(*this);
    }
    void OnReset(uint64_t why) override {
      EXPECT_FALSE(fin || reset || lost || closed);
      reset = why;
    }
    void OnLost(const CloseReason& why) override {
      EXPECT_FALSE(lost || closed);
      lost = why;
      if (server.on_lost) server.on_lost(*this);
    }
    void OnAcknowledged(uint64_t bytes) override {
      EXPECT_FALSE(lost || closed);
      acknowledged += bytes;
      if (server.on_acknowledged) server.on_acknowledged(*this);
    }
    void OnClosed(std::optional<uint64_t> why) override {
      EXPECT_FALSE(lost || closed);
      closed = true;
      code = why;
      server.stream_codes.push_back(why);
      if (server.on_stream_closed) server.on_stream_closed(*this);
    }
    void Answer(Bytes bytes, bool last = true) {
      EXPECT_TRUE(server.endpoint->Send(connection, id, std::move(bytes), last).ok());
    }

    TestServer& server;
    ConnectionId connection;
    StreamId id = -1;
    Bytes request;
    uint64_t acknowledged = 0;
    bool fin = false;
    bool closed = false;
    std::optional<uint64_t> reset;
    std::optional<uint64_t> code;
    std::optional<CloseReason> lost;
  };
  using OnStream = UniqueFunction<void(Stream&)>;

  TestServer(loop::Loop& loop, const EndpointOptions& options,
             const Identity& who = Identity::Generate())
      : identity(who), endpoint(std::move(*Endpoint::Open(loop, identity, options))) {
    endpoint->SetAcceptor(this);
  }
  ~TestServer() override { endpoint->SetAcceptor(nullptr); }

  SocketAddress address() const { return endpoint->local_address(); }
  size_t live() const { return accepted.size() - closed.size(); }
  size_t streams_open() const {
    return static_cast<size_t>(std::count_if(streams.begin(), streams.end(),
                                             [](const auto& s) { return !s->closed && !s->lost; }));
  }
  void CloseAll(uint64_t code) {
    for (const auto& [id, info] : accepted) {
      if (!closed.contains(id)) endpoint->CloseConnection(id, code);
    }
  }

  std::optional<Refusal> OnAccepted(ConnectionId id, const ConnectionInfo& info) override {
    EXPECT_FALSE(accepted.contains(id));
    if (on_accepted) {
      if (const auto refusal = on_accepted(id)) return refusal;
    }
    accepted[id] = info;
    return std::nullopt;
  }
  StreamHandler* OnStreamOpened(ConnectionId id, StreamId stream) override {
    EXPECT_TRUE(accepted.contains(id) && !closed.contains(id));
    streams.push_back(std::make_unique<Stream>(*this));
    streams.back()->connection = id;
    streams.back()->id = stream;
    if (on_stream_opened) on_stream_opened(*streams.back());
    return streams.back().get();
  }
  void OnClosed(ConnectionId id, const CloseReason& why) override {
    EXPECT_TRUE(accepted.contains(id) && !closed.contains(id));
    closed[id] = why;
    last_close = why;
  }

  const Identity identity;
  const std::unique_ptr<Endpoint> endpoint;
  bool consume = true;
  OnStream on_request;
  OnStream on_stream_opened;
  OnStream on_data;
  OnStream on_lost;
  OnStream on_acknowledged;
  OnStream on_stream_closed;
  UniqueFunction<std::optional<Refusal>(ConnectionId)> on_accepted;
  std::map<ConnectionId, ConnectionInfo> accepted;
  std::map<ConnectionId, CloseReason> closed;
  std::optional<CloseReason> last_close;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::optional<uint64_t>> stream_codes;
};

class EndpointFixture : public testing::Test {
 protected:
  EndpointFixture() : loop_(std::move(*loop::Loop::Create())) {
    options_.listen = server_options_.listen = SocketAddress::V4({127, 0, 0, 1}, 0);
    options_.race_delay = milliseconds(5);
  }
  // Where a dial is to fail. A handshake under sanitizers on a busy machine may take longer.
  void GiveUpDialsSoon() { options_.dial_timeout = milliseconds(500); }
  // Opens what is not open yet: a server that answers "get" with `answer_`, "reset" with a reset
  // and "silence" with nothing, and the endpoint that dials it.
  void Open() {
    if (server_ == nullptr) server_ = Serve();
    if (endpoint_ == nullptr) endpoint_ = OpenClient();
  }
  std::unique_ptr<Endpoint> OpenClient() {
    auto endpoint = Endpoint::Open(*loop_, Identity::Generate(), options_);
    EXPECT_TRUE(endpoint.ok()) << endpoint.status();
    return std::move(*endpoint);
  }
  std::unique_ptr<TestServer> Serve(const Identity& who = Identity::Generate()) {
    auto server = std::make_unique<TestServer>(*loop_, server_options_, who);
    server->on_request = [this](TestServer::Stream& stream) {
      requests_.push_back(stream.request);
      if (stream.request == AsVector("reset")) {
        return stream.server.endpoint->StopStream(stream.connection, stream.id, 3);
      }
      if (stream.request != AsVector("silence")) stream.Answer(answer_);
    };
    return server;
  }
  // Turns the loop until `done`, asked once per turn and at least once per millisecond; false after
  // 20 s.
  template <typename Done>
  bool RunUntil(Done done) {
    bool late = false;
    const loop::TimerId timer = loop_->AddTimer(loop_->Now() + seconds(20), [&] {
      late = true;
      loop_->Stop();
    });
    loop::TimerId tick = 0;
    loop_->SetTurnEnd([&] {
      if (done()) loop_->Stop();
      loop_->CancelTimer(tick);
      tick = loop_->AddTimer(loop_->Now() + milliseconds(1), [] {});
    });
    loop_->Post([] {});
    loop_->Run();
    loop_->SetTurnEnd([] {});
    loop_->CancelTimer(timer);
    loop_->CancelTimer(tick);
    return !late;
  }
  // For what must not happen: long enough for datagrams to go back and forth many times.
  void RunFor(Duration time) {
    bool over = false;
    loop_->AddTimer(loop_->Now() + time, [&] { over = true; });
    EXPECT_TRUE(RunUntil([&] { return over; }));
  }
  ConnectionId Dial(std::vector<SocketAddress> addresses) {
    return endpoint_->Dial(server_->identity.node_id(), std::move(addresses), &observer_);
  }
  ConnectionId Connect() { return ConnectTo(server_->address()); }
  ConnectionId ConnectTo(const SocketAddress& address) {
    const ConnectionId id = Dial({address});
    EXPECT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }))
        << observer_.closed[id].reason;
    return id;
  }
  // A reader that gives all credit back at once.
  void ConsumeAll(Reader& reader, ConnectionId id, const StreamId& stream) {
    reader.on_data = [this, id, &stream](size_t size) { endpoint_->Consumed(id, stream, size); };
  }
  // An address where nobody answers: a bound socket that nobody reads.
  SocketAddress DeadAddress() {
    dead_.push_back(std::move(*UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0))));
    return dead_.back()->local_address();
  }

  const std::unique_ptr<loop::Loop> loop_;
  EndpointOptions options_;
  EndpointOptions server_options_;
  Observer observer_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<Endpoint> endpoint_;
  Bytes answer_ = Pattern(100000);
  std::vector<Bytes> requests_;
  std::vector<std::unique_ptr<UdpSocket>> dead_;
};

}  // namespace blobd::quic
