#include "schedule/content.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace blobd::schedule {
namespace {
constexpr uint64_t kMiB = 1 << 20;

TEST(SplitPoint, IsABoundaryOfALargeSubtreeNearTheShare) {
  EXPECT_EQ(SplitPoint({0, 100 * kMiB}, 0.5, {}), 48 * kMiB);
  EXPECT_EQ(SplitPoint({0, 128 * kMiB}, 0.5, {}), 64 * kMiB);
  EXPECT_EQ(SplitPoint({0, 128 * kMiB}, 0.25, {}), 32 * kMiB);
  EXPECT_EQ(SplitPoint({0, 1024 * kMiB}, 0.66, {}), 768 * kMiB);
}

TEST(SplitPoint, OfASequenceIsAChildIfOneIsNearElseInsideALargeOne) {
  const std::vector<uint64_t> cuts = {0, 10 * kMiB + 5, 53 * kMiB + 7, 58 * kMiB + 1, 90 * kMiB};
  EXPECT_EQ(SplitPoint({0, 100 * kMiB}, 0.5, cuts), 53 * kMiB + 7);
  EXPECT_EQ(SplitPoint({0, 100 * kMiB}, 0.6, cuts), 58 * kMiB + 1);
  // Inside the child that begins at 10 MiB + 5: a boundary of its tree.
  EXPECT_EQ(SplitPoint({11 * kMiB, 52 * kMiB}, 0.5, cuts), 10 * kMiB + 5 + 24 * kMiB);
}

TEST(SplitPoint, AlwaysLiesInside) {
  Rng rng(1);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t begin = rng.Below(1000 * kMiB);
    const Range rest{begin, begin + 2 * kLeastHalf + rng.Below(1000 * kMiB)};
    std::vector<uint64_t> cuts;
    for (uint64_t at = 0; rng.Chance(0.9); at += 1 + rng.Below(100 * kMiB)) cuts.push_back(at);
    const double keep = 0.05 + 0.9 * static_cast<double>(rng.Below(1000)) / 1000;
    const uint64_t at = SplitPoint(rest, keep, cuts);
    ASSERT_GT(at, rest.begin);
    ASSERT_LT(at, rest.end);
  }
}

TEST(Content, BothHalvesKeepThreeMebibytes) {
  Content content;
  EXPECT_EQ(content.Split({0, 2 * kLeastHalf - 1}, 0.5), 0u);
  EXPECT_EQ(content.Split({0, 2 * kLeastHalf}, 0.5), kLeastHalf);
  // However little is to be kept.
  EXPECT_EQ(content.Split({0, 8 * kMiB}, 0.05), kLeastHalf);
  EXPECT_EQ(content.Split({0, 8 * kMiB}, 0.95), 8 * kMiB - kLeastHalf);
}

TEST(Content, APartialProviderIsUsedForWhatItHolds) {
  Content content;
  content.pending = RangeSet(Range{10, 50});
  EXPECT_EQ(content.FirstFor(1), (Range{10, 50}));
  content.holds[1] = RangeSet(Range{40, 70});
  EXPECT_EQ(content.FirstFor(1), (Range{40, 50}));
  EXPECT_TRUE(content.Holds(1, {41, 44}));
  EXPECT_FALSE(content.Holds(1, {39, 44}));
  EXPECT_TRUE(content.Holds(2, {39, 44}));
  content.holds[1] = RangeSet(Range{60, 70});
  EXPECT_TRUE(content.FirstFor(1).empty());
  content.pending = RangeSet();
  EXPECT_TRUE(content.FirstFor(2).empty());
}

}  // namespace
}  // namespace blobd::schedule
