#include "bao/tree.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blobd::bao {
namespace {

TEST(TreeTest, SizesAsCaptured) {
  struct Case {
    uint64_t size;
    uint64_t chunks;
    uint64_t groups;
    uint64_t response;  // protocol/blobs.md, section 5
  };
  for (const Case& c : std::vector<Case>{{0, 1, 1, 8},
                                         {1, 1, 1, 9},
                                         {1024, 1, 1, 1032},
                                         {1025, 2, 1, 1033},
                                         {16384, 16, 1, 16392},
                                         {16385, 17, 2, 16457},
                                         {65537, 65, 5, 65801},
                                         {1048583, 1025, 65, 1052687}}) {
    SCOPED_TRACE(c.size);
    EXPECT_EQ(ChunkCount(c.size), c.chunks);
    EXPECT_EQ(GroupCount(c.size), c.groups);
    EXPECT_EQ(OutboardSize(c.size), 64 * (c.groups - 1));
    EXPECT_EQ(WholeResponseSize(c.size), c.response);
  }
  EXPECT_EQ(OutboardSize(4333333), 16896u);
}

TEST(TreeTest, TheLargestBlobDoesNotOverflow) {
  EXPECT_EQ(ChunkCount(kMaxBlobSize), uint64_t{1} << 53);
  EXPECT_EQ(OutboardSize(kMaxBlobSize), ((uint64_t{1} << 49) - 1) * 64);
  EXPECT_EQ(WholeResponseSize(kMaxBlobSize),
            8 + (uint64_t{1} << 63) + ((uint64_t{1} << 49) - 1) * 64);
  EXPECT_EQ(ChunkCount(kMaxBlobSize - 1), uint64_t{1} << 53);
  // The way to the last chunk is the longest.
  Subtree subtree = Subtree::Root(ChunkCount(kMaxBlobSize));
  int depth = 0;
  uint64_t last_pair = 0;
  while (subtree.chunks() > 1) {
    if (subtree.has_outboard_pair()) last_pair = subtree.pair_index;
    subtree = subtree.Right();
    ++depth;
  }
  EXPECT_EQ(depth, kMaxDepth);
  EXPECT_EQ(subtree.begin, (uint64_t{1} << 53) - 1);
  EXPECT_EQ(last_pair, (uint64_t{1} << 49) - 2);
}

TEST(TreeTest, LeftPartIsTheLargestPowerOfTwo) {
  const Subtree root = Subtree::Root(65);
  EXPECT_EQ(root.Left(), (Subtree{0, 64, 1}));
  EXPECT_EQ(root.Right(), (Subtree{64, 65, 4}));
  EXPECT_EQ(root.Left().Right(), (Subtree{32, 64, 3}));
  EXPECT_EQ(Subtree::Root(2).Right(), (Subtree{1, 2, 1}));
}

// Pre-order, counted by walking all of it.
TEST(TreeTest, PairIndicesArePreOrder) {
  for (uint64_t groups = 1; groups <= 130; ++groups) {
    SCOPED_TRACE(groups);
    std::vector<Subtree> stack = {Subtree::Root(groups * kGroupChunks - 5)};
    uint64_t next = 0;
    while (!stack.empty()) {
      const Subtree subtree = stack.back();
      stack.pop_back();
      if (!subtree.has_outboard_pair()) continue;
      EXPECT_EQ(subtree.pair_index, next);
      const Subtree right = subtree.Right();
      int level = 0;
      while ((uint64_t{kGroupChunks} << level) < right.begin - subtree.begin) ++level;
      EXPECT_EQ(PairIndex(subtree.group(), level, groups), next);
      ++next;
      stack.push_back(right);
      stack.push_back(subtree.Left());
    }
    EXPECT_EQ(next, groups - 1);
  }
}

}  // namespace
}  // namespace blobd::bao
