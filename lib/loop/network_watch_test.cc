#include "loop/network_watch.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace blobd::loop {
namespace {

NetworkState With(std::vector<InterfaceAddress> addresses) {
  NetworkState state;
  state.addresses = std::move(addresses);
  return state;
}
InterfaceAddress On(const char* interface, uint8_t last) {
  return {interface, SocketAddress::V4({192, 0, 2, last}, 0)};
}

TEST(NetworkState, TellsMajorChangesFromMinor) {
  const NetworkState one = With({On("a", 1)});
  EXPECT_EQ(Compare(one, one), std::nullopt);
  const auto came = Compare(one, With({On("a", 1), On("b", 2)}));
  ASSERT_TRUE(came);
  EXPECT_TRUE(came->major && came->back && !came->way_out);
  EXPECT_TRUE(came->gone.empty());
  const auto went = Compare(With({On("a", 1), On("b", 2)}), one);
  EXPECT_TRUE(went->major && !went->back);
  EXPECT_EQ(went->gone, std::vector{On("b", 2).ip});
  // An address that went to another interface is still ours.
  const auto renamed = Compare(one, With({On("c", 1)}));
  ASSERT_TRUE(renamed);
  EXPECT_FALSE(renamed->major);
  NetworkState routed = one;
  routed.ipv4.interface = 7;
  EXPECT_TRUE(Compare(one, routed)->major && Compare(one, routed)->back);
  EXPECT_TRUE(Compare(one, routed)->way_out);
  EXPECT_TRUE(Compare(routed, one)->major && Compare(routed, one)->way_out);
  EXPECT_FALSE(Compare(routed, one)->back);
}

TEST(NetworkState, ALinkLocalAddressTakesUsNowhere) {
  const NetworkState one = With({On("a", 1)});
  NetworkState other = one;
  for (const char* ip : {"[fe80::1]:0", "169.254.3.4:0", "127.0.0.2:0"})
    other.addresses.push_back({"veth7", *SocketAddress::Parse(ip)});
  const auto came = Compare(one, other);
  ASSERT_TRUE(came);
  EXPECT_FALSE(came->major || came->back || came->way_out);
  const auto went = Compare(other, one);
  ASSERT_TRUE(went);
  EXPECT_FALSE(went->major || went->back || went->way_out);
  EXPECT_EQ(went->gone.size(), 3);
}

// A network of its own, in a thread of its own, so that the machine's stays as it is.
class OwnNetwork : public testing::Test {
 protected:
  static bool Ip(const std::string& what) {
    return std::system(("ip " + what + " 2>/dev/null").c_str()) == 0;
  }
  template <typename Body>
  static void Run(Body body) {
    bool ran = false;
    std::thread([&] {
      if (unshare(CLONE_NEWNET) != 0 || !Ip("link add blobd0 type veth peer name blobd1")) return;
      ran = Ip("link set blobd1 up");
      body();
    }).join();
    if (!ran) GTEST_SKIP() << "no network of its own to be had here (root, and `ip`)";
  }
  // Runs the loop until a change came.
  static std::optional<NetworkChange> Next(Loop& loop, std::optional<NetworkChange>& latest) {
    latest.reset();
    const TimerId end = loop.AddTimer(SystemClock().Now() + seconds(5), [&loop] { loop.Stop(); });
    loop.Run();
    loop.CancelTimer(end);
    return latest;
  }
};

TEST_F(OwnNetwork, EveryChangeIsToldOfSoon) {
  Run([] {
    auto loop = std::move(*Loop::Create());
    std::optional<NetworkChange> latest;
    auto watch = NetworkWatch::Open(*loop, [&](const NetworkChange& change) {
      latest = change;
      loop->Stop();
    });
    ASSERT_TRUE(watch.ok()) << watch.status();
    EXPECT_EQ((*watch)->state().ipv4.interface, 0);

    ASSERT_TRUE(Ip("address add 192.0.2.1/24 dev blobd0") && Ip("link set blobd0 up"));
    auto change = Next(*loop, latest);
    ASSERT_TRUE(change);
    EXPECT_TRUE(change->major);
    const auto& addresses = change->state.addresses;
    EXPECT_TRUE(std::count(addresses.begin(), addresses.end(), On("blobd0", 1)) == 1);
    // More may come: IPv6 gives the interface an address of its own, somewhat later.
    while ((*watch)->state() != NetworkState::Now()) {
      Next(*loop, latest);
    }

    ASSERT_TRUE(Ip("route add default via 192.0.2.254"));
    do {
      change = Next(*loop, latest);
      ASSERT_TRUE(change);
    } while (change->state.ipv4.interface == 0);
    EXPECT_TRUE(change->major);
    EXPECT_EQ(change->state.ipv4.gateway[3], 254);
    EXPECT_EQ(change->state.ipv4.source[3], 1);

    // What a download waits for: the interface goes down, and that is known within half a second.
    const Instant before = SystemClock().Now();
    ASSERT_TRUE(Ip("link set blobd0 down"));
    do {
      change = Next(*loop, latest);
      ASSERT_TRUE(change);
    } while (std::count(change->gone.begin(), change->gone.end(), On("blobd0", 1).ip) == 0);
    EXPECT_LT(SystemClock().Now() - before, milliseconds(500));
    EXPECT_TRUE(change->major);
    EXPECT_EQ(change->state.ipv4.interface, 0);
  });
}

TEST_F(OwnNetwork, ABurstIsTakenTogether) {
  Run([] {
    auto loop = std::move(*Loop::Create());
    std::optional<NetworkChange> latest;
    int changes = 0;
    auto watch = NetworkWatch::Open(*loop, [&](const NetworkChange& change) {
      latest = change;
      ++changes;
      loop->Stop();
    });
    ASSERT_TRUE(watch.ok());
    ASSERT_TRUE(Ip("link set blobd0 up"));
    const std::string lines =
        "for i in $(seq 1 200); do echo address add 192.0.2.$i/24 dev blobd0; done";
    ASSERT_EQ(std::system((lines + " | ip -batch - 2>/dev/null").c_str()), 0);
    do {
      ASSERT_TRUE(Next(*loop, latest));
    } while (latest->state.addresses.size() < 200);
    EXPECT_LT(changes, 40);
  });
}

}  // namespace
}  // namespace blobd::loop
