#include "quic/doorman.h"

#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic/datagrams_for_test.h"

namespace blobd::quic {
namespace {

const Instant kStart = Instant::FromNanos(1'000'000'000'000);
const SocketAddress kSomebody = SocketAddress::V4({198, 51, 100, 7}, 4433);

SocketAddress HostNumber(uint32_t n) {
  return SocketAddress::V4(
      {10, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)},
      5000);
}

class DoormanTest : public testing::Test {
 protected:
  Doorman Make(DoormanOptions options = {}) { return Doorman(options, secret_); }
  Bytes First() { return FirstDatagram(server_.node_id(), now_); }
  // The first datagram of somebody who speaks `version`, with ids of the given sizes.
  Bytes OfVersion(uint32_t version, size_t dcid_size, size_t scid_size, size_t size) {
    Bytes datagram = {0xc3,
                      static_cast<uint8_t>(version >> 24),
                      static_cast<uint8_t>(version >> 16),
                      static_cast<uint8_t>(version >> 8),
                      static_cast<uint8_t>(version),
                      static_cast<uint8_t>(dcid_size)};
    datagram.insert(datagram.end(), dcid_size, 0xaa);
    datagram.push_back(static_cast<uint8_t>(scid_size));
    datagram.insert(datagram.end(), scid_size, 0xbb);
    datagram.resize(size);
    return datagram;
  }

  const Identity server_ = Identity::Generate();
  const std::array<uint8_t, 32> secret_ = server_.Secret("stateless reset");
  Instant now_ = kStart;
};

TEST_F(DoormanTest, LetsANewcomerIn) {
  Doorman doorman = Make();
  const Bytes datagram = First();
  const auto verdict = doorman.OnDatagram(kSomebody, datagram, now_);
  ASSERT_TRUE(verdict.newcomer.has_value());
  EXPECT_TRUE(verdict.answer.empty());
  EXPECT_FALSE(verdict.newcomer->original.has_value());
  EXPECT_EQ(verdict.newcomer->first.version, NGTCP2_PROTO_VER_V1);
  EXPECT_EQ(doorman.inside(), 0U);  // not before it has entered
}

TEST_F(DoormanTest, ShortFirstDatagramsAreDropped) {
  Doorman doorman = Make();
  Bytes datagram = First();
  datagram.pop_back();
  const auto verdict = doorman.OnDatagram(kSomebody, datagram, now_);
  EXPECT_FALSE(verdict.newcomer.has_value());
  EXPECT_TRUE(verdict.answer.empty());
}

TEST_F(DoormanTest, OtherVersionsHearOurs) {
  Doorman doorman = Make();
  for (const uint32_t version : {0x1a2a3a4aU, 2U, 0xff00001dU, 0x6b3343cfU}) {
    SCOPED_TRACE(version);
    const Bytes datagram = OfVersion(version, 20, 11, 1200);
    const Bytes answer = doorman.OnDatagram(kSomebody, datagram, now_).answer;
    ASSERT_EQ(answer.size(), 7U + 20 + 11 + 4);
    EXPECT_NE(answer[0] & 0x80, 0);
    EXPECT_EQ(Bytes(answer.begin() + 1, answer.begin() + 5), Bytes(4, 0));
    EXPECT_EQ(answer[5], 11);  // the ids change places
    EXPECT_EQ(answer[6], 0xbb);
    EXPECT_EQ(answer[17], 20);
    EXPECT_EQ(answer[18], 0xaa);
    EXPECT_EQ(Bytes(answer.end() - 4, answer.end()), (Bytes{0, 0, 0, 1}));
  }
  // Versions to come may have longer ids.
  EXPECT_EQ(
      doorman.OnDatagram(kSomebody, OfVersion(0x0a0a0a0a, 255, 255, 1200), now_).answer.size(),
      7U + 255 + 255 + 4);
}

TEST_F(DoormanTest, ShortDatagramsOfOtherVersionsAndVersionAnswersHearNothing) {
  Doorman doorman = Make();
  EXPECT_TRUE(doorman.OnDatagram(kSomebody, OfVersion(7, 8, 8, 1199), now_).answer.empty());
  EXPECT_TRUE(doorman.OnDatagram(kSomebody, OfVersion(0, 8, 8, 1200), now_).answer.empty());
}

TEST_F(DoormanTest, TheHouseIsFull) {
  Doorman doorman = Make({.incoming = 2, .incoming_per_address = 64, .half_open_before_retry = 64});
  doorman.Entered(HostNumber(1));
  doorman.Entered(HostNumber(2));
  Caller caller(server_.node_id(), now_);
  const Bytes first = caller.Write(now_).at(0);
  const auto verdict = doorman.OnDatagram(kSomebody, first, now_);
  EXPECT_FALSE(verdict.newcomer.has_value());
  ASSERT_FALSE(verdict.answer.empty());
  EXPECT_LT(verdict.answer.size(), 100U);
  caller.Receive(verdict.answer, now_);
  ASSERT_TRUE(caller.connection->ended().has_value());
  EXPECT_EQ(caller.connection->ended()->code, uint64_t{NGTCP2_CONNECTION_REFUSED});
  doorman.Left(HostNumber(1), true);
  EXPECT_TRUE(doorman.OnDatagram(kSomebody, First(), now_).newcomer.has_value());
}

TEST_F(DoormanTest, OneAddressIsFullAndAnotherIsNot) {
  Doorman doorman =
      Make({.incoming = 100, .incoming_per_address = 3, .half_open_before_retry = 64});
  const auto v6 = [](uint8_t network, uint8_t host) {
    std::array<uint8_t, 16> ip{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network};
    ip[15] = host;
    return SocketAddress::V6(ip, 1000);
  };
  for (uint8_t host = 1; host <= 3; ++host) doorman.Entered(v6(1, host));
  // All of a /64 is one host, whatever the port.
  EXPECT_FALSE(doorman.OnDatagram(v6(1, 77), First(), now_).newcomer.has_value());
  EXPECT_TRUE(doorman.OnDatagram(v6(2, 77), First(), now_).newcomer.has_value());
  // IPv4 addresses are hosts each.
  for (int i = 0; i < 3; ++i) doorman.Entered(SocketAddress::V4({192, 0, 2, 1}, 10));
  EXPECT_FALSE(doorman.OnDatagram(SocketAddress::V4({192, 0, 2, 1}, 11), First(), now_)
                   .newcomer.has_value());
  EXPECT_TRUE(doorman.OnDatagram(SocketAddress::V4({192, 0, 2, 2}, 11), First(), now_)
                  .newcomer.has_value());
  doorman.Authenticated();
  doorman.Left(v6(1, 2), false);
  EXPECT_TRUE(doorman.OnDatagram(v6(1, 77), First(), now_).newcomer.has_value());
}

class RetryTest : public DoormanTest {
 protected:
  RetryTest()
      : doorman_({.incoming = 100, .incoming_per_address = 64, .half_open_before_retry = 1},
                 secret_) {
    doorman_.Entered(HostNumber(1));
    first_ = caller_.Write(now_).at(0);
    retry_ = doorman_.OnDatagram(kSomebody, first_, now_).answer;
  }
  // What the caller sends when it got the Retry.
  Bytes Second() {
    caller_.Receive(retry_, now_);
    return caller_.Write(now_).at(0);
  }
  static Cid DestinationOf(ByteView datagram) {
    return Cid::From(datagram.subspan(6, datagram[5]));
  }

  Doorman doorman_;
  Caller caller_{server_.node_id(), now_};
  Bytes first_;
  Bytes retry_;
};

TEST_F(RetryTest, ComesWhenManyAreHalfOpenAndProvesTheAddress) {
  ASSERT_FALSE(retry_.empty());
  EXPECT_LT(retry_.size(), first_.size());
  EXPECT_EQ(doorman_.stats().retries, 1U);
  const auto verdict = doorman_.OnDatagram(kSomebody, Second(), now_);
  ASSERT_TRUE(verdict.newcomer.has_value());
  EXPECT_EQ(verdict.newcomer->original, DestinationOf(first_));
}

TEST_F(RetryTest, IsNotNeededAnyMoreWhenHandshakesAreDone) {
  doorman_.Authenticated();
  EXPECT_TRUE(doorman_.OnDatagram(kSomebody, First(), now_).newcomer.has_value());
}

TEST_F(RetryTest, TokenIsForOneAddressForTenSeconds) {
  const Bytes second = Second();
  const auto refused = [&](const SocketAddress& from, Instant at) {
    const auto verdict = doorman_.OnDatagram(from, second, at);
    EXPECT_FALSE(verdict.newcomer.has_value());
    return !verdict.answer.empty();
  };
  const auto other_port = SocketAddress::V4({198, 51, 100, 7}, 4434);
  EXPECT_TRUE(refused(other_port, now_));
  EXPECT_TRUE(refused(HostNumber(2), now_));
  EXPECT_TRUE(doorman_.OnDatagram(kSomebody, second, now_ + seconds(9)).newcomer.has_value());
  EXPECT_TRUE(refused(kSomebody, now_ + seconds(11)));
  const auto expired = doorman_.OnDatagram(kSomebody, second, now_ + seconds(12)).answer;
  caller_.Receive(expired, now_);
  ASSERT_TRUE(caller_.connection->ended().has_value());
  EXPECT_EQ(caller_.connection->ended()->code, uint64_t{NGTCP2_INVALID_TOKEN});
}

TEST_F(RetryTest, LimitsHoldForProvenAddressesToo) {
  const Bytes second = Second();
  for (uint32_t i = 0; i < 99; ++i) doorman_.Entered(HostNumber(100 + i));
  EXPECT_FALSE(doorman_.OnDatagram(kSomebody, second, now_).newcomer.has_value());
}

TEST_F(DoormanTest, FloodOfFirstDatagramsIsMetWithRetriesThenSilence) {
  Doorman doorman = Make({.incoming = 100000, .incoming_per_address = 100000});
  const Bytes datagram = First();
  uint64_t in = 0;
  uint64_t retried = 0;
  for (uint32_t i = 0; i < 50000; ++i) {
    const auto verdict = doorman.OnDatagram(HostNumber(i), datagram, now_);
    in += verdict.newcomer.has_value();
    retried += !verdict.answer.empty();
  }
  EXPECT_GT(in, 100U);
  EXPECT_LT(in, 2000U);
  EXPECT_GT(retried, 500U);
  EXPECT_LT(retried, 5000U);
  EXPECT_EQ(doorman.stats().dropped, 50000 - in - retried);
  // It is over in a moment.
  EXPECT_TRUE(doorman.OnDatagram(kSomebody, datagram, now_ + seconds(2)).newcomer.has_value());
}

TEST_F(DoormanTest, ForgottenConnectionsAreReset) {
  Doorman doorman = Make();
  Bytes datagram(60, 0x11);  // without the fixed bit, as ngtcp2 sends to its like
  const Bytes answer = doorman.OnDatagram(kSomebody, datagram, now_).answer;
  ASSERT_EQ(answer.size(), 41U);
  EXPECT_EQ(answer[0] & 0xc0, 0x40);
  // The token is that of the id in the datagram, by the secret that outlives us.
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, datagram.data() + 1, kOwnCidSize);
  std::array<uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  ASSERT_EQ(ngtcp2_crypto_generate_stateless_reset_token(token.data(), secret_.data(),
                                                         secret_.size(), &cid),
            0);
  EXPECT_TRUE(std::equal(token.begin(), token.end(), answer.end() - 16));
}

TEST_F(DoormanTest, ResetsGetShorterAndEnd) {
  Doorman doorman = Make();
  Bytes datagram(1200, 0x11);
  datagram[0] = 0x41;
  int answers = 0;
  for (; !datagram.empty() && answers < 1000; ++answers) {
    const Bytes answer = doorman.OnDatagram(kSomebody, datagram, now_).answer;
    EXPECT_LT(answer.size(), datagram.size());
    datagram = answer;
  }
  EXPECT_LT(answers, 30);
  EXPECT_GT(answers, 3);
}

TEST_F(DoormanTest, EveryKindOfAnswerHasABudget) {
  DoormanOptions full;
  full.incoming = 0;
  Doorman doorman = Make(full);
  Bytes forgotten(60, 0x11);
  forgotten[0] = 0x41;
  const Bytes other_version = OfVersion(7, 8, 8, 1200);
  const Bytes first = First();
  for (int i = 0; i < 3000; ++i) {
    doorman.OnDatagram(kSomebody, forgotten, now_);
    doorman.OnDatagram(kSomebody, other_version, now_);
    doorman.OnDatagram(kSomebody, first, now_);
  }
  const StrangerStats stats = doorman.stats();
  for (const uint64_t count : {stats.resets, stats.version_answers, stats.refusals}) {
    EXPECT_GT(count, 50U);
    EXPECT_LT(count, 500U);
  }
}

TEST_F(DoormanTest, GarbageIsNeverAnsweredWithMore) {
  Doorman doorman = Make();
  Rng rng(17);
  const Bytes first = First();
  for (int i = 0; i < 20000; ++i) {
    Bytes datagram = rng.Chance(0.5) ? RandomBytes(rng, rng.Below(1500)) : first;
    if (rng.Chance(0.3)) datagram.resize(rng.Below(1400));
    for (uint64_t flips = rng.Below(4); flips > 0 && !datagram.empty(); --flips) {
      datagram[rng.Below(std::min<size_t>(datagram.size(), 64))] ^=
          static_cast<uint8_t>(1 << rng.Below(8));
    }
    const auto verdict = doorman.OnDatagram(kSomebody, datagram, now_ + milliseconds(20) * i);
    EXPECT_LE(verdict.answer.size(), datagram.size());
    EXPECT_TRUE(verdict.answer.empty() || !verdict.newcomer);
  }
}

}  // namespace
}  // namespace blobd::quic
