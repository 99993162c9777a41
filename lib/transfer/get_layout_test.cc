#include "transfer/get_layout.h"

#include <gtest/gtest.h>

namespace blobd::transfer {
namespace {

using store::BlobState;

constexpr uint64_t kGroup = store::kGroupSize;

Inventory Sequence(const std::vector<std::optional<uint64_t>>& sizes) {
  Inventory inventory;
  inventory.kind.format = BlobFormat::kHashSeq;
  inventory.root.state = BlobState::kComplete;
  inventory.root.size = 32 * sizes.size();
  inventory.root.size_proven = true;
  inventory.children_known = true;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Inventory::Child child;
    child.place = i;
    child.blob_index = i + 1;
    child.blob.size = sizes[i].value_or(0);
    child.blob.size_proven = sizes[i].has_value();
    inventory.children.push_back(child);
  }
  return inventory;
}

TEST(GetLayout, OneBlobIsItsOwnLine) {
  Inventory inventory;
  inventory.root.size = 3 * kGroup + 5;
  inventory.root.size_proven = true;
  const GetLayout layout = *LayoutOf(inventory, {});
  EXPECT_EQ(layout.length, 3 * kGroup + 5);
  EXPECT_EQ(layout.GroupsIn(0, {kGroup, layout.length}), (Range{1, 4}));
  EXPECT_EQ(layout.ToLine(0, RangeSet({3, 4})), RangeSet({3 * kGroup, 3 * kGroup + 5}));
  EXPECT_EQ(layout.BoundaryFrom(1), kGroup);
  EXPECT_EQ(layout.BoundaryFrom(kGroup), kGroup);
  EXPECT_EQ(layout.BoundaryFrom(3 * kGroup + 1), layout.length);
  EXPECT_EQ(layout.BoundaryFrom(UINT64_MAX), layout.length);
}

TEST(GetLayout, ChildrenLieOneBehindTheOther) {
  const GetLayout layout = *LayoutOf(Sequence({2 * kGroup, 10, 3 * kGroup}), {});
  EXPECT_EQ(layout.begins, (std::vector<uint64_t>{0, 2 * kGroup, 2 * kGroup + 10}));
  EXPECT_EQ(layout.content_bytes, 5 * kGroup + 10);
  EXPECT_EQ(layout.PlacesIn({kGroup, 2 * kGroup + 1}), (std::pair<size_t, size_t>{0, 2}));
  EXPECT_EQ(layout.PlacesIn({2 * kGroup, 2 * kGroup + 10}), (std::pair<size_t, size_t>{1, 2}));
  EXPECT_EQ(layout.GroupsIn(2, {0, layout.length}), (Range{0, 3}));
  EXPECT_EQ(layout.GroupsIn(2, {0, 3 * kGroup + 10}), (Range{0, 1}));
  EXPECT_TRUE(layout.GroupsIn(2, {0, 2 * kGroup}).empty());
  // Groups are counted from where the child begins.
  EXPECT_EQ(layout.BoundaryFrom(2 * kGroup + 11), 3 * kGroup + 10);
}

TEST(GetLayout, AChildOfUnknownSizeIsNeverCut) {
  const GetLayout layout = *LayoutOf(Sequence({100, std::nullopt, 300}), {});
  EXPECT_EQ(layout.length, 600u);  // what the others have on the average
  EXPECT_FALSE(layout.content_bytes);
  EXPECT_EQ(layout.BoundaryFrom(101), 300u);
  EXPECT_EQ(layout.GroupsIn(1, {0, 150}), (Range{0, RangeSet::kOpenEnd}));
  EXPECT_TRUE(layout.GroupsIn(1, {150, 600}).empty());
  store::BlobInfo blob;
  blob.groups = RangeSet({0, 1});
  EXPECT_TRUE(HeldOnLine(layout, 1, blob).empty());
  blob.state = BlobState::kComplete;
  EXPECT_EQ(HeldOnLine(layout, 1, blob), RangeSet({100, 300}));
}

TEST(GetLayout, SizesProvenOtherwiseCountAndTheEmptyBlobHasAPlace) {
  const GetLayout layout = *LayoutOf(Sequence({std::nullopt, 0, 300}), {50});
  EXPECT_EQ(layout.begins, (std::vector<uint64_t>{0, 50, 51}));
  EXPECT_EQ(layout.length, 351u);
  EXPECT_EQ(layout.content_bytes, 350u);
  EXPECT_FALSE(layout.SizeOf(1));
  EXPECT_EQ(layout.SizeOf(0), 50u);
}

TEST(GetLayout, NoLineIsLongerThanALineMayBe) {
  // Sizes can be proven of what nobody has.
  const std::vector<std::optional<uint64_t>> huge(1000, uint64_t{1} << 60);
  EXPECT_FALSE(LayoutOf(Sequence(huge), {}));
  EXPECT_FALSE(LayoutOf(Sequence({}), {}));
}

}  // namespace
}  // namespace blobd::transfer
