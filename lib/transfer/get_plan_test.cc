#include "transfer/get_plan.h"

#include <gtest/gtest.h>

#include "wire/request.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;

Hash Named(uint64_t number) {
  Hash hash;
  for (size_t i = 0; i < 8; ++i) hash.bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  return hash;
}

BlobInfo Complete(uint64_t number, uint64_t size = 1000) {
  BlobInfo blob;
  blob.hash = Named(number);
  blob.state = BlobState::kComplete;
  blob.size = size;
  blob.size_proven = true;
  blob.verified_bytes = size;
  return blob;
}
BlobInfo Absent(uint64_t number) {
  BlobInfo blob;
  blob.hash = Named(number);
  return blob;
}
BlobInfo Partial(uint64_t number, RangeSet groups, uint64_t size, bool proven) {
  BlobInfo blob = Absent(number);
  blob.state = BlobState::kPartial;
  blob.groups = std::move(groups);
  blob.size = size;
  blob.size_proven = proven;
  return blob;
}

wire::RangeSpecSeq RangesOf(const GetPlan& plan) {
  return std::get<wire::GetRequest>(wire::DecodeRequest(plan.request)->request).ranges;
}

Inventory Raw(BlobInfo root) {
  Inventory inventory;
  inventory.kind = {root.hash, BlobFormat::kRaw};
  inventory.root = std::move(root);
  return inventory;
}
Inventory HashSeq(std::vector<BlobInfo> children) {
  Inventory inventory;
  inventory.kind = {Named(1), BlobFormat::kHashSeq};
  inventory.root = Complete(1);
  inventory.children_known = true;
  for (size_t i = 0; i < children.size(); ++i)
    inventory.children.push_back({i + 1, std::move(children[i])});
  return inventory;
}

TEST(GetPlan, AnAbsentBlobIsAskedForWhole) {
  const auto plan = NextGetPlan(Raw(Absent(1)));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(RangesOf(*plan).IsRawBlob());
  EXPECT_TRUE(RangesOf(*plan).At(0).is_all());
  EXPECT_TRUE(plan->targets[0].whole);
}

TEST(GetPlan, TheLastChunkIsAlwaysAskedForUntilTheSizeIsProven) {
  RangeSet groups;
  groups.Insert({0, 2});
  groups.Insert({3, 4});
  const auto unproven = NextGetPlan(Raw(Partial(1, groups, 65536, false)));
  EXPECT_EQ(RangesOf(*unproven).At(0).ToString(), "32..48 64..");
  const auto proven = NextGetPlan(Raw(Partial(1, groups, 65536, true)));
  EXPECT_EQ(RangesOf(*proven).At(0).ToString(), "32..48");
  EXPECT_EQ(proven->targets[0].known_size, 65536u);
}

TEST(GetPlan, TheRootComesFirstAndAlone) {
  Inventory inventory = HashSeq({});
  inventory.root = Absent(1);
  inventory.children_known = false;
  const auto plan = NextGetPlan(inventory);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->targets.size(), 1u);
  EXPECT_TRUE(RangesOf(*plan).IsRawBlob());
}

TEST(GetPlan, OnlyMissingChildrenAreAskedFor) {
  const auto plan =
      NextGetPlan(HashSeq({Complete(2), Absent(3), Absent(4), Complete(5), Absent(6)}));
  ASSERT_TRUE(plan);
  const wire::RangeSpecSeq ranges = RangesOf(*plan);
  std::string selected;
  for (uint64_t i = 0; i < 8; ++i)
    selected += ranges.At(i).is_all() ? '1' : ranges.At(i).empty() ? '0' : '?';
  EXPECT_EQ(selected, "00110100");
  EXPECT_EQ(plan->targets.size(), 3u);
  EXPECT_FALSE(ranges.is_open_ended());
}

TEST(GetPlan, NothingIsMissing) {
  EXPECT_FALSE(NextGetPlan(Raw(Complete(1))));
  EXPECT_FALSE(NextGetPlan(HashSeq({Complete(2), Complete(3)})));
}

TEST(GetPlan, ARequestNeverGrowsBeyondTheLimit) {
  std::vector<BlobInfo> children;
  for (uint64_t i = 0; i < 100'000; ++i)
    children.push_back(i % 2 == 0 ? Absent(i + 2) : Complete(i + 2));
  const auto plan = NextGetPlan(HashSeq(std::move(children)));
  ASSERT_TRUE(plan);
  EXPECT_LE(plan->request.size(), kMaxRequestBytes);
  EXPECT_GT(plan->targets.size(), 1000u);
  EXPECT_LT(plan->targets.size(), 50'000u);
}

TEST(GetPlan, BlobsThatOnlyLackTheirEnd) {
  RangeSet all(Range{0, 4});
  EXPECT_EQ(BlobsToFinish(Raw(Partial(1, all, 65536, true))).size(), 1u);
  EXPECT_TRUE(BlobsToFinish(Raw(Partial(1, all, 65537, true))).empty());
  EXPECT_TRUE(BlobsToFinish(Raw(Partial(1, all, 65536, false))).empty());
}

}  // namespace
}  // namespace blobd::transfer
