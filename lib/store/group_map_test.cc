#include "store/group_map.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace blobd::store {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 48;

TEST(GroupMapTest, RoundTrip) {
  Rng rng(1);
  for (int run = 0; run < 200; ++run) {
    RangeSet groups;
    for (uint64_t i = rng.Below(50); i > 0; --i) {
      const uint64_t begin = rng.Below(uint64_t{1} << rng.Below(40));
      groups.Insert({begin, begin + 1 + rng.Below(1000)});
    }
    EXPECT_EQ(DecodeGroups(EncodeGroups(groups), kLimit), groups);
  }
  EXPECT_TRUE(EncodeGroups(RangeSet()).empty());
}

TEST(GroupMapTest, NonsenseIsRefused) {
  const Bytes cases[] = {
      {0x80},                                                              // ends within a number
      {0x01},                                                              // a gap without a length
      {0x01, 0x00},                                                        // an empty range
      {0x05, 0x06},                                                        // ends behind the limit
      {0x0b, 0x01},                                                        // begins there
      {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},  // no number of 63 bits
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01},
  };
  for (const Bytes& bytes : cases) EXPECT_FALSE(DecodeGroups(bytes, 10).has_value());
  EXPECT_EQ(DecodeGroups(Bytes{0x05, 0x05}, 10), RangeSet(Range{5, 10}));
}

TEST(GroupMapTest, TheLastGroupMayBeShort) {
  EXPECT_EQ(BytesOfGroups(RangeSet(Range{0, 2}), 20000, true), 20000u);
  EXPECT_EQ(BytesOfGroups(RangeSet(Range{1, 2}), 20000, true), 20000u - 16384u);
  EXPECT_EQ(BytesOfGroups(RangeSet(Range{0, 1}), 20000, true), 16384u);
  EXPECT_EQ(BytesOfGroups(RangeSet(Range{0, 1}), 0, true), 0u);
  EXPECT_EQ(BytesOfGroups(RangeSet(Range{0, 1}), 0, false), 16384u);
}

}  // namespace
}  // namespace blobd::store
