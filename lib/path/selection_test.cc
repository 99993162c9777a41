#include "path/selection.h"

#include <gtest/gtest.h>

#include <vector>

#include "path/relay_addresses.h"

namespace blobd::path {
namespace {

const SocketAddress kV4 = *SocketAddress::Parse("192.0.2.1:1");
const SocketAddress kOtherV4 = *SocketAddress::Parse("192.0.2.2:1");
const SocketAddress kV6 = *SocketAddress::Parse("[2001:db8::1]:1");
const SocketAddress kOtherV6 = *SocketAddress::Parse("[2001:db8::2]:1");

SocketAddress Relay() {
  static RelayAddresses relays;
  return *relays.Of("https://relay.example/", NodeId{{1}});
}

Selection Choose(const std::vector<OpenPath>& paths,
                 const std::optional<SocketAddress>& current = std::nullopt,
                 const SelectionOptions& options = {}) {
  return Select(paths, current, options);
}

TEST(Selection, NothingWithNoPaths) {
  EXPECT_EQ(Choose({}), (Selection{std::nullopt, Why::kNothing}));
  EXPECT_EQ(Choose({}, kV4), (Selection{std::nullopt, Why::kNothing}));
  EXPECT_EQ(Choose({{kV4, {}}}), (Selection{std::nullopt, Why::kNothing}));
}

TEST(Selection, BestIsChosenWithNoCurrentPath) {
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kOtherV4, milliseconds(19)}}),
            (Selection{kOtherV4, Why::kLowestRtt}));
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}}), (Selection{kV4, Why::kOnlyPath}));
}

TEST(Selection, Ipv6WinsOnATie) {
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kV6, milliseconds(20)}}).address, kV6);
}

TEST(Selection, Ipv6WinsWhenUpTo3MsSlower) {
  for (const Duration slower : {Duration(milliseconds(1)), Duration(milliseconds(3))}) {
    EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kV6, milliseconds(20) + slower}}).address, kV6);
  }
}

TEST(Selection, Ipv6LosesBeyond3Ms) {
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kV6, milliseconds(23) + Duration(1)}}).address, kV4);
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kV6, milliseconds(30)}}).address, kV4);
}

TEST(Selection, PrimaryBeatsBackupAt1000MsAgainst1Ms) {
  EXPECT_EQ(Choose({{kV4, milliseconds(1000)}, {Relay(), milliseconds(1)}}),
            (Selection{kV4, Why::kPrimary}));
  EXPECT_EQ(Choose({{kV4, milliseconds(1000)}, {Relay(), milliseconds(1)}}, Relay()),
            (Selection{kV4, Why::kPrimary}));
  EXPECT_EQ(Choose({{kV4, milliseconds(1000)}, {Relay(), milliseconds(1)}}, kV4),
            (Selection{kV4, Why::kPrimary}));
}

TEST(Selection, BackupIsUsedWhenThereIsNoOther) {
  EXPECT_EQ(Choose({{kV4, {}}, {Relay(), milliseconds(50)}}), (Selection{Relay(), Why::kOnlyPath}));
}

TEST(Selection, NoSwitchAt2And4MsGain) {
  for (const int gain : {2, 4}) {
    EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kOtherV4, milliseconds(20 - gain)}}, kV4),
              (Selection{kV4, Why::kKeptCurrent}))
        << gain;
  }
  EXPECT_EQ(
      Choose({{kV4, milliseconds(20)}, {kOtherV4, milliseconds(15) + Duration(1)}}, kV4).address,
      kV4);
}

TEST(Selection, SwitchAtExactly5AndAt6MsGain) {
  for (const int gain : {5, 6}) {
    EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kOtherV4, milliseconds(20 - gain)}}, kV4),
              (Selection{kOtherV4, Why::kLowestRtt}))
        << gain;
  }
}

TEST(Selection, GainIsCountedWithTheBias) {
  // 2 ms faster, and 3 ms of advantage.
  EXPECT_EQ(Choose({{kV4, milliseconds(20)}, {kV6, milliseconds(18)}}, kV4).address, kV6);
  EXPECT_EQ(Choose({{kV6, milliseconds(20)}, {kV4, milliseconds(13)}}, kV6).address, kV6);
  EXPECT_EQ(Choose({{kV6, milliseconds(20)}, {kV4, milliseconds(12)}}, kV6).address, kV4);
}

TEST(Selection, CurrentPathWithoutDataIsLeft) {
  EXPECT_EQ(Choose({{kV4, {}}, {kOtherV4, milliseconds(90)}}, kV4).address, kOtherV4);
  EXPECT_EQ(Choose({{kV4, {}}, {kOtherV4, {}}}, kV4).address, kV4);
}

TEST(Selection, CurrentPathThatIsClosedIsLeft) {
  EXPECT_EQ(Choose({{kOtherV4, milliseconds(90)}}, kV4).address, kOtherV4);
}

TEST(Selection, EqualPathsGoByIpv6ThenCurrentThenAddress) {
  SelectionOptions plain;
  plain.advantage = {};
  plain.least_gain = Duration::zero();
  const OpenPath v4{kV4, milliseconds(20)};
  const OpenPath other_v4{kOtherV4, milliseconds(20)};
  const OpenPath v6{kV6, milliseconds(20)};
  const OpenPath other_v6{kOtherV6, milliseconds(20)};
  EXPECT_EQ(Choose({v4, v6}, kV4, plain).address, kV6);
  EXPECT_EQ(Choose({v4, other_v4}, kOtherV4, plain).address, kOtherV4);
  EXPECT_EQ(Choose({other_v4, v4}, std::nullopt, plain).address, kV4);
  EXPECT_EQ(Choose({other_v6, v6, v4}, std::nullopt, plain).address, kV6);
}

TEST(Selection, BiasesAreConfiguration) {
  SelectionOptions options;
  options.advantage[static_cast<size_t>(Transport::kIpv4)] = milliseconds(50);
  EXPECT_EQ(
      Choose({{kV4, milliseconds(66)}, {kV6, milliseconds(20)}}, std::nullopt, options).address,
      kV4);
}

}  // namespace
}  // namespace blobd::path
