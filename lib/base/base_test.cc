#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "base/hash.h"
#include "base/hex.h"
#include "base/node_id.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "base/units.h"

namespace blobd {
namespace {

TEST(Hex, ReadsBothCasesWritesLower) {
  EXPECT_EQ(ToHex(*FromHex("00ffAb")), "00ffab");
  EXPECT_FALSE(FromHex("0"));
  EXPECT_FALSE(FromHex("0g"));
  EXPECT_TRUE(FromHex("")->empty());
}

TEST(Hash, TextFormsAndOrder) {
  const std::string hex = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
  const auto hash = Hash::FromHexText(hex);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash->ToHex(), hex);
  EXPECT_EQ(hash->Short(), "af1349b9f5");
  EXPECT_FALSE(Hash::FromHexText(hex.substr(2)));
  EXPECT_LT(Hash{}, *hash);
  EXPECT_NE((Kind{*hash, BlobFormat::kRaw}), (Kind{*hash, BlobFormat::kHashSeq}));
}

TEST(Rng, SameSeedSameNumbersAndBoundsHold) {
  Rng a(7);
  Rng b(7);
  Rng c(8);
  std::set<uint64_t> seen;
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.Below(10);
    EXPECT_EQ(value, b.Below(10));
    differs |= value != c.Below(10);
    EXPECT_LT(value, 10u);
    seen.insert(value);
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(a.Between(seconds(3), seconds(3)), seconds(3));
}

TEST(Instant, AdditionSaturates) {
  EXPECT_EQ(Instant::Max() + seconds(1), Instant::Max());
  EXPECT_EQ(Instant::FromNanos(5) + Duration::max(), Instant::Max());
  EXPECT_EQ((Instant::FromNanos(5) + seconds(1)).nanos(), 1'000'000'005u);
}

TEST(Units, TextForPeople) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatSize(64 * kMiB), "64 MiB");
  EXPECT_EQ(FormatSize(kGiB + kGiB / 4), "1.25 GiB");
  EXPECT_EQ(FormatRate(123'456'789), "123 MB/s");
  EXPECT_EQ(FormatDuration(milliseconds(850)), "850 ms");
  EXPECT_EQ(FormatDuration(seconds(200)), "3 min 20 s");
  EXPECT_EQ(FormatDuration(hours(26)), "1 d 2 h");
}

TEST(Status, ErrnoMapsToCodes) {
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "open").code(), StatusCode::kNotFound);
  EXPECT_EQ(Message(Annotate(NotFound("no {}", "x"), "store")), "store: no x");
}

TEST(UniqueFunction, OwnsWhatItNeeds) {
  auto owned = std::make_unique<int>(41);
  UniqueFunction<int(int)> add = [owned = std::move(owned)](int n) { return *owned + n; };
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_EQ(moved(1), 42);
  EXPECT_TRUE(moved);
  EXPECT_FALSE(UniqueFunction<void()>());
}

TEST(Units, RatesAreReadAsPeopleWriteThem) {
  EXPECT_EQ(ParseRate("800000"), 800'000u);
  EXPECT_EQ(ParseRate("10M"), 10'000'000u);
  EXPECT_EQ(ParseRate("10MB/s"), 10'000'000u);
  EXPECT_EQ(ParseRate("10 mib/s"), 10 * kMiB);
  EXPECT_EQ(ParseRate("64KiB"), 64 * kKiB);
  EXPECT_EQ(ParseRate("1.5G"), 1'500'000'000u);
  EXPECT_EQ(ParseRate("1B"), 1u);
  for (const std::string_view bad : {"", "0", "off", "-1", "M", "1.2.3", "10 Mbit", "10M/m", "1..5",
                                     ".5", "99999999999999999999", "9T T", "2000T"}) {
    EXPECT_EQ(ParseRate(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace blobd
