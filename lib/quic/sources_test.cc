#include "quic/sources.h"

#include <gtest/gtest.h>

#include "quic/route.h"

namespace blobd::quic {
namespace {

const SocketAddress kFirst = SocketAddress::V4({192, 0, 2, 1}, 0);
const SocketAddress kSecond = SocketAddress::V4({192, 0, 2, 2}, 0);
const SocketAddress kPeer = SocketAddress::V4({198, 51, 100, 1}, 7);
const Instant kStart = Instant::FromNanos(1'000'000'000);

class SourcesTest : public testing::Test {
 protected:
  std::optional<SocketAddress> now_ = kFirst;  // what the kernel says
  int asked_ = 0;
  Sources sources_{[this](const SocketAddress&) {
    ++asked_;
    return now_;
  }};
};

TEST_F(SourcesTest, AsksOnceForAHostWhateverThePort) {
  for (uint16_t port = 1; port <= 20; ++port) {
    EXPECT_EQ(sources_.Towards(SocketAddress::V4({198, 51, 100, 1}, port), kStart), kFirst);
  }
  EXPECT_EQ(asked_, 1);
  sources_.Towards(SocketAddress::V4({198, 51, 100, 2}, 1), kStart);
  EXPECT_EQ(asked_, 2);
}

TEST_F(SourcesTest, AsksAgainWhenTheNetworkHasChangedAndNowAndThen) {
  sources_.Towards(kPeer, kStart);
  now_ = kSecond;
  EXPECT_EQ(sources_.Towards(kPeer, kStart + seconds(29)), kFirst);
  sources_.Forget();
  EXPECT_EQ(sources_.Towards(kPeer, kStart + seconds(29)), kSecond);
  now_ = kFirst;
  EXPECT_EQ(sources_.Towards(kPeer, kStart + seconds(58)), kSecond);
  EXPECT_EQ(sources_.Towards(kPeer, kStart + seconds(59)), kFirst);
}

TEST_F(SourcesTest, ThatThereIsNoWayIsNotRemembered) {
  now_.reset();
  EXPECT_EQ(sources_.Towards(kPeer, kStart), std::nullopt);
  now_ = kFirst;
  EXPECT_EQ(sources_.Towards(kPeer, kStart), kFirst);
  now_.reset();
  EXPECT_EQ(sources_.Towards(kPeer, kStart + seconds(30)), std::nullopt);
  EXPECT_EQ(sources_.Towards(kPeer, kStart), std::nullopt);
}

TEST_F(SourcesTest, IsBounded) {
  for (uint32_t i = 0; i < 3 * Sources::kMaxHosts; ++i) {
    const auto host =
        SocketAddress::V4({10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}, 1);
    EXPECT_EQ(sources_.Towards(host, kStart), kFirst);
  }
  sources_.Towards(SocketAddress::V4({10, 0, 47, 255}, 1), kStart);
  EXPECT_EQ(asked_, 3 * Sources::kMaxHosts);
}

TEST(RouteTest, KernelKnowsTheSourceTowardsItself) {
  const SocketAddress loopback = SocketAddress::V4({127, 0, 0, 1}, 1000);
  EXPECT_EQ(SourceTowards(loopback), SocketAddress::V4({127, 0, 0, 1}, 0));
}

}  // namespace
}  // namespace blobd::quic
