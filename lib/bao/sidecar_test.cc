#include "bao/sidecar.h"

#include <gtest/gtest.h>

#include "bao/naive_for_test.h"
#include "bao/proven_values.h"
#include "base/units.h"

namespace blobd::bao {
namespace {

class Collector final : public PairSink {
 public:
  void OnPair(const Subtree& subtree, ByteView pair) override {
    EXPECT_EQ(subtree.pair_index * kPairSize, pairs.size()) << "in pre-order, each at its place";
    pairs.insert(pairs.end(), pair.begin(), pair.end());
  }
  Bytes pairs;
};

TEST(SidecarTest, GivesOnAllPairsInPiecesOfAnySize) {
  for (const uint64_t size : {0ul, 1ul, 16384ul, 16385ul, 65537ul, 1048583ul}) {
    const NaiveBlob blob(RandomContent(size, size));
    for (const size_t piece : {size_t{1}, size_t{64}, size_t{100}, blob.outboard().size() + 1}) {
      SidecarReader reader(blob.hash(), size);
      Collector sink;
      const ByteView all = blob.outboard();
      for (size_t at = 0; at < all.size(); at += piece) {
        ASSERT_TRUE(reader.Feed(all.subspan(at, std::min(piece, all.size() - at)), sink));
        ASSERT_EQ(reader.done(), at + piece >= all.size());
      }
      EXPECT_TRUE(reader.done());
      EXPECT_EQ(sink.pairs, blob.outboard());
    }
  }
}

TEST(SidecarTest, AWrongPairEndsItAndWhatCameBeforeIsTrue) {
  const NaiveBlob blob(RandomContent(1048583, 1));
  for (size_t at = 0; at < blob.outboard().size(); at += 61) {
    Bytes wrong = blob.outboard();
    wrong[at] ^= 1;
    SidecarReader reader(blob.hash(), blob.size());
    Collector sink;
    EXPECT_FALSE(reader.Feed(wrong, sink));
    EXPECT_FALSE(reader.done());
    EXPECT_EQ(sink.pairs.size(), at / kPairSize * kPairSize);
    EXPECT_FALSE(reader.Feed(blob.outboard(), sink)) << "it stays ended";
    EXPECT_EQ(sink.pairs.size(), at / kPairSize * kPairSize);
  }
}

TEST(SidecarTest, MoreThanAnOutboardIsRefused) {
  const NaiveBlob blob(RandomContent(65537, 1));
  Bytes longer = blob.outboard();
  longer.push_back(0);
  SidecarReader reader(blob.hash(), blob.size());
  Collector sink;
  EXPECT_FALSE(reader.Feed(longer, sink));
  SidecarReader small(NaiveBlob({}).hash(), 0);
  EXPECT_TRUE(small.done());
  EXPECT_FALSE(small.Feed(longer, sink));
}

TEST(SidecarTest, AnotherBlobsOutboardGivesNothing) {
  const NaiveBlob blob(RandomContent(65537, 1));
  SidecarReader reader(NaiveBlob(RandomContent(65537, 2)).hash(), blob.size());
  Collector sink;
  EXPECT_FALSE(reader.Feed(blob.outboard(), sink));
  EXPECT_TRUE(sink.pairs.empty());
}

TEST(ProvenValuesTest, BlocksAreBounded) {
  EXPECT_EQ(BlockGroups(0), 64u);
  EXPECT_EQ(BlockGroups(kGiB), 64u);
  EXPECT_EQ(BlockGroups(64 * kGiB), 64u);
  EXPECT_EQ(BlockGroups(64 * kGiB + 1), 128u);
  EXPECT_LE(ProvenValues(Hash{}, 16 * kTiB).blocks(), kMaxBlocks);
  EXPECT_LE(ProvenValues(Hash{}, kMaxBlobSize).blocks(), kMaxBlocks);
}

TEST(ProvenValuesTest, PairsAreFoundByTheirIndex) {
  const ProvenValues values(Hash{}, 5 * kMiB + 1);
  // Down every path: the index names the subtree again.
  std::vector<Subtree> stack = {values.root()};
  size_t seen = 0;
  while (!stack.empty()) {
    const Subtree here = stack.back();
    stack.pop_back();
    if (!here.has_outboard_pair()) continue;
    ++seen;
    EXPECT_EQ(values.SubtreeOf(here.pair_index), here);
    stack.push_back(here.Left());
    stack.push_back(here.Right());
  }
  EXPECT_EQ(seen, GroupCount(5 * kMiB + 1) - 1);
}

}  // namespace
}  // namespace blobd::bao
