#include "transfer/path_watch.h"

#include <gtest/gtest.h>

namespace blobd::transfer {
namespace {

const SocketAddress kA = SocketAddress::V4({192, 0, 2, 1}, 1);
const SocketAddress kB = SocketAddress::V4({192, 0, 2, 2}, 2);

class PathWatchTest : public testing::Test {
 protected:
  // One interval passes, in which the peer was heard, or was not.
  PathWatch::News Look(const SocketAddress& address, Duration rtt, bool heard = true,
                       bool wanted = true) {
    now_ = now_ + PathWatch::kInterval;
    if (heard) heard_ = now_;
    return watch_.Look({address, rtt, heard_}, wanted, now_);
  }
  PathWatch watch_;
  Instant now_{seconds(100)};
  Instant heard_;
};

TEST_F(PathWatchTest, TheLowestOfTheLastSecondCounts) {
  EXPECT_EQ(Look(kA, milliseconds(9)).rtt, milliseconds(9));
  EXPECT_EQ(Look(kA, milliseconds(30)).rtt, milliseconds(9)) << "a queue of our own making";
  EXPECT_EQ(Look(kA, milliseconds(31)).rtt, milliseconds(9));
  EXPECT_EQ(Look(kA, milliseconds(32)).rtt, milliseconds(9));
  EXPECT_EQ(Look(kA, milliseconds(33)).rtt, milliseconds(30)) << "but not for ever";
}

TEST_F(PathWatchTest, NothingIsSaidOfWhoIsNotHeardOrNotWanted) {
  EXPECT_FALSE(Look(kA, milliseconds(9), true, false).rtt.has_value());
  EXPECT_TRUE(Look(kA, milliseconds(8)).rtt.has_value());
  EXPECT_FALSE(Look(kA, milliseconds(8), false).rtt.has_value());
}

TEST_F(PathWatchTest, WhatWasMeasuredOnTheOldPathSaysNothingOfTheNewOne) {
  EXPECT_EQ(Look(kA, milliseconds(40)).rtt, milliseconds(40));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Look(kB, milliseconds(39 - i)).rtt.has_value()) << i;
  EXPECT_FALSE(Look(kB, milliseconds(36)).rtt.has_value()) << "no answer since";
  EXPECT_EQ(Look(kB, milliseconds(5)).rtt, milliseconds(5));
}

TEST_F(PathWatchTest, APathThatStaysSilentIsDarkOnce) {
  EXPECT_FALSE(Look(kA, milliseconds(10)).went_dark);
  int dark = 0;
  const Instant start = now_;
  Instant at;
  for (int i = 0; i < 40; ++i) {
    if (!Look(kA, milliseconds(10), false).went_dark) continue;
    ++dark;
    at = now_;
  }
  EXPECT_EQ(dark, 1);
  EXPECT_LE(at - start, seconds(2));
  EXPECT_FALSE(Look(kA, milliseconds(10)).went_dark) << "it is back";
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(Look(kA, milliseconds(10), false, false).went_dark);
}

}  // namespace
}  // namespace blobd::transfer
