#include "path/silence_detector.h"

#include <gtest/gtest.h>

namespace blobd::path {
namespace {

using Advice = SilenceDetector::Advice;

const Instant kStart = Instant::FromNanos(1'000'000'000);
constexpr Duration kRtt = milliseconds(20);

TEST(SilenceDetector, CostsNothingWhileNothingIsWanted) {
  SilenceDetector detector;
  detector.Heard(kStart);
  EXPECT_EQ(detector.NextDeadline(kRtt), std::nullopt);
  EXPECT_EQ(detector.Check(kStart + hours(1), kRtt), Advice::kNothing);
  // Silence from before does not count.
  detector.Want(kStart + hours(1));
  EXPECT_EQ(detector.NextDeadline(kRtt), kStart + hours(1) + seconds(1));
}

TEST(SilenceDetector, AsksThenSaysOnceThatThePathIsDark) {
  SilenceDetector detector;
  detector.Want(kStart);
  EXPECT_EQ(detector.Check(kStart + milliseconds(999), kRtt), Advice::kNothing);
  EXPECT_EQ(detector.Check(kStart + seconds(1), kRtt), Advice::kPing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(1499), kRtt), Advice::kNothing);
  EXPECT_FALSE(detector.dark());
  EXPECT_EQ(detector.Check(kStart + milliseconds(1500), kRtt), Advice::kWentDark);
  EXPECT_TRUE(detector.dark());
  // From then on it asks, so that the path's return is noticed.
  EXPECT_EQ(detector.Check(kStart + milliseconds(1501), kRtt), Advice::kNothing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(2500), kRtt), Advice::kPing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(3500), kRtt), Advice::kPing);
  EXPECT_TRUE(detector.dark());
}

TEST(SilenceDetector, AnyWordEndsTheSilence) {
  SilenceDetector detector;
  detector.Want(kStart);
  detector.Heard(kStart + milliseconds(900));
  EXPECT_EQ(detector.Check(kStart + milliseconds(1899), kRtt), Advice::kNothing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(1900), kRtt), Advice::kPing);
  detector.Heard(kStart + milliseconds(1950));
  EXPECT_EQ(detector.NextDeadline(kRtt), kStart + milliseconds(2950));
  EXPECT_EQ(detector.Check(kStart + milliseconds(2950), kRtt), Advice::kPing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(3450), kRtt), Advice::kWentDark);
  detector.Heard(kStart + milliseconds(3500));
  EXPECT_FALSE(detector.dark());
  EXPECT_EQ(detector.Check(kStart + milliseconds(4499), kRtt), Advice::kNothing);
}

TEST(SilenceDetector, LongPathsHaveMoreTime) {
  SilenceDetector detector;
  constexpr Duration kLong = milliseconds(600);
  detector.Want(kStart);
  EXPECT_EQ(detector.Check(kStart + milliseconds(2399), kLong), Advice::kNothing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(2400), kLong), Advice::kPing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(4199), kLong), Advice::kNothing);
  EXPECT_EQ(detector.Check(kStart + milliseconds(4200), kLong), Advice::kWentDark);
}

TEST(SilenceDetector, AnotherPathStartsAnew) {
  SilenceDetector detector;
  detector.Want(kStart);
  detector.Check(kStart + seconds(1), kRtt);
  detector.Check(kStart + seconds(2), kRtt);
  ASSERT_TRUE(detector.dark());
  detector.Moved(kStart + seconds(2));
  EXPECT_FALSE(detector.dark());
  EXPECT_EQ(detector.NextDeadline(kRtt), kStart + seconds(3));
  detector.Unwant();
  EXPECT_EQ(detector.NextDeadline(kRtt), std::nullopt);
}

}  // namespace
}  // namespace blobd::path
