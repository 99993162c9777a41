// Two connections over links of every kind, many seeds: whatever the link does, what arrives is
// right, and both sides come to an end.
#include <gtest/gtest.h>

#include "quic/simulated_link_for_test.h"

namespace blobd::quic {
namespace {

Bytes Content(uint64_t seed, size_t size) {
  Rng rng(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.Next());
  return bytes;
}

LinkOptions DrawLink(Rng& rng) {
  LinkOptions link;
  link.delay = rng.Between(microseconds(50), milliseconds(60));
  if (rng.Chance(0.5)) link.jitter = rng.Between(Duration(0), milliseconds(30));
  if (rng.Chance(0.5)) link.loss = 0.15 * static_cast<double>(rng.Below(100)) / 100;
  if (rng.Chance(0.5)) link.duplicate = 0.2;
  if (rng.Chance(0.5)) link.damage = 0.1;
  return link;
}

// One run: a few requests of drawn sizes, each answered with a drawn content, in both directions at
// once, and then an end in order.
void RunSeed(uint64_t seed) {
  Rng rng(seed);
  SimulatedLink link(seed, DrawLink(rng));
  link.client_options.keep_alive = seconds(5);
  link.client_options.handshake_timeout = link.server_options.handshake_timeout = seconds(60);
  if (rng.Chance(0.3)) link.client_options.payload = link.server_options.payload = {1452, false};
  if (rng.Chance(0.3)) link.server_options.payload = {65000, false};
  if (rng.Chance(0.3)) link.client_options.connection_window = 20000;
  if (rng.Chance(0.3)) link.client_options.stream_window = 5000;
  if (rng.Chance(0.5)) link.server_options.connection_window = 64 << 10;
  const bool moves = rng.Chance(0.3);
  uint64_t moves_left = moves ? 1 + rng.Below(10) : 0;

  std::map<StreamId, Bytes> answers;
  link.server.on_fin = [&](StreamId id) {
    EXPECT_TRUE(link.server.connection->Send(id, answers[id], true).ok());
  };
  link.Dial();
  ASSERT_TRUE(link.RunUntil([&] { return link.client.ready == 1 && link.server.ready == 1; }));
  EXPECT_EQ(link.server.connection->peer(), link.client_identity.node_id());
  Connection& client = *link.client.connection;
  std::map<StreamId, Bytes> requests;
  for (uint64_t n = 1 + rng.Below(6); n > 0; --n) {
    const auto id = client.OpenStream();
    ASSERT_TRUE(id.ok()) << id.status();
    requests[*id] = Content(seed + n, rng.Below(20000));
    answers[*id] = Content(seed * 31 + n, rng.Below(60000));
    ASSERT_TRUE(client.Send(*id, requests[*id], true).ok());
  }
  // Not before the client has heard of the handshake's end: until then it may not move.
  Instant next_move = Instant::Max();
  link.client.on_data = [&](StreamId) {
    if (next_move == Instant::Max()) next_move = link.now;
  };
  const auto done = [&] {
    if (moves_left > 0 && link.now >= next_move) {
      --moves_left;
      // Often back to where it was a moment ago.
      const auto port = static_cast<uint16_t>(1000 + rng.Below(3));
      link.client_address =
          SocketAddress::V4({192, 0, 2, static_cast<uint8_t>(1 + rng.Below(2))}, port);
      next_move = link.now + rng.Between(milliseconds(1), seconds(2));
    }
    if (link.server.connection->ended()) return true;
    for (const auto& [id, answer] : answers) {
      if (!link.client.streams[id].closed || !link.server.streams[id].closed) return false;
    }
    return true;
  };
  ASSERT_TRUE(link.RunUntil(done, seconds(600)));
  if (link.server.connection->ended()) {
    // A client that moves again and again may be lost, which is no harm beyond that.
    EXPECT_TRUE(moves);
    return;
  }
  for (const auto& [id, answer] : answers) {
    EXPECT_TRUE(link.client.streams[id].bytes == answer);
    EXPECT_TRUE(link.server.streams[id].bytes == requests[id]);
    EXPECT_EQ(link.server.streams[id].acknowledged, answer.size());
    EXPECT_FALSE(link.client.streams[id].close_code || link.server.streams[id].close_code);
  }
  // One side closes; the other hears it, or notices the silence.
  Peer& leaving = rng.Chance(0.5) ? link.client : link.server;
  Peer& staying = &leaving == &link.client ? link.server : link.client;
  leaving.connection->Close(seed, {}, link.now);
  leaving.connection = nullptr;
  ASSERT_TRUE(link.RunUntil([&] { return staying.connection->ended().has_value(); }, seconds(120)));
}

TEST(ConnectionLinksTest, TwoHundredSeeds) {
  for (uint64_t seed = 1; seed <= 200 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RunSeed(seed);
  }
}

bool Connect(SimulatedLink& link) {
  link.Dial();
  return link.RunUntil([&] { return link.client.ready == 1 && link.server.ready == 1; });
}

TEST(ConnectionLinksTest, ClientGoesBackToTheAddressItHasJustLeft) {
  // ngtcp2 0.12.1 ends the process when it hears an address that it left while it still validates
  // the next one, with path MTU discovery off, and with it on if the new address was first heard in
  // a small datagram.
  for (const bool probe : {false, true}) {
    SCOPED_TRACE(probe);
    SimulatedLink link(1, {});
    link.server_options.payload.probe = link.client_options.payload.probe = probe;
    const SocketAddress home = link.client_address;
    const SocketAddress away = SocketAddress::V4({192, 0, 2, 7}, 999);
    ASSERT_TRUE(Connect(link));
    for (int i = 0; i < 50; ++i) {
      link.client_address = i % 2 == 0 ? away : home;
      const auto id = link.client.connection->OpenStream();
      if (id.ok()) {
        ASSERT_TRUE(link.client.connection->Send(*id, {1, 2, 3}, true).ok());
        link.client.connection->StopStream(*id, 0);
      }
      link.Step();
      for (int steps = 0; steps < i % 7; ++steps) link.Step();
    }
    link.client_address = home;
    link.server.on_fin = [&](StreamId id) {
      EXPECT_TRUE(link.server.connection->Send(id, {9}, true).ok());
    };
    link.client_options.keep_alive = seconds(1);
    std::optional<StreamId> last;
    ASSERT_TRUE(link.RunUntil([&] {
      if (!last) {
        const auto id = link.client.connection->OpenStream();
        if (!id.ok()) return false;
        last = *id;
        EXPECT_TRUE(link.client.connection->Send(*id, {5}, true).ok());
      }
      return link.client.streams[*last].fin;
    }));
    EXPECT_EQ(link.server.connection->remote(), home);
  }
}

TEST(ConnectionLinksTest, NewAddressIsNotBelievedBeforeItIsProven) {
  SimulatedLink link(1, {});
  const Bytes answer = Content(1, 8 << 20);
  link.server.on_fin = [&](StreamId id) {
    EXPECT_TRUE(link.server.connection->Send(id, answer, true).ok());
  };
  ASSERT_TRUE(Connect(link));
  const StreamId id = *link.client.connection->OpenStream();
  ASSERT_TRUE(link.client.connection->Send(id, {1}, true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].size > 500000; }));
  // What the client sends appears from somewhere else, where nobody answers: there, no more than
  // three times of what came is sent, although the peer asked for 8 MiB.
  const SocketAddress home = link.client_address;
  const SocketAddress elsewhere = SocketAddress::V4({198, 51, 100, 1}, 7);
  link.client_address = elsewhere;
  const StreamId small = *link.client.connection->OpenStream();
  ASSERT_TRUE(link.client.connection->Send(small, {1}, true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.server.connection->remote() == elsewhere; }));
  link.client_address = home;  // the client itself goes on, but is not heard
  link.options.loss = 1;
  link.RunUntil([&] { return false; }, seconds(2));
  EXPECT_GT(link.traffic[elsewhere].to_client, 0U);
  EXPECT_LE(link.traffic[elsewhere].to_client, 3 * link.traffic[elsewhere].to_server);
  link.options.loss = 0;
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].fin; }));
  EXPECT_TRUE(link.client.streams[id].bytes == answer);
  EXPECT_EQ(link.server.connection->remote(), home);
}

TEST(ConnectionLinksTest, NoMoreThanThreeTimesWhatCameBeforeTheAddressIsProven) {
  for (const size_t payload : {size_t{1452}, size_t{65000}}) {
    SCOPED_TRACE(payload);
    SimulatedLink link(1, {});
    link.server_options.payload = {payload, false};
    link.server_options.handshake_timeout = seconds(20);
    link.Dial();
    const SimulatedLink::Traffic& traffic = link.traffic[link.client_address];
    EXPECT_EQ(traffic.to_server, 1200U);
    ASSERT_TRUE(link.RunUntil([&] { return link.server.connection != nullptr; }));
    // The server hears nothing more.
    link.client.connection = nullptr;
    link.RunUntil([&] { return link.server.connection->ended().has_value(); });
    EXPECT_TRUE(link.server.connection->ended().has_value());
    EXPECT_EQ(traffic.to_server, 1200U);
    EXPECT_GT(traffic.to_client, 0U);
    EXPECT_LE(traffic.to_client, 3 * traffic.to_server);
  }
}

TEST(ConnectionLinksTest, LargeDatagramsThatGetLostAreGivenUp) {
  LinkOptions narrow;
  narrow.mtu = 1472;
  SimulatedLink link(1, narrow);
  link.server_options.payload = {8952, false};
  link.server_options.idle_timeout = seconds(10);
  const Bytes answer = Content(1, 300000);
  link.server.on_fin = [&](StreamId id) {
    EXPECT_TRUE(link.server.connection->Send(id, answer, true).ok());
  };
  ASSERT_TRUE(Connect(link));
  EXPECT_FALSE(link.server.connection->TakeLargeLost());
  const StreamId id = *link.client.connection->OpenStream();
  ASSERT_TRUE(link.client.connection->Send(id, {1}, true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].fin; }, seconds(8)));
  EXPECT_TRUE(link.client.streams[id].bytes == answer);
  EXPECT_TRUE(link.server.connection->TakeLargeLost());
  EXPECT_FALSE(link.server.connection->TakeLargeLost());  // told once
}

TEST(ConnectionLinksTest, LargeDatagramsThatArrivedAreNotGivenUpWhenTheLinkIsDark) {
  SimulatedLink link(1, {});
  link.server_options.payload = {8952, false};
  const Bytes answer = Content(1, 3 << 20);
  link.server.on_fin = [&](StreamId id) {
    EXPECT_TRUE(link.server.connection->Send(id, answer, true).ok());
  };
  ASSERT_TRUE(Connect(link));
  const StreamId id = *link.client.connection->OpenStream();
  ASSERT_TRUE(link.client.connection->Send(id, {1}, true).ok());
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].size > 1000000; }));
  link.options.mtu = 0;
  link.RunUntil([&] { return false; }, seconds(5));
  EXPECT_FALSE(link.client.connection->ended() || link.server.connection->ended());
  link.options.mtu = 65535;
  ASSERT_TRUE(link.RunUntil([&] { return link.client.streams[id].fin; }));
  EXPECT_TRUE(link.client.streams[id].bytes == answer);
  EXPECT_FALSE(link.server.connection->TakeLargeLost());
}

}  // namespace
}  // namespace blobd::quic
