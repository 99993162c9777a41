#include "quic/peer_addresses.h"

#include <gtest/gtest.h>

namespace blobd::quic {
namespace {

SocketAddress At(uint8_t host, uint16_t port) { return SocketAddress::V4({192, 0, 2, host}, port); }

TEST(PeerAddressesTest, OneThatStaysHasOneName) {
  PeerAddresses addresses(At(1, 1000));
  const auto name = addresses.NameOf(At(1, 1000));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(addresses.NameOf(At(1, 1000)), name);
  EXPECT_EQ(addresses.Resolve(*name), At(1, 1000));
  EXPECT_EQ(name->ip16(), At(1, 0).ip16());
  EXPECT_TRUE(addresses.at_first_host());
}

TEST(PeerAddressesTest, PlacesThatWereLeftGetAFreshName) {
  PeerAddresses addresses(At(1, 1000));
  const auto home = *addresses.NameOf(At(1, 1000));
  const auto away = *addresses.NameOf(At(2, 2000));
  EXPECT_EQ(addresses.NameOf(At(2, 2000)), away);  // not left yet
  addresses.SetCurrent(away);
  EXPECT_EQ(addresses.current(), At(2, 2000));
  EXPECT_FALSE(addresses.at_first_host());
  EXPECT_EQ(addresses.NameOf(At(2, 2000)), away);
  const auto back = *addresses.NameOf(At(1, 1000));
  EXPECT_NE(back, home);
  // What goes to any of the names finds its way.
  EXPECT_EQ(addresses.Resolve(home), At(1, 1000));
  EXPECT_EQ(addresses.Resolve(back), At(1, 1000));
  // The library falls back to the old name by itself: then it is the present one again.
  addresses.SetCurrent(home);
  EXPECT_EQ(addresses.NameOf(At(1, 1000)), home);
  EXPECT_NE(addresses.NameOf(At(2, 2000)), away);
}

TEST(PeerAddressesTest, ManyPlacesAreForgottenButNotThePresentOne) {
  PeerAddresses addresses(At(1, 1000));
  const auto home = *addresses.NameOf(At(1, 1000));
  std::vector<SocketAddress> names;
  for (uint16_t port = 1; port <= 100; ++port) names.push_back(*addresses.NameOf(At(2, port)));
  EXPECT_EQ(addresses.Resolve(home), At(1, 1000));
  EXPECT_EQ(addresses.Resolve(names.back()), At(2, 100));
  EXPECT_FALSE(addresses.Resolve(names.front()).has_value());
  addresses.SetCurrent(names.front());  // forgotten: nothing changes
  EXPECT_EQ(addresses.current(), At(1, 1000));
}

TEST(PeerAddressesTest, MovingForeverEnds) {
  PeerAddresses addresses(At(1, 1000));
  bool ended = false;
  for (int i = 0; i < 70000 && !ended; ++i) {
    const auto name = addresses.NameOf(At(static_cast<uint8_t>(2 + i % 2), 7));
    ended = !name.has_value();
    if (name) addresses.SetCurrent(*name);
  }
  EXPECT_TRUE(ended);
  EXPECT_TRUE(addresses.NameOf(addresses.current()).has_value());
}

}  // namespace
}  // namespace blobd::quic
