#include "quic/path_mtu.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blobd::quic {
namespace {

const SocketAddress kAny;
const SocketAddress kPeer4 = SocketAddress::V4({192, 0, 2, 1}, 1000);
const SocketAddress kPeer6 = *SocketAddress::Parse("[2001:db8::1]:1000");
const SocketAddress kLoopback4 = SocketAddress::V4({127, 0, 0, 1}, 1000);
const Instant kStart = Instant::FromNanos(1'000'000'000);

TEST(PathMtuTest, LargeDatagramsWhereTheyAreKnownToArrive) {
  struct Case {
    std::string name;
    SocketAddress local;
    SocketAddress remote;
    std::optional<Route> route;
    Payload want;
  };
  const Payload usual;
  const std::vector<Case> cases = {
      {"loopback", kLoopback4, kLoopback4, {}, {65000, false}},
      {"loopback from a wildcard", kAny, *SocketAddress::Parse("[::1]:7"), {}, {65000, false}},
      {"loopback from elsewhere", kPeer4, kLoopback4, {}, usual},
      {"Ethernet", kAny, kPeer4, Route{1500, true}, usual},
      {"tunnel", kAny, kPeer4, Route{1380, true}, usual},
      {"jumbo, IPv4", kAny, kPeer4, Route{9000, true}, {8972, false}},
      {"jumbo, IPv6", kAny, kPeer6, Route{9000, true}, {8952, false}},
      {"jumbo, behind a gateway", kAny, kPeer4, Route{9000, false}, usual},
      {"our own address", kAny, kPeer4, Route{65536, true}, {65000, false}},
      {"no route", kAny, kPeer4, {}, usual},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    PathMtu mtu([&](const SocketAddress&) { return c.route; });
    EXPECT_EQ(mtu.For(c.local, c.remote, kStart), c.want);
  }
}

TEST(PathMtuTest, AsksSeldom) {
  int asked = 0;
  PathMtu mtu([&](const SocketAddress&) {
    ++asked;
    return Route{9000, true};
  });
  mtu.For(kAny, kPeer4, kStart);
  mtu.For(kAny, SocketAddress::V4({192, 0, 2, 1}, 2000), kStart + seconds(29));
  EXPECT_EQ(asked, 1);
  mtu.For(kAny, kPeer4, kStart + seconds(31));
  EXPECT_EQ(asked, 2);
}

TEST(PathMtuTest, WhereLargeOnesGotLostUsualOnesGo) {
  PathMtu mtu([](const SocketAddress&) { return Route{9000, true}; });
  ASSERT_EQ(mtu.For(kAny, kPeer4, kStart).size, 8972U);
  mtu.MarkSmall(kPeer4, kStart);
  EXPECT_EQ(mtu.For(kAny, kPeer4, kStart + minutes(9)), Payload());
  EXPECT_EQ(mtu.For(kAny, kPeer6, kStart + minutes(9)).size, 8952U);
  EXPECT_EQ(mtu.For(kAny, kPeer4, kStart + minutes(11)).size, 8972U);
}

TEST(PathMtuTest, ForgetsTheOldestOfTooManyHosts) {
  int asked = 0;
  PathMtu mtu([&](const SocketAddress&) {
    ++asked;
    return Route{9000, true};
  });
  mtu.MarkSmall(kPeer4, kStart);
  for (uint32_t i = 0; i < 1500; ++i) {
    const auto host =
        SocketAddress::V4({10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}, 1);
    mtu.For(kAny, host, kStart + milliseconds(i));
  }
  EXPECT_EQ(asked, 1500);
  EXPECT_EQ(mtu.For(kAny, kPeer4, kStart + seconds(10)), Payload());  // lasts longest
}

TEST(RouteTest, KernelKnowsTheWayToItself) {
  const auto route = ProbeRoute(kLoopback4);
  ASSERT_TRUE(route.has_value());
  EXPECT_TRUE(route->on_link);
  EXPECT_GT(route->mtu, 1500U);
}

TEST(RouteTest, NoRouteIsNone) {
  EXPECT_FALSE(ProbeRoute(SocketAddress::V4({255, 255, 255, 255}, 1)).has_value());
}

}  // namespace
}  // namespace blobd::quic
