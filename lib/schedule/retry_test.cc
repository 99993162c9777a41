#include "schedule/retry.h"

#include <gtest/gtest.h>

namespace blobd::schedule {
namespace {

TEST(Retry, CountTimesTheInitialDelayPlusUpToTenPercent) {
  const RetryPolicy policy;
  Rng rng(1);
  bool varied = false;
  for (uint32_t failures = 1; failures <= 6; ++failures) {
    const Duration least = policy.initial_delay * failures;
    for (int i = 0; i < 100; ++i) {
      const Duration delay = RetryDelay(policy, failures, rng);
      EXPECT_GE(delay, least);
      EXPECT_LE(delay, least + least / 10);
      varied |= delay != least;
    }
    EXPECT_FALSE(IsUnreachable(policy, failures));
  }
  EXPECT_TRUE(varied);
  EXPECT_TRUE(IsUnreachable(policy, 7));
}

TEST(Retry, UnreachableDoublesToItsCap) {
  const RetryPolicy policy;
  Rng rng(1);
  for (const auto& [failures, least] :
       std::vector<std::pair<uint32_t, Duration>>{{7, seconds(30)},
                                                  {8, seconds(60)},
                                                  {11, seconds(480)},
                                                  {12, seconds(600)},
                                                  {4000000, seconds(600)}}) {
    const Duration delay = RetryDelay(policy, failures, rng);
    EXPECT_GE(delay, least);
    EXPECT_LE(delay, least + least / 10);
  }
}

TEST(Retry, DoublingNeverOverflows) {
  EXPECT_EQ(Doubled(hours(1), 1, hours(720)), hours(1));
  EXPECT_EQ(Doubled(hours(1), 10, hours(720)), hours(512));
  EXPECT_EQ(Doubled(hours(1), 11, hours(720)), hours(720));
  EXPECT_EQ(Doubled(hours(1), UINT32_MAX, Duration::max()), Duration::max());
  EXPECT_EQ(Doubled(hours(9), 1, hours(2)), hours(2));
}

TEST(Retry, BusyIsBounded) {
  EXPECT_EQ(BusyDelay(RetryPolicy(), std::nullopt), seconds(5));
  EXPECT_EQ(BusyDelay(RetryPolicy(), Duration(0)), milliseconds(100));
  EXPECT_EQ(BusyDelay(RetryPolicy(), seconds(7)), seconds(7));
  EXPECT_EQ(BusyDelay(RetryPolicy(), Duration::max()), minutes(10));
  EXPECT_EQ(BusyDelay(RetryPolicy(), -seconds(1)), milliseconds(100));
}

}  // namespace
}  // namespace blobd::schedule
