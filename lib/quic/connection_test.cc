#include "quic/connection.h"

#include <gtest/gtest.h>

#include "quic/simulated_link_for_test.h"

namespace blobd::quic {
namespace {

Bytes Pattern(size_t size) {
  Bytes bytes(size);
  uint32_t x = 1;
  for (uint8_t& byte : bytes) {
    x = x * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(x >> 24);
  }
  return bytes;
}

Bytes Request() { return {'g', 'e', 't'}; }

// The server answers each request, once it is whole, with `answer` and the end of the stream.
void Serve(SimulatedLink& link, const Bytes& answer) {
  link.server.on_fin = [&link, &answer](StreamId id) {
    EXPECT_TRUE(link.server.connection->Send(id, answer, true).ok());
  };
}

bool Connect(SimulatedLink& link) {
  link.Dial();
  return link.RunUntil([&] { return link.client.ready == 1 && link.server.ready == 1; });
}

TEST(ConnectionTest, BothSidesLearnWhoThePeerIs) {
  SimulatedLink link(1, {});
  ASSERT_TRUE(Connect(link));
  EXPECT_EQ(link.client.connection->peer(), link.server_identity.node_id());
  EXPECT_EQ(link.server.connection->peer(), link.client_identity.node_id());
  // One round trip for the handshake, and no pacing within it.
  EXPECT_LT(link.now, Instant::FromNanos(1'000'000'000) + milliseconds(25));
  EXPECT_GT(link.client.connection->rtt(), milliseconds(9));
  EXPECT_GT(link.client.cids, 1);
}

TEST(ConnectionTest, RequestAndAnswer) {
  SimulatedLink link(1, {});
  const Bytes answer = Pattern(100000);
  Serve(link, answer);
  ASSERT_TRUE(Connect(link));
  const auto id = link.client.connection->OpenStream();
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_TRUE(link.client.connection->Send(*id, Request(), true).ok());
  EXPECT_EQ(link.client.connection->Send(*id, Request(), true).code(), StatusCode::kNotFound);
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[*id].closed; }));
  EXPECT_EQ(link.server.streams[*id].bytes, Request());
  EXPECT_EQ(link.client.streams[*id].bytes, answer);
  EXPECT_TRUE(link.client.streams[*id].fin);
  EXPECT_EQ(link.client.streams[*id].acknowledged, Request().size());
  ASSERT_TRUE(link.RunUntil([&] { return link.server.streams[*id].closed; }));
  EXPECT_EQ(link.server.streams[*id].acknowledged, answer.size());
}

struct LossCase {
  const char* name;
  LinkOptions options;
};

TEST(ConnectionTest, TransfersOverBadLinks) {
  const std::vector<LossCase> cases = {
      {"good", {}},
      {"loss", {0.02, 0, milliseconds(5), {}}},
      {"reordering", {0, 0, milliseconds(5), milliseconds(5)}},
      {"everything", {0.05, 0.05, milliseconds(10), milliseconds(10)}},
  };
  const Bytes answer = Pattern(8 << 20);
  for (const LossCase& c : cases) {
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      SCOPED_TRACE(std::string(c.name) + ", seed " + std::to_string(seed));
      SimulatedLink link(seed, c.options);
      Serve(link, answer);
      ASSERT_TRUE(Connect(link));
      const auto id = link.client.connection->OpenStream();
      ASSERT_TRUE(link.client.connection->Send(*id, Request(), true).ok());
      ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[*id].fin; }, seconds(600)));
      EXPECT_TRUE(link.client.streams[*id].bytes == answer);
    }
  }
}

TEST(ConnectionTest, HandshakeSurvivesHeavyLoss) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    SimulatedLink link(seed, {0.3, 0.1, milliseconds(20), milliseconds(20)});
    EXPECT_TRUE(Connect(link));
  }
}

TEST(ConnectionTest, WrongIdentityIsRefused) {
  SimulatedLink link(1, {});
  link.Dial(Identity::Generate().node_id());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.connection->ended().has_value(); }));
  EXPECT_EQ(link.client.connection->ended()->kind, CloseReason::Kind::kWrongIdentity);
  EXPECT_EQ(link.client.ready, 0);
  EXPECT_FALSE(link.client.connection->peer().has_value());
  // The server is told by a TLS alert.
  ASSERT_TRUE(link.RunUntil([&] { return link.server.connection->ended().has_value(); }));
  EXPECT_EQ(link.server.connection->ended()->code, 0x12aU);
  EXPECT_EQ(link.server.ready, 0);
}

TEST(ConnectionTest, ReaderThatDoesNotConsumeStopsOnlyItsSender) {
  SimulatedLink link(1, {});
  link.client_options.keep_alive = seconds(1);
  link.client_options.stream_window = 100000;
  link.client_options.connection_window = 250000;
  const Bytes answer = Pattern(300000);
  Serve(link, answer);
  ASSERT_TRUE(Connect(link));
  link.client.consume = false;
  Connection& client = *link.client.connection;
  const StreamId slow = *client.OpenStream();
  ASSERT_TRUE(client.Send(slow, Request(), true).ok());
  ASSERT_FALSE(link.RunUntil([&] { return link.client.streams[slow].size > 100000; }, seconds(5)));
  EXPECT_EQ(link.client.streams[slow].size, 100000U);

  link.client.on_data = [&, seen = uint64_t{0}](StreamId id) mutable {
    if (id == slow) return;
    client.Consumed(id, link.client.streams[id].size - seen);
    seen = link.client.streams[id].size;
  };
  const StreamId quick = *client.OpenStream();
  ASSERT_TRUE(client.Send(quick, Request(), true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[quick].fin; }));
  EXPECT_EQ(link.client.streams[slow].size, 100000U);

  link.client.on_data = nullptr;
  link.client.consume = true;
  client.Consumed(slow, 1 << 30);  // more than was delivered counts for what was
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[slow].fin; }));
  EXPECT_TRUE(link.client.streams[slow].bytes == answer);
}

TEST(ConnectionTest, ConnectionWindowComesBackAfterStopsAndEnds) {
  // Far more than the connection window goes through streams that are stopped half-way, or end
  // without having been consumed; a leak of credit would dry the connection up.
  SimulatedLink link(1, {});
  link.client_options.stream_window = 60000;
  link.client_options.connection_window = 100000;
  const Bytes answer = Pattern(50000);
  Serve(link, answer);
  ASSERT_TRUE(Connect(link));
  link.client.consume = false;
  Connection& client = *link.client.connection;
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    const auto id = client.OpenStream();
    ASSERT_TRUE(id.ok()) << id.status();
    ASSERT_TRUE(client.Send(*id, Request(), true).ok());
    if (round % 3 == 0) {
      link.client.on_data = [&](StreamId stream) { client.StopStream(stream, 7); };
      ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[*id].closed; }));
      EXPECT_FALSE(link.client.streams[*id].fin);
    } else {
      link.client.on_data = nullptr;
      ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[*id].closed; }));
      EXPECT_EQ(link.client.streams[*id].size, answer.size());
      if (round % 3 == 1) client.Consumed(*id, answer.size());
      if (round % 3 == 2) client.StopStream(*id, 0);  // closed: only gives the credit back
      client.Consumed(*id, answer.size());            // late: counts no more
    }
  }
}

TEST(ConnectionTest, StoppedStreamIsResetByThePeerWithTheSameCode) {
  SimulatedLink link(1, {});
  const Bytes answer = Pattern(4 << 20);
  Serve(link, answer);
  ASSERT_TRUE(Connect(link));
  Connection& client = *link.client.connection;
  const StreamId id = *client.OpenStream();
  ASSERT_TRUE(client.Send(id, Request(), true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].size > 100000; }));
  client.StopStream(id, 9);
  const uint64_t size = link.client.streams[id].size;
  ASSERT_TRUE(link.RunUntil(
      [&] { return link.client.streams[id].closed && link.server.streams[id].closed; }));
  EXPECT_EQ(link.server.streams[id].close_code, 9U);
  EXPECT_EQ(link.client.streams[id].size, size);
  EXPECT_FALSE(link.client.streams[id].fin || link.client.streams[id].reset);
}

TEST(ConnectionTest, ResetByThePeerArrivesWithItsCode) {
  SimulatedLink link(1, {});
  link.server.on_fin = [&](StreamId id) { link.server.connection->StopStream(id, 3); };
  ASSERT_TRUE(Connect(link));
  const StreamId id = *link.client.connection->OpenStream();
  ASSERT_TRUE(link.client.connection->Send(id, Request(), true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].closed; }));
  EXPECT_EQ(link.client.streams[id].reset, 3U);
  EXPECT_FALSE(link.client.streams[id].fin);
}

TEST(ConnectionTest, StreamsAreLimitedByThePeer) {
  SimulatedLink link(1, {});
  link.server_options.peer_streams = 2;
  const Bytes answer = Pattern(10);
  Serve(link, answer);
  ASSERT_TRUE(Connect(link));
  Connection& client = *link.client.connection;
  const StreamId first = *client.OpenStream();
  ASSERT_TRUE(client.OpenStream().ok());
  EXPECT_EQ(client.OpenStream().status().code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(client.Send(first, Request(), true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.server.streams[first].closed; }));
  ASSERT_TRUE(link.RunUntil([&] { return client.OpenStream().ok(); }));
}

TEST(ConnectionTest, CloseReachesThePeer) {
  SimulatedLink link(1, {});
  ASSERT_TRUE(Connect(link));
  link.server.connection->Close(42, "enough", link.now);
  const Bytes farewell = link.server.connection->farewell();
  ASSERT_FALSE(farewell.empty());
  link.client.connection->Receive(link.server_address, farewell, link.now);
  ASSERT_TRUE(link.client.connection->ended().has_value());
  EXPECT_EQ(link.client.connection->ended()->kind, CloseReason::Kind::kPeerClosed);
  EXPECT_EQ(link.client.connection->ended()->code, 42U);
  EXPECT_EQ(link.client.connection->OpenStream().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(link.client.connection->NextDeadline(), Instant::Max());
}

TEST(ConnectionTest, SilenceEndsTheConnectionAndKeepAlivePreventsIt) {
  for (const bool keep_alive : {false, true}) {
    SCOPED_TRACE(keep_alive);
    SimulatedLink link(1, {});
    link.client_options.idle_timeout = link.server_options.idle_timeout = seconds(3);
    if (keep_alive) link.client_options.keep_alive = seconds(1);
    ASSERT_TRUE(Connect(link));
    const bool ended =
        link.RunUntil([&] { return link.client.connection->ended().has_value(); }, seconds(20));
    EXPECT_EQ(ended, !keep_alive);
    if (ended) {
      EXPECT_EQ(link.client.connection->ended()->kind, CloseReason::Kind::kLost);
    }
  }
}

TEST(ConnectionTest, DeadLinkEndsTheHandshakeAndTheConnection) {
  SimulatedLink link(1, {1.0, 0, milliseconds(5), {}});
  link.client_options.handshake_timeout = seconds(4);
  link.Dial();
  ASSERT_TRUE(link.RunUntil([&] { return link.client.connection->ended().has_value(); }));
  EXPECT_EQ(link.client.connection->ended()->kind, CloseReason::Kind::kLost);

  SimulatedLink broken(2, {});
  ASSERT_TRUE(Connect(broken));
  broken.options.loss = 1;
  ASSERT_TRUE(
      broken.client.connection->Send(*broken.client.connection->OpenStream(), Request(), true)
          .ok());
  ASSERT_TRUE(broken.RunUntil([&] { return broken.client.connection->ended().has_value(); }));
}

TEST(ConnectionTest, GarbageIsIgnored) {
  SimulatedLink link(1, {});
  ASSERT_TRUE(Connect(link));
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    Bytes junk(rng.Below(1500) + 1);
    for (uint8_t& byte : junk) byte = static_cast<uint8_t>(rng.Next());
    link.now = link.now + milliseconds(2);
    EXPECT_FALSE(link.client.connection->Receive(link.server_address, junk, link.now));
    EXPECT_FALSE(link.server.connection->Receive(link.client_address, junk, link.now));
  }
  // Nor is it a sign of life.
  EXPECT_TRUE(link.client.connection->silence().lasts(link.now));
  EXPECT_FALSE(link.client.connection->ended().has_value());
  EXPECT_FALSE(link.server.connection->ended().has_value());
}

}  // namespace
}  // namespace blobd::quic
