// The endpoint as the side that is dialled.
#include <gtest/gtest.h>

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <numeric>

#include "quic/disco.h"
#include "quic/endpoint_fixture_for_test.h"
#include "quic/udp_relay_for_test.h"

namespace blobd::quic {
namespace {

using Kind = CloseReason::Kind;

class AcceptTest : public EndpointFixture {
 protected:
  StreamId Request(ConnectionId id, std::string_view text, Reader& reader) {
    const auto stream = endpoint_->OpenRequest(id, AsVector(text), &reader);
    EXPECT_TRUE(stream.ok()) << stream.status();
    return stream.value_or(-1);
  }
  // Consumes for all streams of one connection.
  void Consume(Reader& reader, ConnectionId id, StreamId stream) {
    reader.on_data = [this, id, stream](size_t size) { endpoint_->Consumed(id, stream, size); };
  }
};

TEST_F(AcceptTest, BothSidesKnowEachOther) {
  Open();
  const ConnectionId id = Connect();
  ASSERT_TRUE(RunUntil([&] { return server_->accepted.size() == 1; }));
  const ConnectionInfo& info = server_->accepted.begin()->second;
  EXPECT_EQ(info.peer, endpoint_->node_id());
  EXPECT_EQ(info.address, endpoint_->local_address());
  const EndpointStats stats = server_->endpoint->stats();
  EXPECT_EQ(stats.incoming, 1U);
  EXPECT_EQ(stats.half_open, 0U);
  endpoint_->CloseConnection(id, 77, "that was all");
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->last_close->kind, Kind::kPeerClosed);
  EXPECT_EQ(server_->last_close->code, 77U);
  EXPECT_EQ(server_->last_close->reason, "that was all");
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
}

TEST_F(AcceptTest, StreamsReportTheirCourse) {
  Open();
  const ConnectionId id = Connect();
  Reader reader;
  Consume(reader, id, Request(id, "get", reader));
  ASSERT_TRUE(RunUntil([&] { return reader.fin && server_->streams.at(0)->closed; }));
  const TestServer::Stream& stream = *server_->streams[0];
  EXPECT_EQ(stream.request, AsVector("get"));
  EXPECT_TRUE(stream.fin);
  EXPECT_EQ(stream.acknowledged, answer_.size());
  EXPECT_FALSE(stream.code.has_value());
  EXPECT_EQ(server_->endpoint->Send(stream.connection, stream.id, {}, true).code(),
            StatusCode::kNotFound);
}

TEST_F(AcceptTest, AnswersComeInPieces) {
  Open();
  // Never more than 64 KiB unacknowledged, as one who reads from disk would do.
  answer_ = Pattern(3 << 20);
  size_t sent = 0;
  const auto send = [&](TestServer::Stream& stream) {
    while (sent < answer_.size() && sent - stream.acknowledged < 65536) {
      const size_t size = std::min<size_t>(answer_.size() - sent, 10000);
      const auto begin = answer_.begin() + static_cast<ptrdiff_t>(sent);
      sent += size;
      stream.Answer(Bytes(begin, begin + static_cast<ptrdiff_t>(size)), sent == answer_.size());
    }
  };
  server_->on_request = send;
  server_->on_acknowledged = send;
  const ConnectionId id = Connect();
  Reader reader;
  Consume(reader, id, Request(id, "get", reader));
  ASSERT_TRUE(RunUntil([&] { return reader.fin; }));
  EXPECT_EQ(reader.sum, SumOf(answer_));
}

TEST_F(AcceptTest, FiftyConnections) {
  options_.dial_timeout = seconds(20);  // opening so many sockets takes its time
  Open();
  constexpr size_t kCount = 50;
  answer_ = Pattern(200000);
  std::vector<std::unique_ptr<Endpoint>> clients;
  std::vector<Reader> readers(kCount);
  std::map<ConnectionId, size_t> index;
  // One client after the other opens a request as soon as it is up.
  std::vector<std::unique_ptr<Observer>> observers;
  for (size_t i = 0; i < kCount; ++i) {
    clients.push_back(OpenClient());
    observers.push_back(std::make_unique<Observer>());
    Endpoint& client = *clients.back();
    Reader& reader = readers[i];
    observers.back()->on_connected = [&client, &reader](ConnectionId id) {
      const auto stream = client.OpenRequest(id, AsVector("get"), &reader);
      ASSERT_TRUE(stream.ok()) << stream.status();
      reader.on_data = [&client, id, stream = *stream](size_t size) {
        client.Consumed(id, stream, size);
      };
    };
    client.Dial(server_->identity.node_id(), {server_->address()}, observers.back().get());
  }
  ASSERT_TRUE(RunUntil([&] {
    return std::all_of(readers.begin(), readers.end(), [](const Reader& r) { return r.fin; });
  }));
  for (const Reader& reader : readers) EXPECT_EQ(reader.sum, SumOf(answer_));
  EXPECT_EQ(server_->live(), kCount);
  clients.clear();
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
}

TEST_F(AcceptTest, TwoHundredStreamsAtOnce) {
  Open();
  answer_ = Pattern(20000);
  const ConnectionId id = Connect();
  constexpr size_t kStreams = 200;
  std::vector<Reader> readers(kStreams);
  for (Reader& reader : readers) Consume(reader, id, Request(id, "get", reader));
  ASSERT_TRUE(RunUntil([&] {
    return std::all_of(readers.begin(), readers.end(), [](const Reader& r) { return r.fin; });
  }));
  for (const Reader& reader : readers) EXPECT_EQ(reader.sum, SumOf(answer_));
  ASSERT_TRUE(RunUntil([&] { return server_->streams_open() == 0; }));
  EXPECT_EQ(server_->streams.size(), kStreams);
}

TEST_F(AcceptTest, ShortAnswersAreNotStuckBehindLongOnes) {
  Open();
  const Bytes huge(64 << 20, 7);
  server_->on_request = [&](TestServer::Stream& stream) {
    stream.Answer(stream.request == AsVector("huge") ? huge : Bytes(100, 1));
  };
  const ConnectionId id = Connect();
  std::vector<Reader> long_ones(4);
  for (Reader& reader : long_ones) Consume(reader, id, Request(id, "huge", reader));
  ASSERT_TRUE(RunUntil([&] { return long_ones[0].size > 100000; }));
  Reader short_one;
  Consume(short_one, id, Request(id, "short", short_one));
  ASSERT_TRUE(RunUntil([&] { return short_one.fin; }));
  for (const Reader& reader : long_ones) EXPECT_FALSE(reader.fin);
}

TEST_F(AcceptTest, OneWhoTakesAllTheTimeDoesNotStarveAnother) {
  Open();
  const Bytes huge(64 << 20, 7);
  server_->on_request = [&](TestServer::Stream& stream) {
    stream.Answer(stream.request == AsVector("huge") ? huge : Bytes(100, 1));
  };
  const ConnectionId greedy = Connect();
  std::vector<Reader> long_ones(4);
  for (Reader& reader : long_ones) Consume(reader, greedy, Request(greedy, "huge", reader));
  ASSERT_TRUE(RunUntil([&] { return long_ones[0].size > 100000; }));
  const ConnectionId modest = Connect();
  for (int i = 0; i < 20; ++i) {
    Reader short_one;
    const StreamId stream = Request(modest, "short", short_one);
    Consume(short_one, modest, stream);
    ASSERT_TRUE(RunUntil([&] { return short_one.fin; }));
  }
  for (const Reader& reader : long_ones) EXPECT_FALSE(reader.fin);
}

TEST_F(AcceptTest, AReaderThatStallsDoesNotHoldOthersUp) {
  options_.stream_window = 100000;
  Open();
  answer_ = Pattern(1 << 20);
  const ConnectionId id = Connect();
  Reader stalled;
  Request(id, "get", stalled);
  ASSERT_TRUE(RunUntil([&] { return stalled.size == 100000; }));
  Reader other;
  Consume(other, id, Request(id, "get", other));
  ASSERT_TRUE(RunUntil([&] { return other.fin; }));
  EXPECT_EQ(stalled.size, 100000U);
}

TEST_F(AcceptTest, PeerThatWantsNoMoreEndsTheAnswer) {
  Open();
  server_->on_request = [&](TestServer::Stream& stream) {
    stream.Answer(Pattern(100000), false);  // and more later
  };
  const ConnectionId id = Connect();
  Reader reader;
  const StreamId stream = Request(id, "get", reader);
  Consume(reader, id, stream);
  ASSERT_TRUE(RunUntil([&] { return reader.size == 100000; }));
  endpoint_->StopStream(id, stream, 9);
  ASSERT_TRUE(RunUntil([&] { return server_->streams[0]->closed; }));
  EXPECT_EQ(server_->streams[0]->code, 9U);
  const TestServer::Stream& served = *server_->streams[0];
  EXPECT_EQ(server_->endpoint->Send(served.connection, served.id, {1}, false).code(),
            StatusCode::kNotFound);
}

TEST_F(AcceptTest, ConnectionThatIsLostTellsEveryStreamFirst) {
  Open();
  const ConnectionId id = Connect();
  std::vector<Reader> readers(3);
  for (Reader& reader : readers) Request(id, "silence", reader);
  ASSERT_TRUE(RunUntil([&] { return server_->streams.size() == 3; }));
  server_->on_lost = [&](TestServer::Stream&) { EXPECT_TRUE(server_->closed.empty()); };
  endpoint_->CloseConnection(id, 4);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  for (const auto& stream : server_->streams) {
    ASSERT_TRUE(stream->lost.has_value());
    EXPECT_EQ(stream->lost->code, 4U);
  }
}

TEST_F(AcceptTest, RefusalTellsTheCode) {
  Open();
  server_->on_accepted = [](ConnectionId) { return Refusal{42, "not you"}; };
  const ConnectionId id = Dial({server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].code, 42U);
  EXPECT_EQ(observer_.closed[id].reason, "not you");
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
  EXPECT_TRUE(server_->closed.empty());  // heard of no more
  EXPECT_TRUE(server_->streams.empty());
}

TEST_F(AcceptTest, WithoutAnAcceptorNobodyIsAnswered) {
  GiveUpDialsSoon();
  Open();
  server_->endpoint->SetAcceptor(nullptr);
  const ConnectionId id = Dial({server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kDialFailed);
  const EndpointStats stats = server_->endpoint->stats();
  EXPECT_GT(stats.udp.datagrams_received, 0U);
  // Only the pings for nodes that want them are answered.
  EXPECT_EQ(stats.strangers.newcomers + stats.strangers.refusals + stats.strangers.dropped, 0U);
}

TEST_F(AcceptTest, AnAcceptorThatGoesClosesWhatItTook) {
  Open();
  const ConnectionId id = Connect();
  Reader reader;
  Request(id, "silence", reader);
  ASSERT_TRUE(RunUntil([&] { return !requests_.empty(); }));
  server_->endpoint->SetAcceptor(nullptr);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kPeerClosed);
  EXPECT_TRUE(server_->closed.empty());
  EXPECT_FALSE(server_->streams[0]->lost || server_->streams[0]->closed);
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
}

TEST_F(AcceptTest, LimitPerAddress) {
  server_options_.incoming_per_address = 3;
  Open();
  for (int i = 0; i < 3; ++i) Connect();
  const ConnectionId fourth = Dial({server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(fourth); }));
  EXPECT_EQ(observer_.closed[fourth].code, uint64_t{NGTCP2_CONNECTION_REFUSED});
  EXPECT_NE(observer_.closed[fourth].reason.find("as many connections"), std::string::npos);
  EXPECT_GE(server_->endpoint->stats().strangers.refusals, 1U);
  endpoint_->CloseConnection(observer_.connected.begin()->first, 0);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 2; }));
  Connect();
}

TEST_F(AcceptTest, HandshakesThatStopHalfWayAreForgotten) {
  server_options_.handshake_timeout = milliseconds(300);
  Open();
  // Everything of the client is lost after its first datagram.
  UdpRelay relay(*loop_, server_->address());
  int initials = 0;
  relay.pass = [&](UdpRelay::Way way, ByteView datagram) {
    return way == UdpRelay::Way::kToServer && datagram.size() >= 1200 && initials++ == 0;
  };
  Dial({relay.address()});
  ASSERT_TRUE(RunUntil([&] { return server_->endpoint->stats().half_open == 1; }));
  ASSERT_TRUE(RunUntil([&] { return server_->endpoint->stats().half_open == 0; }));
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
  EXPECT_TRUE(server_->accepted.empty() && server_->closed.empty());
}

TEST_F(AcceptTest, NoMoreThanThreeTimesWhatCameIsSentBeforeTheAddressIsProven) {
  Open();
  UdpRelay relay(*loop_, server_->address());
  int initials = 0;
  uint64_t offered = 0;  // to the client; nothing arrives
  relay.pass = [&](UdpRelay::Way way, ByteView datagram) {
    if (way == UdpRelay::Way::kToClient) {
      offered += datagram.size();
      return false;
    }
    return datagram.size() >= 1200 && initials++ == 0;
  };
  Dial({relay.address()});
  // Long enough for many retransmissions of the server.
  RunFor(milliseconds(400));
  EXPECT_EQ(relay.bytes_to_server, 1200U);
  EXPECT_GT(offered, 0U);
  EXPECT_LE(offered, 3 * relay.bytes_to_server);
}

TEST_F(AcceptTest, ForgottenConnectionIsResetByTheNextRun) {
  const Identity identity = Identity::Generate();
  server_ = Serve(identity);
  Open();
  UdpRelay relay(*loop_, server_->address());
  const ConnectionId id = ConnectTo(relay.address());
  Reader before;
  Consume(before, id, Request(id, "get", before));
  ASSERT_TRUE(RunUntil([&] { return before.fin && server_->streams.at(0)->closed; }));
  // The server goes without a word and comes back with the same key at the same address.
  bool cut = true;
  relay.pass = [&](UdpRelay::Way, ByteView) { return !cut; };
  server_options_.listen = server_->address();
  server_.reset();
  ASSERT_TRUE(RunUntil([turns = 0]() mutable { return ++turns > 3; }));
  server_ = Serve(identity);
  cut = false;
  Reader reader;
  Request(id, "where have you been?", reader);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_EQ(observer_.closed[id].kind, Kind::kLost);
  EXPECT_NE(observer_.closed[id].reason.find("forgotten"), std::string::npos);
  EXPECT_TRUE(reader.lost.has_value());
  EXPECT_GE(server_->endpoint->stats().strangers.resets, 1U);
}

TEST_F(AcceptTest, ForgottenConnectionIsResetAlsoWhereItWasMovedTo) {
  const Identity identity = Identity::Generate();
  server_ = Serve(identity);
  Open();
  UdpRelay first(*loop_, server_->address());
  UdpRelay second(*loop_, server_->address());
  const ConnectionId id = ConnectTo(first.address());
  // It can move when the handshake is confirmed and the node has given it an id for that.
  Reader before;
  Consume(before, id, Request(id, "get", before));
  ASSERT_TRUE(RunUntil([&] { return before.fin; }));
  endpoint_->Move(id, second.address(), false);
  ASSERT_TRUE(RunUntil([&] { return !observer_.moved.empty(); }));
  EXPECT_EQ(observer_.moved.front(), second.address());
  first.pass = [](UdpRelay::Way, ByteView) { return false; };
  bool cut = true;
  second.pass = [&](UdpRelay::Way, ByteView) { return !cut; };
  server_options_.listen = server_->address();
  server_.reset();
  ASSERT_TRUE(RunUntil([turns = 0]() mutable { return ++turns > 3; }));
  server_ = Serve(identity);
  cut = false;
  Reader reader;
  Request(id, "where have you been?", reader);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
  EXPECT_NE(observer_.closed[id].reason.find("forgotten"), std::string::npos);
}

TEST_F(AcceptTest, FollowsAClientToItsNewAddress) {
  options_.keep_alive = milliseconds(50);
  Open();
  answer_ = Pattern(8 << 20);
  UdpRelay relay(*loop_, server_->address());
  const ConnectionId id = ConnectTo(relay.address());
  const SocketAddress before = relay.seen_by_server();
  Reader reader;
  Consume(reader, id, Request(id, "get", reader));
  for (int moves = 1; moves <= 3; ++moves) {
    ASSERT_TRUE(RunUntil([&] { return reader.size > 500000U * static_cast<unsigned>(moves); }));
    relay.Rebind();
  }
  EXPECT_NE(relay.seen_by_server(), before);
  ASSERT_TRUE(RunUntil([&] { return reader.fin; }));
  EXPECT_EQ(reader.sum, SumOf(answer_));
  EXPECT_EQ(server_->live(), 1U);
  EXPECT_TRUE(observer_.closed.empty());
}

TEST_F(AcceptTest, CallsBackFromEveryCall) {
  Open();
  answer_ = Pattern(1 << 20);
  Endpoint& endpoint = *server_->endpoint;
  // Stopped while it is being opened.
  server_->on_stream_opened = [&](TestServer::Stream& s) {
    endpoint.StopStream(s.connection, s.id, 5);
  };
  const ConnectionId first = Connect();
  Reader a;
  Request(first, "get", a);
  ASSERT_TRUE(RunUntil([&] { return a.ends == 1; }));
  EXPECT_EQ(a.reset, 5U);
  EXPECT_TRUE(server_->streams[0]->request.empty());
  // Answered while it is being opened, before the request is there.
  server_->on_stream_opened = [&](TestServer::Stream& s) { s.Answer(AsVector("early")); };
  server_->on_request = nullptr;
  Reader b;
  Consume(b, first, Request(first, "get", b));
  ASSERT_TRUE(RunUntil([&] { return b.fin; }));
  EXPECT_EQ(b.size, 5U);
  // The connection is closed while a stream is opened, gets data, or is acknowledged.
  server_->on_stream_opened = nullptr;
  const auto close = [&](TestServer::Stream& s) {
    endpoint.CloseConnection(s.connection, 8, "bye");
  };
  for (TestServer::OnStream* when : {&server_->on_stream_opened, &server_->on_data,
                                     &server_->on_request, &server_->on_acknowledged}) {
    const bool acknowledged = when == &server_->on_acknowledged;
    if (acknowledged) server_->on_request = [&](TestServer::Stream& s) { s.Answer(answer_); };
    *when = close;
    const ConnectionId id = Connect();
    Reader reader;
    Request(id, "get", reader);
    ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(id); }));
    EXPECT_EQ(observer_.closed[id].code, 8U);
    EXPECT_EQ(observer_.closed[id].reason, "bye");
    *when = nullptr;
  }
  // In OnLost of one stream: the others hear nothing, nor does the acceptor.
  server_->on_request = nullptr;
  const size_t closed = server_->closed.size();
  const ConnectionId last = Connect();
  std::vector<Reader> readers(3);
  for (Reader& reader : readers) Request(last, "silence", reader);
  const size_t before = server_->streams.size();
  ASSERT_TRUE(RunUntil([&] { return server_->streams.size() == before + 3; }));
  server_->on_lost = close;
  endpoint_->CloseConnection(last, 0);
  ASSERT_TRUE(RunUntil([&] { return endpoint.stats().incoming == 1; }));
  EXPECT_EQ(server_->closed.size(), closed);
  EXPECT_EQ(std::count_if(server_->streams.begin(), server_->streams.end(),
                          [](const auto& s) { return s->lost.has_value(); }),
            1);
}

TEST_F(AcceptTest, AnAcceptorMayGoInItsOwnCalls) {
  Open();
  server_->on_stream_opened = [&](TestServer::Stream&) { server_->endpoint->SetAcceptor(nullptr); };
  const ConnectionId first = Connect();
  Reader reader;
  Request(first, "get", reader);
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(first); }));
  server_->endpoint->SetAcceptor(server_.get());
  server_->on_accepted = [&](ConnectionId) -> std::optional<Refusal> {
    server_->endpoint->SetAcceptor(nullptr);
    return std::nullopt;
  };
  const ConnectionId second = Dial({server_->address()});
  ASSERT_TRUE(RunUntil([&] { return observer_.closed.contains(second); }));
  EXPECT_EQ(server_->endpoint->stats().incoming, 0U);
}

TEST_F(AcceptTest, BothDialEachOtherFromTheSameSockets) {
  Open();
  TestServer other(*loop_, server_options_);
  other.on_request = [&](TestServer::Stream& stream) { stream.Answer(AsVector("other")); };
  server_->on_request = [&](TestServer::Stream& stream) { stream.Answer(AsVector("server")); };
  Observer there;
  Observer back;
  const ConnectionId id =
      other.endpoint->Dial(server_->identity.node_id(), {server_->address()}, &there);
  const ConnectionId id_back =
      server_->endpoint->Dial(other.identity.node_id(), {other.address()}, &back);
  ASSERT_TRUE(RunUntil([&] { return there.connected.size() + back.connected.size() == 2; }));
  Reader a;
  Reader b;
  ASSERT_TRUE(other.endpoint->OpenRequest(id, AsVector("x"), &a).ok());
  ASSERT_TRUE(server_->endpoint->OpenRequest(id_back, AsVector("x"), &b).ok());
  ASSERT_TRUE(RunUntil([&] { return a.fin && b.fin; }));
  EXPECT_EQ(a.sum, SumOf(AsVector("server")));
  EXPECT_EQ(b.sum, SumOf(AsVector("other")));
}

// Others hear another id at each of our addresses (disco.h).
TEST_F(AcceptTest, WhoHasDialledUsHearsOneIdAsLongAsItVisits) {
  server_options_.listen = SocketAddress();
  const auto here4 = UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0));
  const auto here6 = UdpSocket::Open(*SocketAddress::Parse("[::1]:0"));
  if (!here6.ok()) GTEST_SKIP() << "there is no IPv6";
  Open();
  const NodeId own = server_->identity.node_id();
  const Identity visitor = Identity::Generate();
  DiscoName name(visitor.seed());
  // By which id the visitor hears of the server there.
  const auto heard_at = [&](UdpSocket& socket) {
    std::optional<NodeId> sender;
    UdpSocket::Take take = [&](const SocketAddress&, ByteView datagram) {
      if (const auto ping = name.Open(datagram)) sender = ping->first;
    };
    EXPECT_TRUE(loop_->Watch(socket.fd(), EPOLLIN, [&](uint32_t) { socket.Receive(take); }).ok());
    server_->endpoint->Probe(visitor.node_id(), socket.local_address());
    EXPECT_TRUE(RunUntil([&] { return sender.has_value(); }));
    loop_->Unwatch(socket.fd());
    return sender;
  };
  EXPECT_EQ(heard_at(**here4), own);
  EXPECT_NE(heard_at(**here6), own);
  const auto endpoint = std::move(*Endpoint::Open(*loop_, visitor, options_));
  const SocketAddress at = SocketAddress::V4({127, 0, 0, 1}, server_->address().port());
  Observer there;
  const ConnectionId first = endpoint->Dial(own, {at}, &there);
  const ConnectionId second = endpoint->Dial(own, {at}, &there);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 2; }));
  EXPECT_EQ(heard_at(**here6), own);
  endpoint->CloseConnection(first, 0);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 1; }));
  EXPECT_EQ(heard_at(**here6), own);
  endpoint->CloseConnection(second, 0);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  EXPECT_NE(heard_at(**here6), own);
}

TEST_F(AcceptTest, WindowsGrowWhenOthersGo) {
  options_.receive_budget = 2 << 20;
  options_.connection_window = 2 << 20;
  options_.stream_window = 4 << 20;
  Open();
  answer_ = Pattern(4 << 20);
  const ConnectionId first = Connect();   // 1 MiB
  const ConnectionId second = Connect();  // 512 KiB
  Reader filled;
  const StreamId stream = Request(second, "get", filled);
  ASSERT_TRUE(RunUntil([&] { return filled.size == 512 << 10; }));
  endpoint_->CloseConnection(first, 0);
  ASSERT_TRUE(RunUntil([&] { return server_->live() == 1; }));
  endpoint_->Consumed(second, stream, 1);
  ASSERT_TRUE(RunUntil([&] { return filled.size == (1 << 20) + 1; }));
  RunFor(milliseconds(20));
  EXPECT_EQ(filled.size, (1U << 20) + 1);
}

}  // namespace
}  // namespace blobd::quic
