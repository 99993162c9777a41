#include "path/relay_addresses.h"

#include <gtest/gtest.h>

namespace blobd::path {
namespace {

TEST(RelayAddresses, GiveEachPairOneAddressAndFindItAgain) {
  RelayAddresses relays;
  const auto first = relays.Of("https://relay.example/", NodeId{{1}});
  const auto other_node = relays.Of("https://relay.example/", NodeId{{2}});
  const auto other_relay = relays.Of("https://relay2.example/", NodeId{{1}});
  ASSERT_TRUE(first && other_node && other_relay);
  EXPECT_EQ(relays.Of("https://relay.example/", NodeId{{1}}), first);
  EXPECT_NE(first, other_node);
  EXPECT_NE(first, other_relay);
  for (const auto& address : {first, other_node, other_relay}) {
    EXPECT_TRUE(RelayAddresses::IsRelayed(*address));
  }
  ASSERT_NE(relays.Find(*other_node), nullptr);
  EXPECT_EQ(*relays.Find(*other_node), (Relayed{"https://relay.example/", NodeId{{2}}}));
}

TEST(RelayAddresses, DoNotFindWhatWasNeverGivenOut) {
  RelayAddresses relays;
  const SocketAddress given = *relays.Of("https://relay.example/", NodeId{{1}});
  std::array<uint8_t, 16> next = given.ip16();
  next[15] = 1;
  EXPECT_TRUE(RelayAddresses::IsRelayed(SocketAddress::V6(next, given.port())));
  EXPECT_EQ(relays.Find(SocketAddress::V6(next, given.port())), nullptr);
  EXPECT_EQ(relays.Find(SocketAddress::V6(given.ip16(), 7)), nullptr);
  EXPECT_EQ(relays.Find(*SocketAddress::Parse("192.0.2.1:1")), nullptr);
  EXPECT_FALSE(RelayAddresses::IsRelayed(*SocketAddress::Parse("[fd00::1]:1")));
}

}  // namespace
}  // namespace blobd::path
