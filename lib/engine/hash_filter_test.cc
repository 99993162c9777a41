#include "engine/hash_filter.h"

#include <gtest/gtest.h>

#include "blake3/hasher.h"

namespace blobd::engine {
namespace {

Hash HashOfNumber(uint32_t number) {
  Bytes bytes(4);
  for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  return blake3::HashOf(bytes);
}

TEST(HashFilter, HasWhatWasAddedAndHardlyAnythingElse) {
  HashFilter filter;
  EXPECT_FALSE(filter.MayHave(HashOfNumber(0)));
  for (uint32_t i = 0; i < 100'000; ++i) filter.Add(HashOfNumber(i));
  size_t others = 0;
  for (uint32_t i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(filter.MayHave(HashOfNumber(i))) << i;
    others += filter.MayHave(HashOfNumber(100'000 + i)) ? 1 : 0;
  }
  EXPECT_EQ(others, 0u);
}

}  // namespace
}  // namespace blobd::engine
