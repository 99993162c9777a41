// The endpoint against a server over real loopback sockets: short time limits, no sleeping.
#include "quic/endpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "quic/loopback_server_for_test.h"

namespace blobd::quic {
namespace {

using Kind = CloseReason::Kind;

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
  std::map<ConnectionId, ConnectionInfo> connected;
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

Bytes Pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return bytes;
}

uint64_t SumOf(const Bytes& bytes) {
  uint64_t sum = 0;
  for (const uint8_t byte : bytes) sum = sum * 31 + byte;
  return sum;
}

class EndpointTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*loop::Loop::Create());
    options_.listen = SocketAddress::V4({127, 0, 0, 1}, 0);
    options_.dial_timeout = milliseconds(500);
    options_.race_delay = milliseconds(5);
    server_ = std::make_unique<LoopbackServer>(
        *loop_, [this](Connection& connection, StreamId id, const Bytes& request) {
          requests_.push_back(request);
          if (request == AsVector("reset")) return connection.StopStream(id, 3);
          if (request == AsVector("silence")) return;
          EXPECT_TRUE(connection.Send(id, answer_, true).ok());
        });
  }
  void Open() {
    auto endpoint = Endpoint::Open(*loop_, Identity::Generate(), options_);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = std::move(*endpoint);
  }
  static Bytes AsVector(std::string_view text) {
    const ByteView view = AsBytes(text);
    return {view.begin(), view.end()};
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
  ConnectionId Dial(std::vector<SocketAddress> addresses) {
    return endpoint_->Dial(server_->identity().node_id(), std::move(addresses), &observer_);
  }
  ConnectionId Connect() {
    const ConnectionId id = Dial({server_->address()});
    EXPECT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
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

  std::unique_ptr<loop::Loop> loop_;
  EndpointOptions options_;
  std::unique_ptr<LoopbackServer> server_;
  Observer observer_;
  std::unique_ptr<Endpoint> endpoint_;
  Bytes answer_ = Pattern(100000);
  std::vector<Bytes> requests_;
  std::vector<std::unique_ptr<UdpSocket>> dead_;
};

TEST_F(EndpointTest, DialsAndDownloads) {
  Open();
  answer_ = Pattern(8 << 20);
  const ConnectionId id = Dial({server_->address()});
  EXPECT_TRUE(observer_.connected.empty());  // never during the call
  EXPECT_EQ(endpoint_->OpenRequest(id, {}, nullptr).status().code(),
            StatusCode::kResourceExhausted);
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  EXPECT_EQ(observer_.connected[id].peer, server_->identity().node_id());
  EXPECT_EQ(observer_.connected[id].address, server_->address());
  Reader reader;
  const StreamId stream = *endpoint_->OpenRequest(id, AsVector("get"), &reader);
  ConsumeAll(reader, id, stream);
  ASSERT_TRUE(RunUntil([&] { return reader.fin; }));
  EXPECT_EQ(reader.size, answer_.size());
  EXPECT_EQ(reader.sum, SumOf(answer_));
  EXPECT_EQ(requests_, std::vector<Bytes>{AsVector("get")});
  const EndpointStats stats = endpoint_->stats();
  EXPECT_GT(stats.bytes_received, answer_.size());
  EXPECT_GT(stats.datagrams_received, stats.receive_calls);
}

TEST_F(EndpointTest, ManyStreamsAtOnce) {
  Open();
  const ConnectionId id = Connect();
  constexpr size_t kStreams = 40;
  std::vector<Reader> readers(kStreams);
  std::vector<StreamId> streams(kStreams);
  for (size_t i = 0; i < kStreams; ++i) {
    streams[i] = *endpoint_->OpenRequest(id, AsVector("get"), &readers[i]);
    ConsumeAll(readers[i], id, streams[i]);
  }
  ASSERT_TRUE(RunUntil([&] {
    return std::all_of(readers.begin(), readers.end(), [](const Reader& r) { return r.fin; });
  }));
  for (const Reader& reader : readers) EXPECT_EQ(reader.sum, SumOf(answer_));
}

TEST_F(EndpointTest, NoFurtherStreamThanThePeerAllows) {
  server_->options.peer_streams = 1;
  Open();
  const ConnectionId id = Connect();
  Reader reader;
  ASSERT_TRUE(endpoint_->OpenRequest(id, AsVector("silence"), &reader).ok());
  EXPECT_EQ(endpoint_->OpenRequest(id, AsVector("get"), &reader).status().code(),
            StatusCode::kResourceExhausted);
}

TEST_F(EndpointTest, WrongIdentityIsRefused) {
  Open();
  const ConnectionId id =
      endpoint_->Dial(Identity::Generate().node_id(), {server_->address()}, &observer_);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kWrongIdentity);
  EXPECT_TRUE(observer_.connected.empty());
}

TEST_F(EndpointTest, DeadAddressFailsInTime) {
  Open();
  const Instant start = loop_->Now();
  const ConnectionId id = Dial({DeadAddress()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kDialFailed);
  EXPECT_GE(loop_->Now() - start, options_.dial_timeout);
  EXPECT_LT(loop_->Now() - start, options_.dial_timeout * 4);
}

TEST_F(EndpointTest, UnusableAddressesFailAtOnce) {
  options_.dial_timeout = seconds(60);
  Open();
  const ConnectionId id = Dial({SocketAddress()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kDialFailed);
}

TEST_F(EndpointTest, FirstAddressDeadSecondAlive) {
  Open();
  const ConnectionId id = Dial({DeadAddress(), server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  EXPECT_EQ(observer_.connected[id].address, server_->address());
}

TEST_F(EndpointTest, ImpostorAtOneAddressDoesNotSpoilTheOther) {
  LoopbackServer impostor(*loop_, [](Connection&, StreamId, const Bytes&) {});
  Open();
  const ConnectionId id = Dial({impostor.address(), server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, AddressesThatComeLaterJoinTheDial) {
  Open();
  const ConnectionId id = Dial({});
  loop_->AddTimer(loop_->Now() + milliseconds(20),
                  [&] { endpoint_->AddAddresses(id, {server_->address()}); });
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  const ConnectionId nowhere = Dial({});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(nowhere); }));
  EXPECT_EQ(observer_.closed[nowhere].kind, Kind::kDialFailed);
}

TEST_F(EndpointTest, LosersOfARaceAreClosed) {
  const std::array<uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (!UdpSocket::Open(SocketAddress::V6(loopback6, 0)).ok()) GTEST_SKIP() << "no IPv6 here";
  LoopbackServer both(
      *loop_, [](Connection&, StreamId, const Bytes&) {}, SocketAddress());
  const uint16_t port = both.address().port();
  options_.listen = SocketAddress();
  options_.race_delay = Duration(0);
  Open();
  const ConnectionId id = endpoint_->Dial(
      both.identity().node_id(),
      {SocketAddress::V6(loopback6, port), SocketAddress::V4({127, 0, 0, 1}, port)}, &observer_);
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  ASSERT_TRUE(RunUntil([&] { return both.accepted() == 2 && both.live() == 1; }));
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, PingsBeforeItDials) {
  server_->wants_disco = true;
  Open();
  Connect();
  EXPECT_EQ(server_->accepted(), 1U);
}

TEST_F(EndpointTest, FollowsARetry) {
  server_->wants_retry = true;
  Open();
  Connect();
  EXPECT_EQ(server_->accepted(), 1U);
}

TEST_F(EndpointTest, AnswersDiscoPings) {
  Open();
  const Identity other = Identity::Generate();
  Disco disco(other);
  const auto socket = std::move(*UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0)));
  const Bytes ping = *disco.Ping(endpoint_->node_id());
  ASSERT_EQ(socket->Send(endpoint_->local_address(), ping, ping.size()), SendOutcome::kSent);
  std::optional<std::pair<NodeId, DiscoMessage>> pong;
  UdpSocket::Take take = [&](const SocketAddress&, ByteView datagram) {
    pong = disco.Open(datagram);
  };
  ASSERT_TRUE(loop_->Watch(socket->fd(), EPOLLIN, [&](uint32_t) { socket->Receive(take); }).ok());
  ASSERT_TRUE(RunUntil([&] { return pong.has_value(); }));
  EXPECT_EQ(pong->first, endpoint_->node_id());
  EXPECT_EQ(std::get<DiscoPong>(pong->second).seen, socket->local_address());
  loop_->Unwatch(socket->fd());
}

TEST_F(EndpointTest, ReaderThatDoesNotConsumeStallsOnlyItselfAndResumes) {
  options_.stream_window = 200000;
  Open();
  answer_ = Pattern(1 << 20);
  const ConnectionId id = Connect();
  Reader slow;
  const StreamId slow_stream = *endpoint_->OpenRequest(id, AsVector("get"), &slow);
  ASSERT_TRUE(RunUntil([&] { return slow.size == 200000; }));
  Reader quick;
  const StreamId quick_stream = *endpoint_->OpenRequest(id, AsVector("get"), &quick);
  ConsumeAll(quick, id, quick_stream);
  ASSERT_TRUE(RunUntil([&] { return quick.fin; }));
  EXPECT_EQ(slow.size, 200000U);
  ConsumeAll(slow, id, slow_stream);
  endpoint_->Consumed(id, slow_stream, 200000);
  ASSERT_TRUE(RunUntil([&] { return slow.fin; }));
  EXPECT_EQ(slow.sum, SumOf(answer_));
}

TEST_F(EndpointTest, StopStreamMidWay) {
  options_.stream_window = options_.connection_window = 200000;
  Open();
  answer_ = Pattern(4 << 20);
  const ConnectionId id = Connect();
  for (int i = 0; i < 5; ++i) {  // what was not consumed comes back to the connection's window
    Reader reader;
    StreamId stream = *endpoint_->OpenRequest(id, AsVector("get"), &reader);
    reader.on_data = [&](size_t) {
      if (reader.size > 100000) endpoint_->StopStream(id, stream, 9);
    };
    ASSERT_TRUE(RunUntil([&] { return server_->stream_codes().size() == size_t(i) + 1; }));
    EXPECT_EQ(server_->stream_codes().back(), 9U);
    EXPECT_EQ(reader.ends, 0);
    EXPECT_LT(reader.size, 110000U);
    endpoint_->Consumed(id, stream, reader.size);  // late
  }
}

TEST_F(EndpointTest, ResetComesWithItsCode) {
  Open();
  const ConnectionId id = Connect();
  Reader reader;
  ASSERT_TRUE(endpoint_->OpenRequest(id, AsVector("reset"), &reader).ok());
  ASSERT_TRUE(RunUntil([&] { return reader.ends > 0; }));
  EXPECT_EQ(reader.reset, 3U);
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, PeerClosesInOrder) {
  Open();
  const ConnectionId id = Connect();
  Reader reader;
  ASSERT_TRUE(endpoint_->OpenRequest(id, AsVector("silence"), &reader).ok());
  ASSERT_TRUE(RunUntil([&] { return !requests_.empty(); }));
  reader.on_lost = [&] { EXPECT_TRUE(observer_.closed.empty()); };  // readers first
  server_->CloseAll(42);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kPeerClosed);
  EXPECT_EQ(observer_.closed[id].code, 42U);
  ASSERT_TRUE(reader.lost.has_value());
  EXPECT_EQ(reader.lost->code, 42U);
  EXPECT_EQ(reader.ends, 1);
  EXPECT_EQ(endpoint_->OpenRequest(id, {}, &reader).status().code(), StatusCode::kNotFound);
}

TEST_F(EndpointTest, PeerThatForgotTheConnectionResetsIt) {
  Open();
  const ConnectionId id = Connect();
  server_->Forget();
  Reader reader;
  ASSERT_TRUE(endpoint_->OpenRequest(id, Bytes(200, 'x'), &reader).ok());
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kLost);
  EXPECT_TRUE(reader.lost.has_value());
}

TEST_F(EndpointTest, CloseConnectionInCallbacks) {
  Open();
  answer_ = Pattern(1 << 20);
  // In OnConnected.
  observer_.on_connected = [&](ConnectionId id) { endpoint_->CloseConnection(id, 5); };
  const ConnectionId first = Connect();
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->last_close()->code, 5U);
  EXPECT_EQ(server_->last_close()->kind, Kind::kPeerClosed);
  EXPECT_EQ(endpoint_->OpenRequest(first, {}, nullptr).status().code(), StatusCode::kNotFound);
  observer_.on_connected = nullptr;
  // In OnData, with another stream open.
  const ConnectionId second = Connect();
  Reader reader;
  Reader other;
  ASSERT_TRUE(endpoint_->OpenRequest(second, AsVector("get"), &reader).ok());
  ASSERT_TRUE(endpoint_->OpenRequest(second, AsVector("get"), &other).ok());
  for (Reader* each : {&reader, &other}) {
    each->on_data = [&](size_t) { endpoint_->CloseConnection(second, 6); };
  }
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->last_close()->code, 6U);
  EXPECT_EQ(reader.ends + other.ends, 0);
  // In OnLost: neither the other reader nor the observer is called.
  const ConnectionId third = Connect();
  Reader a;
  Reader b;
  ASSERT_TRUE(endpoint_->OpenRequest(third, AsVector("silence"), &a).ok());
  ASSERT_TRUE(endpoint_->OpenRequest(third, AsVector("silence"), &b).ok());
  for (Reader* each : {&a, &b}) {
    each->on_lost = [&] { endpoint_->CloseConnection(third, 7); };
  }
  ASSERT_TRUE(RunUntil([&] { return server_->streams_open() == 2; }));
  server_->CloseAll(0);
  ASSERT_TRUE(RunUntil([&] { return a.ends + b.ends > 0; }));
  ASSERT_TRUE(RunUntil([turns = 0]() mutable { return ++turns > 3; }));
  EXPECT_EQ(a.ends + b.ends, 1);
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, CloseConnectionEndsARunningDial) {
  Open();
  const ConnectionId id = Dial({DeadAddress()});
  ASSERT_TRUE(RunUntil([turns = 0]() mutable { return ++turns > 2; }));
  endpoint_->CloseConnection(id, 0);
  EXPECT_EQ(endpoint_->OpenRequest(id, {}, nullptr).status().code(), StatusCode::kNotFound);
  bool later = false;
  loop_->AddTimer(loop_->Now() + options_.dial_timeout * 2, [&] { later = true; });
  ASSERT_TRUE(RunUntil([&] { return later; }));
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, RequestFromTheEndOfAnother) {
  Open();
  const ConnectionId id = Connect();
  Reader first;
  Reader second;
  StreamId first_stream = *endpoint_->OpenRequest(id, AsVector("get"), &first);
  StreamId second_stream = -1;
  ConsumeAll(first, id, first_stream);
  first.on_fin = [&] {
    second_stream = *endpoint_->OpenRequest(id, AsVector("get"), &second);
    ConsumeAll(second, id, second_stream);
  };
  ASSERT_TRUE(RunUntil([&] { return second.fin; }));
  EXPECT_EQ(second.sum, SumOf(answer_));
}

TEST_F(EndpointTest, UnknownIdsAreHarmless) {
  Open();
  const ConnectionId id = Connect();
  const ConnectionId unknown{999};
  Reader reader;
  endpoint_->CloseConnection(unknown, 0);
  endpoint_->AddAddresses(unknown, {server_->address()});
  endpoint_->AddAddresses(id, {DeadAddress()});
  endpoint_->Consumed(unknown, 0, 5);
  endpoint_->Consumed(id, 4444, 5);
  endpoint_->StopStream(unknown, 0, 5);
  endpoint_->StopStream(id, 4444, 5);
  EXPECT_EQ(endpoint_->OpenRequest(unknown, {}, &reader).status().code(), StatusCode::kNotFound);
  endpoint_->CloseConnection(id, 0);
  endpoint_->CloseConnection(id, 1);
  endpoint_->Consumed(id, 0, 5);
  endpoint_->StopStream(id, 0, 5);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, GoesAwayWithEverythingOpen) {
  Open();
  answer_ = Pattern(4 << 20);
  const ConnectionId id = Connect();
  Dial({DeadAddress()});
  Reader reader;
  ASSERT_TRUE(endpoint_->OpenRequest(id, AsVector("get"), &reader).ok());
  ASSERT_TRUE(RunUntil([&] { return reader.size > 0; }));
  endpoint_.reset();
  EXPECT_EQ(reader.ends, 0);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->last_close()->kind, Kind::kPeerClosed);
}

}  // namespace
}  // namespace blobd::quic
