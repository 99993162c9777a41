#include "engine/mirror_faults.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace blobd::engine {
namespace {

Hash HashNumber(uint8_t number) { return Hash{{number}}; }

TEST(MirrorFaultsTest, AUrlIsRefusedForWhatItWasWrongAbout) {
  MirrorFaults faults;
  const Instant now = Instant::FromNanos(1);
  EXPECT_FALSE(faults.Add("https://m/a", HashNumber(1), "bad", now));
  ASSERT_NE(faults.Refused("https://m/a", HashNumber(1), now), nullptr);
  EXPECT_NE(faults.Refused("https://m/a", HashNumber(1), now)->find("bad"), std::string::npos);
  EXPECT_EQ(faults.Refused("https://m/a", HashNumber(2), now), nullptr);
  EXPECT_EQ(faults.Refused("https://m/b", HashNumber(1), now), nullptr);
  EXPECT_EQ(faults.Refused("https://m/a", HashNumber(1), now + MirrorFaults::kLength), nullptr);
}

TEST(MirrorFaultsTest, AnOriginIsBannedAfterThreeHashes) {
  MirrorFaults faults;
  const Instant now = Instant::FromNanos(1);
  EXPECT_FALSE(faults.Add("https://m/a", HashNumber(1), "", now));
  EXPECT_FALSE(faults.Add("https://m/b", HashNumber(1), "", now)) << "the same hash";
  EXPECT_FALSE(faults.Add("https://other/{hash}", HashNumber(9), "", now));
  EXPECT_FALSE(faults.Add("https://m/{hash}", HashNumber(2), "", now));
  EXPECT_TRUE(faults.Add("https://m/c", HashNumber(3), "", now));
  EXPECT_FALSE(faults.Add("https://m/d", HashNumber(4), "", now + MirrorFaults::kLength * 2))
      << "what was long ago does not count";
}

TEST(MirrorFaultsTest, IsBounded) {
  MirrorFaults faults;
  const Instant now = Instant::FromNanos(1);
  for (size_t i = 0; i < 2 * MirrorFaults::kMostEntries; ++i)
    faults.Add(fmt::format("https://m/{}", i), HashNumber(1), "", now);
  EXPECT_EQ(faults.Refused("https://m/0", HashNumber(1), now), nullptr);
  EXPECT_NE(faults.Refused(fmt::format("https://m/{}", 2 * MirrorFaults::kMostEntries - 1),
                           HashNumber(1), now),
            nullptr);
}

}  // namespace
}  // namespace blobd::engine
