#include "base/range_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"

namespace blobd {
namespace {

TEST(RangeSet, MergesTouchingRanges) {
  RangeSet set;
  set.Insert({0, 16});
  set.Insert({32, 48});
  set.Insert({16, 32});
  EXPECT_EQ(set.ToString(), "0..48");
  set.Insert({5, 5});
  EXPECT_EQ(set.ranges().size(), 1u);
}

TEST(RangeSet, OpenEnd) {
  RangeSet set(Range{64, RangeSet::kOpenEnd});
  EXPECT_TRUE(set.is_open_ended());
  EXPECT_EQ(set.Count(), RangeSet::kOpenEnd);
  EXPECT_TRUE(set.Contains(1u << 30));
  EXPECT_FALSE(set.Contains(63));
  EXPECT_EQ(set.ToString(), "64..");
  EXPECT_EQ(RangeSet::All().Missing({0, 100}).Count(), 0u);
}

// Every operation against a std::set of the numbers 0..63, over random histories.
TEST(RangeSet, AgreesWithASetOfNumbers) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    RangeSet a;
    RangeSet b;
    std::set<uint64_t> numbers_a;
    std::set<uint64_t> numbers_b;
    for (int step = 0; step < 40; ++step) {
      const uint64_t begin = rng.Below(64);
      const Range range{begin, begin + rng.Below(20)};
      RangeSet& set = rng.Chance(0.5) ? a : b;
      std::set<uint64_t>& numbers = &set == &a ? numbers_a : numbers_b;
      if (rng.Chance(0.6)) {
        set.Insert(range);
        for (uint64_t n = range.begin; n < range.end; ++n) numbers.insert(n);
      } else {
        set.Remove(range);
        for (uint64_t n = range.begin; n < range.end; ++n) numbers.erase(n);
      }
      EXPECT_EQ(set.Count(), numbers.size());
      RangeSet sum = a;
      sum.InsertAll(b);
      RangeSet difference = a;
      difference.RemoveAll(b);
      const RangeSet both = a.Intersection(b);
      const RangeSet within = a.Intersection(range);
      const RangeSet missing = a.Missing(range);
      bool all = true;
      bool any = false;
      for (uint64_t n = 0; n < 90; ++n) {
        const bool in_a = numbers_a.count(n) != 0;
        const bool in_b = numbers_b.count(n) != 0;
        const bool in_range = range.begin <= n && n < range.end;
        ASSERT_EQ(a.Contains(n), in_a);
        ASSERT_EQ(sum.Contains(n), in_a || in_b);
        ASSERT_EQ(difference.Contains(n), in_a && !in_b);
        ASSERT_EQ(both.Contains(n), in_a && in_b);
        ASSERT_EQ(within.Contains(n), in_a && in_range);
        ASSERT_EQ(missing.Contains(n), !in_a && in_range);
        all &= !in_range || in_a;
        any |= in_range && in_a;
      }
      EXPECT_EQ(a.ContainsAll(range), all);
      EXPECT_EQ(a.Intersects(range), any);
      for (size_t i = 1; i < sum.ranges().size(); ++i) {
        ASSERT_LT(sum.ranges()[i - 1].end, sum.ranges()[i].begin);
      }
    }
  }
}

}  // namespace
}  // namespace blobd
