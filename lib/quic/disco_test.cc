#include "quic/disco.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "base/hex.h"
#include "base/vectors_for_test.h"

namespace blobd::quic {
namespace {

// The captured datagrams (shared/protocol/vectors/transport/disco-0.35.json). The file is flat
// enough to be searched.
class Vectors {
 public:
  Vectors() {
    std::ifstream file(VectorsFolder() + "/transport/disco-0.35.json");
    text_.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<std::string> All(const std::string& name) const {
    const std::regex pattern("\"" + name + "\": *\"?([0-9a-f]+)");
    std::vector<std::string> found;
    for (std::sregex_iterator it(text_.begin(), text_.end(), pattern), end; it != end; ++it) {
      found.push_back((*it)[1]);
    }
    return found;
  }

 private:
  std::string text_;
};

Bytes Unhex(const std::string& text) { return FromHex(text).value_or(Bytes()); }

const SocketAddress kFrom = SocketAddress::V4({192, 0, 2, 1}, 4433);

TEST(DiscoTest, OpensWhatARealNodeSent) {
  const Vectors vectors;
  ASSERT_EQ(vectors.All("datagram_hex").size(), 2U);
  const Identity me = Identity::FromSeed(Unhex(vectors.All("my_ed25519_seed_hex")[0]));
  EXPECT_EQ(me.node_id().ToHex(), vectors.All("my_id_hex")[0]);
  DiscoName disco(me.seed());
  for (size_t i = 0; i < 2; ++i) {
    const auto opened = disco.Open(Unhex(vectors.All("datagram_hex")[i]));
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->first.ToHex(), vectors.All("node_id_hex")[0]);
    EXPECT_EQ(ToHex(EncodeDisco(opened->second)), vectors.All("plaintext_hex")[i]);
  }
  const auto pong = disco.Open(Unhex(vectors.All("datagram_hex")[0]));
  const auto* seen = std::get_if<DiscoPong>(&pong->second);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(ToHex(seen->transaction), vectors.All("my_ping_txid_hex")[0]);
  EXPECT_EQ(seen->seen, SocketAddress::V4({127, 0, 0, 1}, 60645));
}

TEST(DiscoTest, AnswersARealPing) {
  const Vectors vectors;
  Disco disco(Identity::FromSeed(Unhex(vectors.All("my_ed25519_seed_hex")[0])));
  const Bytes ping = Unhex(vectors.All("datagram_hex")[1]);
  const auto pong = disco.Answer(ping, kFrom, Instant());
  ASSERT_TRUE(pong.has_value());
  EXPECT_LE(pong->size(), ping.size());
  EXPECT_FALSE(disco.Answer(Unhex(vectors.All("datagram_hex")[0]), kFrom, Instant()));  // a pong
}

TEST(DiscoTest, PingAndPongBetweenTwo) {
  const Identity a = Identity::Generate();
  const Identity b = Identity::Generate();
  Disco alice(a);
  Disco bob(b);
  const auto ping = alice.Ping(b.node_id());
  ASSERT_TRUE(ping.has_value());
  EXPECT_EQ(ping->size(), 124U);
  EXPECT_TRUE(IsDisco(*ping));
  const auto pong = bob.Answer(*ping, kFrom, Instant());
  ASSERT_TRUE(pong.has_value());
  const auto opened = DiscoName(a.seed()).Open(*pong);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->first, b.node_id());
  EXPECT_EQ(std::get<DiscoPong>(opened->second).seen, kFrom);
}

// To the node we are somebody else at each address of ours but the first.
TEST(DiscoTest, EachOfOurAddressesHasAnIdOfItsOwn) {
  const Identity a = Identity::Generate();
  const Identity b = Identity::Generate();
  const Identity c = Identity::Generate();
  Disco alice(a);
  DiscoName bob(b.seed());
  const SocketAddress first = SocketAddress::V4({192, 0, 2, 8}, 0);
  const SocketAddress second = SocketAddress::V4({192, 0, 2, 9}, 0);
  const auto sender = [&](const SocketAddress& source) {
    const auto ping = bob.Open(*alice.Ping(b.node_id(), source));
    EXPECT_EQ(std::get<DiscoPing>(ping->second).sender, ping->first);
    return ping->first;
  };
  EXPECT_EQ(sender(first), a.node_id());
  const NodeId other = sender(second);
  EXPECT_NE(other, a.node_id());
  EXPECT_EQ(sender(second), other);
  EXPECT_EQ(sender(first), a.node_id());
  EXPECT_EQ(bob.Open(*alice.Ping(b.node_id()))->first, a.node_id());
  EXPECT_EQ(DiscoName(c.seed()).Open(*alice.Ping(c.node_id(), second))->first, a.node_id());
  // Pings to either id are answered, where they came to.
  const auto to_other = *bob.Seal(other, DiscoPing{{7}, b.node_id()});
  EXPECT_FALSE(alice.Answer(to_other, kFrom, Instant(), first));
  const auto pong = alice.Answer(to_other, kFrom, Instant(), second);
  ASSERT_TRUE(pong.has_value());
  EXPECT_EQ(bob.Open(*pong)->first, other);
  EXPECT_TRUE(
      alice.Answer(*bob.Seal(a.node_id(), DiscoPing{{8}, b.node_id()}), kFrom, Instant(), second));
}

TEST(DiscoTest, DamagedDatagramsAreNothing) {
  const Identity b = Identity::Generate();
  Disco alice(Identity::Generate());
  DiscoName bob(b.seed());
  const Bytes ping = *alice.Ping(b.node_id());
  for (size_t i = 0; i < ping.size(); ++i) {
    Bytes damaged = ping;
    damaged[i] ^= 1;
    EXPECT_FALSE(bob.Open(damaged).has_value()) << i;
    EXPECT_FALSE(bob.Open(ByteView(ping).first(i)).has_value()) << i;
  }
  EXPECT_FALSE(bob.Open(Bytes(70000, 0x54)).has_value());
}

TEST(DiscoTest, DecodesStrictly) {
  EXPECT_FALSE(DecodeDisco({}));
  const Bytes ping = EncodeDisco(DiscoPing{});
  for (size_t i = 0; i < ping.size(); ++i) EXPECT_FALSE(DecodeDisco(ByteView(ping).first(i))) << i;
  Bytes longer = ping;
  longer.push_back(0);
  EXPECT_FALSE(DecodeDisco(longer));
  Bytes newer = ping;
  newer[1] = 1;
  EXPECT_FALSE(DecodeDisco(newer));
  const Bytes pong = EncodeDisco(DiscoPong{{}, kFrom});
  for (size_t i = 0; i < pong.size(); ++i) EXPECT_FALSE(DecodeDisco(ByteView(pong).first(i))) << i;
  EXPECT_TRUE(DecodeDisco(EncodeDisco(DiscoPong{})));
}

TEST(DiscoTest, KeysOfSmallOrderAreRefused) {
  Disco disco(Identity::Generate());
  NodeId neutral;
  neutral.bytes[0] = 1;
  EXPECT_FALSE(disco.Ping(neutral).has_value());
  EXPECT_FALSE(disco.Ping(NodeId()).has_value());
}

TEST(DiscoTest, AnswersWithinABudgetPerAddressAndInAll) {
  const Identity b = Identity::Generate();
  Disco alice(Identity::Generate());
  Disco bob(b);
  const Bytes ping = *alice.Ping(b.node_id());
  Instant now = Instant() + seconds(100);
  const auto answered = [&](const SocketAddress& from, int times) {
    int count = 0;
    for (int i = 0; i < times; ++i) count += bob.Answer(ping, from, now) ? 1 : 0;
    return count;
  };
  EXPECT_EQ(answered(kFrom, 100), 16);
  EXPECT_EQ(answered(SocketAddress::V4({192, 0, 2, 2}, 1), 100), 16);
  now = now + seconds(1);
  EXPECT_EQ(answered(kFrom, 100), 4);
  now = now + seconds(100);
  int total = 0;
  for (uint16_t port = 1; port <= 2000; ++port) {
    total += answered(SocketAddress::V4({192, 0, 2, 3}, port), 1);
  }
  EXPECT_EQ(total, 256);
}

}  // namespace
}  // namespace blobd::quic
