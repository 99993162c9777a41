#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"
#include "blake3/chaining_value.h"
#include "blake3/hasher.h"

namespace blobd::blake3 {
namespace {

Bytes RandomBytes(size_t size, uint64_t seed) {
  Rng rng(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.Next());
  return bytes;
}

// The tree by its definition: one chunk at a time, split at the largest power of two.
ChainingValue NaiveValue(ByteView data, uint64_t first_chunk, bool is_root) {
  if (data.size() <= kChunkSize) return SubtreeValue(data, first_chunk, is_root);
  const size_t chunks = (data.size() + kChunkSize - 1) / kChunkSize;
  size_t left = 1;
  while (2 * left < chunks) left *= 2;
  return ParentValue(NaiveValue(data.first(left * kChunkSize), first_chunk, false),
                     NaiveValue(data.subspan(left * kChunkSize), first_chunk + left, false),
                     is_root);
}

TEST(HasherTest, KnownAnswers) {
  EXPECT_EQ(HashOf({}).ToHex(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(HashOf(AsBytes("abc")).ToHex(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

TEST(HasherTest, PiecesGiveTheHashOfTheWhole) {
  const Bytes data = RandomBytes(300'001, 1);
  Rng rng(2);
  Hasher hasher;
  for (size_t at = 0; at < data.size();) {
    const size_t size = std::min<size_t>(rng.Below(20'000), data.size() - at);
    hasher.Update(ByteView(data).subspan(at, size));
    at += size;
  }
  EXPECT_EQ(hasher.Finish(), HashOf(data));
  hasher.Update({});
  EXPECT_EQ(hasher.Finish(), HashOf(data));
  hasher.Reset();
  EXPECT_EQ(hasher.Finish(), HashOf({}));
}

TEST(ChainingValueTest, RootOfUpToAGroupIsTheHash) {
  const Bytes data = RandomBytes(kGroupSize, 3);
  std::vector<size_t> sizes = {0, 1, 63, 64, 65, 1023, kGroupSize - 1, kGroupSize};
  for (size_t chunks = 1; chunks < kGroupChunks; ++chunks) {
    for (size_t more : {0u, 1u, 64u, 100u, 1023u}) sizes.push_back(chunks * kChunkSize + more);
  }
  for (size_t size : sizes) {
    SCOPED_TRACE(size);
    EXPECT_EQ(SubtreeValue(ByteView(data).first(size), 0, true),
              HashOf(ByteView(data).first(size)).bytes);
  }
}

TEST(ChainingValueTest, LargerTreesAreTheHash) {
  const Bytes data = RandomBytes(200'000, 4);
  for (size_t size : {16385u, 17408u, 32768u, 65537u, 199'999u}) {
    SCOPED_TRACE(size);
    EXPECT_EQ(NaiveValue(ByteView(data).first(size), 0, true),
              HashOf(ByteView(data).first(size)).bytes);
  }
}

TEST(ChainingValueTest, ValuesDependOnThePlace) {
  const Bytes data = RandomBytes(kGroupSize, 5);
  EXPECT_NE(SubtreeValue(data, 0, false), SubtreeValue(data, 16, false));
  EXPECT_NE(SubtreeValue(data, 0, false), SubtreeValue(data, 0, true));
  // Counters have 64 bits.
  EXPECT_NE(SubtreeValue(data, 16, false), SubtreeValue(data, 16 + (uint64_t{1} << 32), false));
  EXPECT_EQ(SubtreeValue(data, uint64_t{1} << 50, false),
            NaiveValue(data, uint64_t{1} << 50, false));
}

TEST(ChainingValueTest, GroupValuesAreThoseOfEachGroup) {
  constexpr size_t kGroups = 37;  // more than one batch, and not a multiple of it
  const Bytes data = RandomBytes(kGroups * kGroupSize, 6);
  for (size_t count : {0u, 1u, 2u, 15u, 16u, 17u, 37u}) {
    SCOPED_TRACE(count);
    std::vector<ChainingValue> values(count);
    GroupValues(ByteView(data).first(count * kGroupSize), 7, values);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(values[i], NaiveValue(ByteView(data).subspan(i * kGroupSize, kGroupSize),
                                      (7 + i) * 16, false));
    }
  }
}

TEST(ChainingValueTest, ParentValuesInPlace) {
  constexpr size_t kCount = 1027;  // more than one batch, and odd
  std::vector<ChainingValue> children(kCount);
  Rng rng(7);
  for (ChainingValue& child : children) {
    for (uint8_t& byte : child) byte = static_cast<uint8_t>(rng.Next());
  }
  std::vector<ChainingValue> level = children;
  ParentValues(level, std::span(level).first(kCount / 2 + 1));
  for (size_t i = 0; i < kCount / 2; ++i) {
    EXPECT_EQ(level[i], ParentValue(children[2 * i], children[2 * i + 1], false));
  }
  EXPECT_EQ(level[kCount / 2], children.back());
}

}  // namespace
}  // namespace blobd::blake3
