#include "schedule/rate_plan.h"

#include <gtest/gtest.h>

namespace blobd::schedule {
namespace {

WeekTime At(int weekday, int hour, int minute, int second = 0) {
  return {weekday, hour * 3600 + minute * 60 + second};
}

RateWindow Window(std::string_view text, std::optional<uint64_t> rate) {
  auto window = RateWindow::Parse(text);
  EXPECT_TRUE(window.ok()) << window.status();
  window->bytes_per_second = rate;
  return *window;
}

TEST(RatePlanTest, TheFirstWindowThatContainsTheMomentDecides) {
  const auto plan = RatePlan::Make(
      {Window("mon-fri 12:00-13:00", std::nullopt), Window("mon-fri 08:00-18:00", 10)}, 1000);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->RateAt(At(0, 7, 59, 59)), 1000u);
  EXPECT_EQ(plan->RateAt(At(0, 8, 0)), 10u);
  EXPECT_EQ(plan->RateAt(At(4, 12, 30)), std::nullopt);
  EXPECT_EQ(plan->RateAt(At(4, 17, 59, 59)), 10u);
  EXPECT_EQ(plan->RateAt(At(4, 18, 0)), 1000u);
  EXPECT_EQ(plan->RateAt(At(5, 9, 0)), 1000u);
}

TEST(RatePlanTest, WindowsGoOverMidnightAndTheEndOfTheWeek) {
  const auto plan = RatePlan::Make({Window("sun 22:00-06:00", 5)}, std::nullopt);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->RateAt(At(6, 23, 0)), 5u);
  EXPECT_EQ(plan->RateAt(At(0, 5, 59)), 5u);
  EXPECT_EQ(plan->RateAt(At(0, 6, 0)), std::nullopt);
  EXPECT_EQ(plan->RateAt(At(6, 5, 0)), std::nullopt);
}

TEST(RatePlanTest, SaysWhenItChanges) {
  const auto plan = RatePlan::Make({Window("mon-fri 08:00-18:00", 10)}, std::nullopt);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->NextChange(At(0, 7, 0)), Duration(hours(1)));
  EXPECT_EQ(plan->NextChange(At(0, 8, 0)), Duration(hours(10)));
  EXPECT_EQ(plan->NextChange(At(0, 17, 59, 30)), Duration(seconds(30)));
  EXPECT_EQ(plan->NextChange(At(4, 18, 0)), Duration(hours(62)));  // Friday evening to Monday
  EXPECT_FALSE(RatePlan().NextChange(At(0, 0, 0)));
}

TEST(RatePlanTest, EveryMinuteOfTheWeekAgreesWithItsNextChange) {
  const auto plan = RatePlan::Make({Window("sat,sun 00:00-24:00", 7),
                                    Window("fri-mon 23:30-00:10", 3), Window("03:00-04:00", 9)},
                                   std::nullopt);
  ASSERT_TRUE(plan.ok());
  for (int minute = 0; minute < 7 * 1440; minute += 7) {
    const WeekTime at{minute / 1440, minute % 1440 * 60};
    const auto wait = *plan->NextChange(at);
    for (int later = 1; later < wait / minutes(1); ++later) {
      const int then = (minute + later) % (7 * 1440);
      ASSERT_EQ(plan->RateAt({then / 1440, then % 1440 * 60}), plan->RateAt(at)) << minute;
    }
  }
}

TEST(RatePlanTest, RefusesWhatMakesNoSense) {
  for (const char* text :
       {"", "8:00-18:00", "08:00", "08:00-18", "08:00-25:00", "24:00-01:00", "08:60-09:00",
        "moon 08:00-18:00", "mon- 08:00-18:00", "mon,,tue 08:00-18:00", "08:00-18:00 mon",
        "mon  08:00-18:00", "-8:00-18:00"}) {
    EXPECT_FALSE(RateWindow::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(RatePlan::Make({Window("08:00-09:00", 0)}, std::nullopt).ok());
  EXPECT_FALSE(RatePlan::Make({}, 0).ok());
  EXPECT_FALSE(RatePlan::Make(std::vector<RateWindow>(65), std::nullopt).ok());
}

}  // namespace
}  // namespace blobd::schedule
