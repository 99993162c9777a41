// The endpoint as the side that dials.
#include "quic/endpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "quic/disco.h"
#include "quic/endpoint_fixture_for_test.h"
#include "quic/udp_relay_for_test.h"

namespace blobd::quic {
namespace {

using Kind = CloseReason::Kind;

class EndpointTest : public EndpointFixture {};

TEST_F(EndpointTest, DialsAndDownloads) {
  Open();
  answer_ = Pattern(8 << 20);
  const ConnectionId id = Dial({server_->address()});
  EXPECT_TRUE(observer_.connected.empty());  // never during the call
  EXPECT_EQ(endpoint_->OpenRequest(id, {}, nullptr).status().code(),
            StatusCode::kResourceExhausted);
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  EXPECT_EQ(observer_.connected[id].peer, server_->identity.node_id());
  EXPECT_EQ(observer_.connected[id].address, server_->address());
  Reader reader;
  const StreamId stream = *endpoint_->OpenRequest(id, AsVector("get"), &reader);
  ConsumeAll(reader, id, stream);
  ASSERT_TRUE(RunUntil([&] { return reader.fin; }));
  EXPECT_EQ(reader.size, answer_.size());
  EXPECT_EQ(reader.sum, SumOf(answer_));
  EXPECT_EQ(requests_, std::vector<Bytes>{AsVector("get")});
  const EndpointStats stats = endpoint_->stats();
  EXPECT_GT(stats.udp.bytes_received, answer_.size());
  EXPECT_GT(stats.udp.datagrams_received, stats.udp.receive_calls);
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
  server_options_.peer_streams = 1;
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
  GiveUpDialsSoon();
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
  Open();
  const auto impostor = Serve();
  const ConnectionId id = Dial({impostor->address(), server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, AddressesThatComeLaterJoinTheDial) {
  options_.dial_timeout = seconds(3);
  Open();
  const ConnectionId id = Dial({});
  loop_->AddTimer(loop_->Now() + milliseconds(20),
                  [&] { endpoint_->AddAddresses(id, {server_->address()}); });
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  const ConnectionId nowhere = Dial({});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(nowhere); }));
  EXPECT_EQ(observer_.closed[nowhere].kind, Kind::kDialFailed);
}

TEST_F(EndpointTest, ADialThatIsKeptOpenWaitsForAddresses) {
  Open();
  const auto impostor = Serve();
  const ConnectionId id = Dial({impostor->address()});
  endpoint_->KeepOpen(id, true);
  ASSERT_TRUE(RunUntil([&] { return observer_.failed.contains(impostor->address()); }));
  EXPECT_TRUE(observer_.closed.empty());
  endpoint_->AddAddresses(id, {server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  // Once nothing more can come, it is over with the last address.
  const ConnectionId other = Dial({impostor->address()});
  endpoint_->KeepOpen(other, true);
  observer_.failed.clear();
  ASSERT_TRUE(RunUntil([&] { return observer_.failed.contains(impostor->address()); }));
  endpoint_->KeepOpen(other, false);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(other); }));
  EXPECT_EQ(observer_.closed[other].kind, Kind::kWrongIdentity);
}

TEST_F(EndpointTest, AddressesThatDidNotAnswerAreNamed) {
  GiveUpDialsSoon();
  Open();
  const SocketAddress dead = DeadAddress();
  const ConnectionId id = Dial({dead});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.failed, std::set<SocketAddress>{dead});
}

TEST_F(EndpointTest, LosersOfARaceAreClosed) {
  const std::array<uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (!UdpSocket::Open(SocketAddress::V6(loopback6, 0)).ok()) GTEST_SKIP() << "no IPv6 here";
  server_options_.listen = options_.listen = SocketAddress();
  options_.race_delay = Duration(0);
  Open();
  const uint16_t port = server_->address().port();
  const ConnectionId id =
      Dial({SocketAddress::V6(loopback6, port), SocketAddress::V4({127, 0, 0, 1}, port)});
  ASSERT_TRUE(RunUntil([&] { return observer_.connected.contains(id); }));
  // The loser may not have come as far as the server's acceptor.
  ASSERT_TRUE(RunUntil([&] {
    return server_->endpoint->stats().strangers.newcomers == 2 &&
           server_->endpoint->stats().incoming == 1;
  }));
  EXPECT_EQ(server_->live(), 1U);
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(EndpointTest, PingsBeforeItDials) {
  Open();
  // What iroh 0.35 does: it drops QUIC from addresses that have sent no disco ping.
  UdpRelay relay(*loop_, server_->address());
  bool pinged = false;
  relay.pass = [&](UdpRelay::Way way, ByteView datagram) {
    pinged = pinged || (way == UdpRelay::Way::kToServer && IsDisco(datagram));
    return pinged;
  };
  ConnectTo(relay.address());
  EXPECT_TRUE(pinged);
  EXPECT_EQ(server_->accepted.size(), 1U);
}

TEST_F(EndpointTest, FollowsARetry) {
  server_options_.half_open_before_retry = 0;
  Open();
  Connect();
  EXPECT_EQ(server_->accepted.size(), 1U);
  EXPECT_EQ(server_->endpoint->stats().strangers.retries, 1U);
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
    pong = DiscoName(other.seed()).Open(datagram);
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
    ASSERT_TRUE(RunUntil([&] { return server_->stream_codes.size() == size_t(i) + 1; }));
    EXPECT_EQ(server_->stream_codes.back(), 9U);
    EXPECT_EQ(reader.ends, 0);
    EXPECT_LE(reader.size, 100000U + 65000U);
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

TEST_F(EndpointTest, CloseConnectionInCallbacks) {
  Open();
  answer_ = Pattern(1 << 20);
  // In OnConnected.
  observer_.on_connected = [&](ConnectionId id) { endpoint_->CloseConnection(id, 5); };
  const ConnectionId first = Connect();
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->last_close->code, 5U);
  EXPECT_EQ(server_->last_close->kind, Kind::kPeerClosed);
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
  EXPECT_EQ(server_->last_close->code, 6U);
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
  GiveUpDialsSoon();
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
  EXPECT_EQ(server_->last_close->kind, Kind::kPeerClosed);
}

}  // namespace
}  // namespace blobd::quic
