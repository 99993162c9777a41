#include "wire/chunk_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace blobd::wire {
namespace {

TEST(ChunkRanges, WithinABlobOfKnownSize) {
  struct Case {
    std::string name;
    ChunkRanges wanted;
    uint64_t size;
    RangeSet effective;
  };
  const auto set = [](std::vector<Range> ranges) {
    RangeSet result;
    for (const Range& range : ranges) result.Insert(range);
    return result;
  };
  const std::vector<Case> cases = {
      {"all", ChunkRanges::All(), 65537, set({{0, 65}})},
      {"last chunk", ChunkRanges::LastChunk(), 65537, set({{64, 65}})},
      {"beyond the end", {set({{100, 200}})}, 65537, set({{64, 65}})},
      {"hole before the last", {set({{0, 10}, {70, 80}})}, 65537, set({{0, 10}, {64, 65}})},
      {"overlaps the end", {set({{60, 100}})}, 65537, set({{60, 65}})},
      {"all but the last", {set({{0, 64}})}, 65537, set({{0, 64}})},
      {"explicit end", {set({{0, 65}})}, 65537, set({{0, 65}})},
      {"head and last", {set({{0, 1}}), true}, 65537, set({{0, 1}, {64, 65}})},
      {"open from behind the end", {set({{1000, RangeSet::kOpenEnd}})}, 65537, set({{64, 65}})},
      {"empty blob, all", ChunkRanges::All(), 0, set({{0, 1}})},
      {"empty blob, last", ChunkRanges::LastChunk(), 0, set({{0, 1}})},
      {"empty blob, chunk 7", {set({{7, 8}})}, 0, set({{0, 1}})},
      {"nothing", {}, 65537, {}},
      {"largest blob", ChunkRanges::LastChunk(), uint64_t{1} << 63,
       set({{(uint64_t{1} << 53) - 1, uint64_t{1} << 53}})},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(c.wanted.Within(std::max<uint64_t>(1, (c.size + kChunkSize - 1) / kChunkSize)),
              c.effective);
  }
  EXPECT_TRUE(ChunkRanges().empty());
  EXPECT_FALSE(ChunkRanges::LastChunk().empty());
}

}  // namespace
}  // namespace blobd::wire
