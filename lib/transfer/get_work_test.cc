#include "transfer/get_work.h"

#include <gtest/gtest.h>

#include "wire/request.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;

constexpr uint64_t kMiB = 1 << 20;

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

wire::RangeSpecSeq RangesOf(const GetWork& work, const GetPart& part) {
  return std::get<wire::GetRequest>(wire::DecodeRequest(work.RequestFor(part))->request).ranges;
}
// What is asked for of one raw blob; "none" if nothing is left.
std::string NextOf(GetWork& work) {
  const auto part = work.Next();
  if (!part) return "none";
  EXPECT_EQ(part->targets.size(), 1u);
  EXPECT_TRUE(RangesOf(work, *part).IsRawBlob());
  EXPECT_EQ(RangesOf(work, *part).At(0), part->targets[0].wanted);
  return part->targets[0].wanted.ToString();
}

TEST(GetWork, AnAbsentBlobIsOpenedWithItsHeadAndItsLastChunk) {
  GetWork work(Raw(Absent(1)), {});
  const auto part = work.Next();
  ASSERT_TRUE(part);
  EXPECT_TRUE(RangesOf(work, *part).IsRawBlob());
  EXPECT_EQ(RangesOf(work, *part).At(0).ToString(), "0..8192 last");
  EXPECT_TRUE(part->targets[0].untouched);
  EXPECT_FALSE(work.Next());  // its size is not known
  work.Sized(part->targets[0], 8 * kMiB);
  EXPECT_EQ(work.claimed_bytes(), 8 * kMiB);
  EXPECT_FALSE(work.total_bytes());
  EXPECT_FALSE(work.Next());
  work.Proven(part->targets[0]);
  EXPECT_EQ(work.total_bytes(), 8 * kMiB);
  EXPECT_TRUE(work.Answered(part->targets[0]));
}

TEST(GetWork, TheRestIsCutWhereSubtreesEnd) {
  struct Case {
    uint64_t size;
    std::vector<std::string> segments;  // the first ones
    size_t count;
  };
  const Case cases[] = {
      {8 * kMiB + 1, {"8192.."}, 1},
      {16 * kMiB, {"8192..12288", "12288.."}, 2},
      {16 * kMiB + 5000, {"8192..12288", "12288..16384", "16384.."}, 3},
      {1024 * kMiB, {"8192..32768", "32768..65536"}, 32},
      {uint64_t{1} << 40, {"8192..65536", "65536..131072"}, 16384},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.size);
    GetWork work(Raw(Absent(1)), {});
    const GetPart opening = *work.Next();
    work.Sized(opening.targets[0], c.size);
    std::vector<GetTarget> given;
    while (const auto part = work.Next()) {
      if (given.size() < c.segments.size()) {
        EXPECT_EQ(part->targets[0].wanted.ToString(), c.segments[given.size()]);
      }
      EXPECT_EQ(part->targets[0].size, c.size);
      given.push_back(part->targets[0]);
    }
    EXPECT_EQ(given.size(), c.count);
    EXPECT_FALSE(work.Answered(opening.targets[0]));
    for (size_t i = 0; i < given.size(); ++i)
      EXPECT_EQ(work.Answered(given[i]), i + 1 == given.size());
  }
}

TEST(GetWork, AProvenSizeNeedsNoOpening) {
  GetWork work(Raw(Partial(1, RangeSet(Range{0, 640}), 40 * kMiB, true)), {});
  EXPECT_EQ(NextOf(work), "10240..12288");
  EXPECT_EQ(NextOf(work), "12288..16384");
}

TEST(GetWork, SmallHolesAreAskedForTogether) {
  // Every fourth group is missing, in all of 10,000.
  RangeSet held;
  for (uint64_t group = 0; group < 10'000; group += 4) held.Insert({group + 1, group + 4});
  GetWork work(Raw(Partial(1, held, 10'000 * 16384, true)), {});
  size_t parts = 0;
  RangeSet asked;
  while (const auto part = work.Next()) {
    EXPECT_LE(work.RequestFor(*part).size(), 25'000u);
    asked.InsertAll(part->targets[0].wanted.chunks());
    ++parts;
  }
  EXPECT_EQ(parts, 10u);  // 256 groups each
  EXPECT_EQ(asked.Count(), 2500u * 16);
}

TEST(GetWork, TheLastChunkIsAlwaysAskedForUntilTheSizeIsProven) {
  RangeSet groups;
  groups.Insert({0, 2});
  groups.Insert({3, 4});
  GetWork unproven(Raw(Partial(1, groups, 65536, false)), {});
  EXPECT_EQ(NextOf(unproven), "32..48 last");
  GetWork proven(Raw(Partial(1, groups, 65536, true)), {});
  EXPECT_EQ(NextOf(proven), "32..48");
  GetWork end_missing(Raw(Partial(1, RangeSet(Range{0, 3}), 65536, true)), {});
  EXPECT_EQ(NextOf(end_missing), "48..");
}

// Everything is there if the claim is right: the proof is all that is asked for.
TEST(GetWork, AClaimIsProvenRatherThanBelieved) {
  GetWork work(Raw(Partial(1, RangeSet(Range{0, 4}), 65536, false)), {});
  const auto part = work.Next();
  ASSERT_TRUE(part);
  EXPECT_EQ(part->targets[0].wanted.ToString(), "last");
  EXPECT_FALSE(part->targets[0].untouched);
  work.Sized(part->targets[0], 65536);
  EXPECT_FALSE(work.Next());
  EXPECT_TRUE(work.Answered(part->targets[0]));

  // This provider knows of more.
  GetWork more(Raw(Partial(1, RangeSet(Range{0, 4}), 65536, false)), {});
  const auto last = more.Next();
  more.Sized(last->targets[0], 100'000);
  EXPECT_EQ(NextOf(more), "64..");
  EXPECT_EQ(more.claimed_bytes(), 100'000u);
}

TEST(GetWork, WhatIsPutBackIsGivenOutAgain) {
  GetWork work(Raw(Partial(1, {}, 40 * kMiB, true)), {});
  const GetPart first = *work.Next();
  const GetPart second = *work.Next();
  work.PutBack(first);
  const GetPart again = *work.Next();
  EXPECT_EQ(again.targets[0].wanted, first.targets[0].wanted);
  work.Drop(second.targets[0]);
  EXPECT_FALSE(work.Next());
}

TEST(GetWork, TheRootComesFirstAndAlone) {
  Inventory inventory = HashSeq({});
  inventory.root = Absent(1);
  inventory.children_known = false;
  GetWork work(std::move(inventory), {});
  EXPECT_EQ(NextOf(work), "0..8192 last");
  EXPECT_FALSE(work.can_ask_by_hash());
}

TEST(GetWork, ARootThatCannotBeOneIsNotGotBeforeItsSizeIsProven) {
  for (const uint64_t size : {20 * kMiB + 1, 20 * kMiB}) {
    Inventory inventory = HashSeq({});
    inventory.root = Absent(1);
    inventory.children_known = false;
    GetOptions options;
    options.limits.max_children = 1000;
    GetWork work(std::move(inventory), options);
    const GetPart opening = *work.Next();
    work.Sized(opening.targets[0], size);
    EXPECT_FALSE(work.Next());
  }
}

TEST(GetWork, OnlyMissingChildrenAreAskedFor) {
  GetWork work(HashSeq({Complete(2), Absent(3), Absent(4), Complete(5), Absent(6)}), {});
  const auto part = work.Next();
  ASSERT_TRUE(part);
  const wire::RangeSpecSeq ranges = RangesOf(work, *part);
  std::string selected;
  for (uint64_t i = 0; i < 8; ++i)
    selected += ranges.At(i).ToString() == "0..8192 last" ? '1' : ranges.At(i).empty() ? '0' : '?';
  EXPECT_EQ(selected, "00110100");
  EXPECT_EQ(part->targets.size(), 3u);
  EXPECT_FALSE(ranges.is_open_ended());
  EXPECT_FALSE(work.Next());
}

TEST(GetWork, LargeChildrenAreCutAsSoonAsTheirSizeIsKnown) {
  std::vector<BlobInfo> children;
  for (uint64_t i = 0; i < 20; ++i) children.push_back(Absent(i + 2));
  children[1] = Partial(3, {}, 20 * kMiB, true);
  GetWork work(HashSeq(std::move(children)), {});
  const GetPart run = *work.Next();
  EXPECT_EQ(run.targets.size(), 8u);
  EXPECT_EQ(run.targets[1].blob_index, 3u);  // the one of proven size is left to segments
  EXPECT_TRUE(RangesOf(work, run).At(2).empty());
  const GetPart segment = *work.Next();
  EXPECT_EQ(RangesOf(work, segment).At(2).ToString(), "0..4096");
  EXPECT_TRUE(RangesOf(work, segment).NothingSelectedAfter(2));
  for (int i = 0; i < 4; ++i) (void)work.Next();
  work.Sized(run.targets[0], 10 * kMiB);
  EXPECT_EQ(RangesOf(work, *work.Next()).At(1).ToString(), "8192..");
  EXPECT_EQ(work.Next()->targets.size(), 8u);  // the next run
}

TEST(GetWork, ChildrenByHash) {
  GetWork work(
      HashSeq({Absent(2), Complete(3), Partial(4, RangeSet(Range{0, 1}), 30'000, true), Absent(5)}),
      {});
  EXPECT_TRUE(work.can_ask_by_hash());
  work.AskByHash();
  EXPECT_FALSE(work.can_ask_by_hash());
  const GetPart part = *work.Next();
  const auto many =
      std::get<wire::GetManyRequest>(wire::DecodeRequest(work.RequestFor(part))->request);
  EXPECT_EQ(many.hashes, (std::vector<Hash>{Named(2), Named(4), Named(5)}));
  EXPECT_EQ(many.ranges.At(0).ToString(), "0..8192 last");
  EXPECT_EQ(many.ranges.At(1).ToString(), "16..");
  EXPECT_EQ(many.ranges.At(2).ToString(), "0..8192 last");
  EXPECT_TRUE(many.ranges.NothingSelectedAfter(2));
  // A single one needs no GetMany, so that older providers understand it.
  const auto one = std::get<wire::GetRequest>(
      wire::DecodeRequest(work.RequestFor({{part.targets[2]}}))->request);
  EXPECT_EQ(one.hash, Named(5));
  EXPECT_TRUE(one.ranges.IsRawBlob());
}

TEST(GetWork, NothingIsMissing) {
  EXPECT_FALSE(GetWork(Raw(Complete(1)), {}).Next());
  EXPECT_FALSE(GetWork(HashSeq({Complete(2), Complete(3)}), {}).Next());
}

TEST(GetWork, RequestsNeverGrowBeyondTheLimit) {
  for (const bool by_hash : {false, true}) {
    std::vector<BlobInfo> children;
    for (uint64_t i = 0; i < 100'000; ++i) {
      RangeSet holes;
      for (uint64_t group = 0; group < 40; group += 2) holes.Insert({group, group + 1});
      children.push_back(i % 2 == 0 ? Partial(i + 2, i % 4 == 0 ? holes : RangeSet(), 700'000, true)
                                    : Complete(i + 2));
    }
    GetWork work(HashSeq(std::move(children)), {});
    if (by_hash) work.AskByHash();
    size_t targets = 0;
    size_t parts = 0;
    while (const auto part = work.Next()) {
      EXPECT_LE(work.RequestFor(*part).size(), kMaxRangeBytes + 128 * 1024);
      targets += part->targets.size();
      ++parts;
    }
    EXPECT_EQ(targets, 50'000u);
    EXPECT_LT(parts, 50u);
  }
}

TEST(GetWork, BlobsThatOnlyLackTheirEnd) {
  const RangeSet all(Range{0, 4});
  EXPECT_EQ(BlobsToFinish(Raw(Partial(1, all, 65536, true))).size(), 1u);
  EXPECT_TRUE(BlobsToFinish(Raw(Partial(1, all, 65537, true))).empty());
  EXPECT_TRUE(BlobsToFinish(Raw(Partial(1, all, 65536, false))).empty());
}

}  // namespace
}  // namespace blobd::transfer
