#include "schedule/bans.h"

#include <gtest/gtest.h>

#include <vector>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

TEST(Bans, DoubleWithEachRepeatToTheLongest) {
  Bans bans(hours(1), hours(24 * 30));
  Instant now;
  Duration expected = hours(1);
  for (uint32_t times = 1; times < 20; ++times) {
    const Bans::Verdict verdict = bans.Add(Node(1), now, "lied");
    EXPECT_EQ(verdict.times, times);
    EXPECT_EQ(verdict.length, expected);
    EXPECT_TRUE(bans.Banned(Node(1), now));
    now = now + expected;
    EXPECT_FALSE(bans.Banned(Node(1), now));
    expected = std::min<Duration>(expected * 2, hours(24 * 30));
  }
}

TEST(Bans, ARestoredCountCannotOverflow) {
  Bans bans(hours(1), hours(24 * 30));
  bans.Restore(Node(1), Ban{Instant{}, UINT32_MAX, "lied"});
  EXPECT_EQ(bans.Add(Node(1), Instant{}, "again").length, hours(24 * 30));
}

TEST(Bans, AreBoundedThoseThatEndFirstGoFirst) {
  Bans bans(hours(1), hours(24 * 30), 2);
  bans.Restore(Node(1), Ban{Instant{hours(3)}, 1, ""});
  bans.Restore(Node(2), Ban{Instant{hours(1)}, 1, ""});
  bans.Restore(Node(3), Ban{Instant{hours(2)}, 1, ""});
  EXPECT_EQ(bans.size(), 2u);
  EXPECT_EQ(bans.Find(Node(2)), nullptr);
  EXPECT_NE(bans.Find(Node(1)), nullptr);
}

TEST(Bans, TellWhichEndedInATime) {
  Bans bans(hours(1), hours(24 * 30));
  for (const uint8_t n : {uint8_t{3}, uint8_t{1}, uint8_t{4}, uint8_t{2}})
    bans.Restore(Node(n), Ban{Instant{hours(n)}, 1, ""});
  const auto at = [](int hour) { return Instant{hours(hour)}; };
  EXPECT_EQ(bans.Ended(at(1), at(3)), (std::vector<ProviderId>{Node(2), Node(3)}));
  EXPECT_TRUE(bans.Ended(at(3), at(3)).empty());
  EXPECT_TRUE(bans.Ended(at(4), at(9)).empty());
  bans.Add(Node(2), at(5), "again", hours(1));
  EXPECT_EQ(bans.Ended(at(0), at(9)),
            (std::vector<ProviderId>{Node(1), Node(3), Node(4), Node(2)}));
  bans.Lift(Node(3));
  EXPECT_EQ(bans.Ended(at(2), at(3)), std::vector<ProviderId>{});
}

}  // namespace
}  // namespace blobd::schedule
