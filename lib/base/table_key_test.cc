#include "base/table_key.h"

#include <gtest/gtest.h>

#include <cstring>
#include <unordered_set>

#include "base/hash.h"

namespace blobd {
namespace {

Hash HashOf(uint64_t first, uint64_t second) {
  Hash hash;
  std::memcpy(hash.bytes.data(), &first, 8);
  std::memcpy(hash.bytes.data() + 8, &second, 8);
  return hash;
}

TEST(TableKey, WhatMeetsWithoutAKeyDoesNotMeetUnderIt) {
  // All of these have one sum, one difference in bits, or one product.
  std::unordered_set<size_t> places;
  for (uint64_t i = 1; i <= 1000; ++i) {
    places.insert(std::hash<Hash>{}(HashOf(i, 0 - i)));
    places.insert(std::hash<Hash>{}(HashOf(i, i)));
    places.insert(std::hash<Hash>{}(HashOf(0, i << 40)));
  }
  EXPECT_EQ(places.size(), 3000u);
}

TEST(TableKey, EveryByteCounts) {
  std::unordered_set<size_t> places;
  for (size_t at = 0; at < 32; ++at) {
    for (int value = 1; value < 256; ++value) {
      Hash hash;
      hash.bytes[at] = static_cast<uint8_t>(value);
      places.insert(std::hash<Hash>{}(hash));
    }
  }
  EXPECT_EQ(places.size(), 32u * 255u);
}

TEST(TableKey, AnotherKeySpreadsOtherwise) {
  const TableKey before = table_key;
  const size_t fixed = std::hash<Hash>{}(HashOf(1, 2));
  ChooseTableKey();
  EXPECT_NE(std::hash<Hash>{}(HashOf(1, 2)), fixed);
  table_key = before;
  EXPECT_EQ(std::hash<Hash>{}(HashOf(1, 2)), fixed);
}

}  // namespace
}  // namespace blobd
