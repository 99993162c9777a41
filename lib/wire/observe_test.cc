#include "wire/observe.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"

namespace blobd::wire {
namespace {

Bytes BytesOf(const std::string& hex) { return *FromHex(hex); }

TEST(Observe, ItemsBothWays) {
  RangeSet two;
  two.Insert({0, 16});
  two.Insert({48, 64});
  RangeSet proven;
  proven.Insert({16, RangeSet::kOpenEnd});
  struct Case {
    ObserveItem item;
    std::string hex;
  };
  const std::vector<Case> cases = {{{0, {}}, "020000"},  // nothing known
                                   {{0, RangeSet::All()}, "03000100"},
                                   {{1025, RangeSet::All()}, "0481080100"},
                                   // Boundaries are absolute: 64 is not 16 behind 48.
                                   {{70000, two}, "08f0a2040400103040"},
                                   {{70000, proven}, "05f0a2040110"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    EXPECT_EQ(ToHex(EncodeObserveFrame(c.item).value()), c.hex);
    const Bytes bytes = BytesOf(c.hex + "aabb");
    const auto frame = DecodeObserveFrame(bytes);
    ASSERT_TRUE(frame.ok()) << frame.status();
    ASSERT_TRUE(frame->has_value());
    EXPECT_EQ((*frame)->item, c.item);
    EXPECT_EQ((*frame)->size, c.hex.size() / 2);
    for (size_t size = 0; size < c.hex.size() / 2; ++size) {
      const auto early = DecodeObserveFrame(ByteView(bytes).first(size));
      ASSERT_TRUE(early.ok());
      EXPECT_FALSE(early->has_value());
    }
  }
}

TEST(Observe, LenientAndBadItems) {
  EXPECT_EQ((*DecodeObserveFrame(BytesOf("0600"
                                         "0400101020")))
                .value()
                .item.chunks.ToString(),
            "0..32");
  struct Case {
    std::string name;
    std::string hex;
    StatusCode code;
  };
  const std::vector<Case> cases = {
      {"empty item", "00", StatusCode::kInvalidArgument},
      {"no count", "0105", StatusCode::kInvalidArgument},
      {"more boundaries than bytes", "0400030102", StatusCode::kInvalidArgument},
      {"descending", "0400020504", StatusCode::kInvalidArgument},
      {"boundary 2^64-1", "0c0001ffffffffffffffffff01", StatusCode::kInvalidArgument},
      {"length of eleven bytes", "8080808080808080808000", StatusCode::kInvalidArgument},
      {"more than 1 MiB", "818040", StatusCode::kResourceExhausted}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(DecodeObserveFrame(BytesOf(c.hex)).status().code(), c.code);
  }
}

TEST(Observe, TooManyRangesForOneItem) {
  ObserveItem item;
  for (uint64_t i = 0; i < kMaxObserveItemSize; ++i) item.chunks.Insert({2 * i, 2 * i + 1});
  EXPECT_EQ(EncodeObserveFrame(item).status().code(), StatusCode::kResourceExhausted);
}

TEST(Observe, RandomItemsComeBack) {
  Rng rng(11);
  for (int i = 0; i < 2000; ++i) {
    ObserveItem item;
    item.size = rng.Next() >> rng.Below(64);
    for (uint64_t n = rng.Below(6); n > 0; --n) {
      const uint64_t begin = rng.Next() >> (8 + rng.Below(50));
      item.chunks.Insert(
          {begin, rng.Chance(0.1) ? RangeSet::kOpenEnd : begin + 1 + rng.Below(100)});
    }
    const Bytes bytes = EncodeObserveFrame(item).value();
    const auto frame = DecodeObserveFrame(bytes);
    ASSERT_TRUE(frame.ok() && frame->has_value());
    ASSERT_EQ((*frame)->item, item);
    ASSERT_EQ((*frame)->size, bytes.size());
  }
}

}  // namespace
}  // namespace blobd::wire
