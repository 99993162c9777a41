// A client that moves its connection to another address of the server.
#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic/simulated_link_for_test.h"

namespace blobd::quic {
namespace {

using MoveStart = Connection::MoveStart;

const SocketAddress kOther = SocketAddress::V4({198, 51, 100, 2}, 2000);
const SocketAddress kThird = SocketAddress::V6({0x20, 1, 0xd, 0xb8}, 2000);
constexpr size_t kAnswer = 4'000'000;

class MoveTest : public testing::Test {
 protected:
  MoveTest() {
    link_.places[kOther] = {SocketAddress::V4({198, 51, 100, 1}, 1000), milliseconds(2)};
    link_.places[kThird] = {SocketAddress::V6({0x20, 1, 0xd, 0xb8, 1}, 1000), milliseconds(9)};
    link_.client_options.keep_alive = seconds(1);
    link_.client.keep_bytes = false;
    link_.server.on_fin = [&](StreamId id) {
      EXPECT_TRUE(link_.server.connection->Send(id, Bytes(kAnswer, 7), true).ok());
    };
    link_.Dial();
    EXPECT_TRUE(link_.RunUntil([&] { return link_.client.ready == 1; }));
    stream_ = *client().OpenStream();
    EXPECT_TRUE(client().Send(stream_, Bytes(40, 1), true).ok());
    EXPECT_TRUE(link_.RunUntil([&] { return received() > 100'000; }));
  }
  Connection& client() { return *link_.client.connection; }
  uint64_t received() { return link_.client.streams[stream_].size; }
  bool RunUntilMoved(size_t times = 1) {
    return link_.RunUntil([&] { return link_.client.moves.size() == times; });
  }
  bool Finish() {
    return link_.RunUntil([&] { return link_.client.streams[stream_].fin; }) &&
           received() == kAnswer;
  }
  // A server that has forgotten all ids says so of each of them, from that place.
  void SendResetsFrom(const SocketAddress& place) {
    const auto& secret = link_.server_options.reset_secret;
    for (const Cid& id : link_.server.all_cids) {
      ngtcp2_cid cid;
      ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
      Bytes reset(40, 0x41);
      ASSERT_EQ(ngtcp2_crypto_generate_stateless_reset_token(reset.data() + reset.size() - 16,
                                                             secret.data(), secret.size(), &cid),
                0);
      if (!client().ended()) client().Receive(place, reset, link_.now);
    }
  }
  SimulatedLink link_{1, {.delay = milliseconds(20)}};
  StreamId stream_ = 0;
};

using Moves = std::vector<std::pair<SocketAddress, bool>>;

TEST_F(MoveTest, TheTransferGoesOnOverTheOtherPath) {
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  ASSERT_TRUE(RunUntilMoved());
  EXPECT_EQ(link_.client.moves, (Moves{{kOther, true}}));
  EXPECT_EQ(client().remote(), kOther);
  const uint64_t before = link_.traffic[link_.client_address].to_client;
  EXPECT_TRUE(Finish());
  // All but what was on its way.
  EXPECT_LT(link_.traffic[link_.client_address].to_client - before, kAnswer / 4);
  EXPECT_LT(client().latest_rtt(), milliseconds(20));
}

TEST_F(MoveTest, WhatBecomesOfAMoveThatAnotherReplacesIsNotTold) {
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  ASSERT_EQ(client().Move(kOther, true, link_.now), MoveStart::kBegun);
  ASSERT_TRUE(RunUntilMoved());
  EXPECT_EQ(link_.client.moves, (Moves{{kOther, true}}));
  EXPECT_TRUE(Finish());
}

TEST_F(MoveTest, ItStaysWhereItIsIfNobodyIsThere) {
  link_.places[kOther].dark = true;
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  EXPECT_TRUE(Finish()) << "meanwhile the old path carries everything";
  ASSERT_TRUE(RunUntilMoved());
  EXPECT_EQ(link_.client.moves, (Moves{{kOther, false}}));
  EXPECT_EQ(client().remote(), link_.server_address);
  EXPECT_FALSE(client().ended());
}

TEST_F(MoveTest, FromADarkPathItMovesAtOnce) {
  link_.dark = true;
  const Instant start = link_.now;
  link_.RunUntil([&] { return link_.now >= start + seconds(2); });
  const uint64_t stuck = received();
  ASSERT_LT(stuck, kAnswer);
  ASSERT_EQ(client().Move(kOther, true, link_.now), MoveStart::kBegun);
  EXPECT_EQ(client().remote(), kOther);
  ASSERT_TRUE(link_.RunUntil([&] { return received() > stuck; }, seconds(2)));
  EXPECT_TRUE(Finish());
  EXPECT_EQ(link_.client.moves, (Moves{{kOther, true}}));
}

TEST_F(MoveTest, BackAndForth) {
  const SocketAddress home = link_.server_address;
  size_t moves = 0;
  for (const SocketAddress& to : {kOther, home, kThird, kOther, home, kOther}) {
    SCOPED_TRACE(moves);
    MoveStart begun = client().Move(to, false, link_.now);
    // The peer gives new ids for those that were used up.
    link_.RunUntil([&] {
      if (begun == MoveStart::kNotYet) begun = client().Move(to, false, link_.now);
      return begun != MoveStart::kNotYet;
    });
    ASSERT_EQ(begun, MoveStart::kBegun);
    ASSERT_TRUE(RunUntilMoved(++moves));
    EXPECT_EQ(link_.client.moves.back(), (std::pair<SocketAddress, bool>(to, true)));
    EXPECT_EQ(client().remote(), to);
  }
  EXPECT_TRUE(Finish());
}

// What is still on its way on the old path reaches the server after it has heard that the id there
// is retired.
TEST_F(MoveTest, AResetOfTheIdThatTheMoveRetiredIsNothing) {
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  ASSERT_TRUE(RunUntilMoved());
  SendResetsFrom(link_.server_address);
  EXPECT_FALSE(client().ended());
  EXPECT_TRUE(Finish());
}

TEST_F(MoveTest, AResetOfTheIdThatAMoveAtOnceRetiredIsNothing) {
  ASSERT_EQ(client().Move(kOther, true, link_.now), MoveStart::kBegun);
  SendResetsFrom(link_.server_address);
  EXPECT_FALSE(client().ended());
  EXPECT_TRUE(Finish());
}

TEST_F(MoveTest, AResetOfAnIdInUseEndsTheConnection) {
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  ASSERT_TRUE(RunUntilMoved());
  SendResetsFrom(kOther);
  ASSERT_TRUE(client().ended());
  EXPECT_EQ(client().ended()->reason, "the peer has forgotten the connection");
}

TEST_F(MoveTest, AResetFromWhereItIsAboutToGoEndsTheConnection) {
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  SendResetsFrom(kOther);
  EXPECT_TRUE(client().ended());
}

TEST_F(MoveTest, NotBeforeTheHandshakeIsConfirmed) {
  SimulatedLink fresh(2, {});
  fresh.places = link_.places;
  fresh.Dial();
  EXPECT_EQ(fresh.client.connection->Move(kOther, false, fresh.now), MoveStart::kNotYet);
}

TEST_F(MoveTest, OnlyTheServersPlacesAreHeard) {
  EXPECT_TRUE(client().Expects(link_.server_address));
  EXPECT_FALSE(client().Expects(kOther));
  ASSERT_EQ(client().Move(kOther, false, link_.now), MoveStart::kBegun);
  EXPECT_TRUE(client().Expects(kOther));
  ASSERT_TRUE(RunUntilMoved());
  EXPECT_TRUE(client().Expects(link_.server_address)) << "what is late comes from there";
}

}  // namespace
}  // namespace blobd::quic
