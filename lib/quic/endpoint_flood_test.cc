// Hostile senders against an endpoint that serves: it stays bounded, and serves.
#include <gtest/gtest.h>

#include "quic/datagrams_for_test.h"
#include "quic/disco.h"
#include "quic/endpoint_fixture_for_test.h"

namespace blobd::quic {
namespace {

class FloodTest : public EndpointFixture {
 protected:
  FloodTest() : stranger_(std::move(*UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0)))) {
    take_ = [this](const SocketAddress&, ByteView datagram) {
      ++answers_;
      answer_bytes_ += datagram.size();
      last_answer_.assign(datagram.begin(), datagram.end());
    };
    EXPECT_TRUE(
        loop_->Watch(stranger_->fd(), EPOLLIN, [this](uint32_t) { stranger_->Receive(take_); })
            .ok());
  }
  ~FloodTest() override { loop_->Unwatch(stranger_->fd()); }

  void Throw(ByteView datagram) {
    if (datagram.empty()) return;
    thrown_bytes_ += datagram.size();
    stranger_->Send(server_->address(), datagram, datagram.size());
    // The server reads before its socket is full.
    if (++thrown_ % 64 == 0) RunUntil([turns = 0]() mutable { return ++turns > 2; });
  }
  // A node that means well still gets its answer.
  void ExpectService() {
    const ConnectionId id = Connect();
    Reader reader;
    StreamId stream = *endpoint_->OpenRequest(id, AsVector("get"), &reader);
    ConsumeAll(reader, id, stream);
    ASSERT_TRUE(RunUntil([&] { return reader.fin; }));
    EXPECT_EQ(reader.sum, SumOf(answer_));
    endpoint_->CloseConnection(id, 0);
    ASSERT_TRUE(RunUntil([&] { return server_->live() == 0; }));
  }

  Rng rng_{4711};
  std::unique_ptr<UdpSocket> stranger_;
  UdpSocket::Take take_;
  uint64_t thrown_ = 0;
  uint64_t thrown_bytes_ = 0;
  uint64_t answers_ = 0;
  uint64_t answer_bytes_ = 0;
  Bytes last_answer_;
};

TEST_F(FloodTest, Garbage) {
  Open();
  const Bytes first = FirstDatagram(server_->identity.node_id(), loop_->Now());
  for (int i = 0; i < 5000; ++i) {
    Bytes datagram = first;
    switch (rng_.Below(4)) {
      case 0:  // anything
        datagram = RandomBytes(rng_, rng_.Below(1500));
        break;
      case 1:  // a truncated Initial
        datagram.resize(rng_.Below(datagram.size()));
        break;
      case 2:  // one with bits turned
        for (int n = 0; n < 3; ++n) {
          datagram[rng_.Below(datagram.size())] ^= static_cast<uint8_t>(1 << rng_.Below(8));
        }
        break;
      default:  // a long header with nothing sensible behind it
        for (size_t at = 30; at < datagram.size(); ++at) {
          datagram[at] = static_cast<uint8_t>(rng_.Next());
        }
    }
    Throw(datagram);
  }
  RunFor(milliseconds(20));
  EXPECT_LT(answer_bytes_, thrown_bytes_);
  EXPECT_TRUE(server_->accepted.empty());
  EXPECT_LE(server_->endpoint->stats().incoming, server_options_.incoming_per_address);
  ExpectService();
}

TEST_F(FloodTest, FirstDatagramsOfManyClientsThatNeverFollowUp) {
  server_options_.handshake_timeout = milliseconds(500);
  server_options_.half_open_before_retry = 8;
  Open();
  for (int i = 0; i < 300; ++i) {
    Throw(FirstDatagram(server_->identity.node_id(), loop_->Now()));
    EXPECT_LE(server_->endpoint->stats().half_open, 8U);
  }
  RunFor(milliseconds(20));
  EXPECT_GT(server_->endpoint->stats().strangers.retries, 200U);
  EXPECT_LE(answer_bytes_, 3 * thrown_bytes_);
  // A real client follows the Retry.
  ExpectService();
  ASSERT_TRUE(RunUntil([&] { return server_->endpoint->stats().half_open == 0; }));
}

TEST_F(FloodTest, UnknownVersionIsAnsweredAsAProbeWants) {
  Open();
  Bytes probe(1200, 0);
  probe[0] = 0xc0;
  probe[1] = probe[2] = probe[3] = probe[4] = 0x0a;
  probe[5] = 8;
  probe[14] = 8;
  Throw(probe);
  ASSERT_TRUE(RunUntil([&] { return answers_ == 1; }));
  EXPECT_EQ(Bytes(last_answer_.begin() + 1, last_answer_.begin() + 5), Bytes(4, 0));
  EXPECT_EQ(server_->endpoint->stats().strangers.version_answers, 1U);
}

TEST_F(FloodTest, PingsOfAThousandNodes) {
  Open();
  constexpr int kNodes = 1000;
  std::vector<Bytes> pings;
  for (int i = 0; i < kNodes; ++i) {
    Disco disco(Identity::Generate());
    pings.push_back(*disco.Ping(server_->identity.node_id()));
  }
  const Instant start = loop_->Now();
  for (const Bytes& ping : pings) Throw(ping);
  RunFor(milliseconds(20));
  // A burst of 16 for the address they all come from, and 4 in each second.
  const auto elapsed = static_cast<uint64_t>((loop_->Now() - start) / seconds(1));
  EXPECT_GE(answers_, 1U);
  EXPECT_LE(answers_, 16 + 4 * (elapsed + 1));
  EXPECT_LE(answer_bytes_, thrown_bytes_);
  ExpectService();
}

TEST_F(FloodTest, StreamsThatNeverFinish) {
  server_options_.peer_streams = 8;
  Open();
  server_->on_request = nullptr;
  server_->consume = false;
  const ConnectionId id = Connect();
  std::vector<Reader> readers(9);
  for (size_t i = 0; i < 8; ++i) {
    // More than a connection may send: what is not read is not taken.
    ASSERT_TRUE(endpoint_->OpenRequest(id, Bytes(100000, 1), &readers[i]).ok());
  }
  EXPECT_EQ(endpoint_->OpenRequest(id, AsVector("get"), &readers[8]).status().code(),
            StatusCode::kResourceExhausted);
  const auto delivered = [&] {
    uint64_t bytes = 0;
    for (const auto& stream : server_->streams) bytes += stream->request.size();
    return bytes;
  };
  ASSERT_TRUE(RunUntil([&] { return delivered() == 64 << 10; }));
  RunFor(milliseconds(20));
  EXPECT_EQ(delivered(), 64U << 10);
  EXPECT_LE(server_->streams.size(), 8U);
  // The server stops them, and the places are free again.
  for (const auto& stream : server_->streams) {
    server_->endpoint->StopStream(stream->connection, stream->id, 2);
  }
  ASSERT_TRUE(RunUntil([&] { return readers[0].ends == 1; }));
  EXPECT_EQ(readers[0].reset, 2U);
  ASSERT_TRUE(RunUntil([&] { return endpoint_->OpenRequest(id, {}, &readers[8]).ok(); }));
}

}  // namespace
}  // namespace blobd::quic
