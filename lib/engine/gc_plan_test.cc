#include "engine/gc_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace blobd::engine {
namespace {

Hash H(uint8_t number) { return {{number}}; }

Keeping By(KeptBecause because, const std::string& tag = "", int64_t until = 0) {
  Keeping keeping;
  keeping.because = because;
  keeping.tag = tag;
  keeping.until = WallTime{until};
  return keeping;
}

store::BlobUse Blob(uint8_t number, uint64_t size) {
  store::BlobUse blob;
  blob.hash = H(number);
  blob.state = store::BlobState::kComplete;
  blob.size = size;
  blob.size_proven = true;
  blob.disk_bytes = size + size / 256;
  return blob;
}

Bytes ListOf(const std::vector<Hash>& hashes) {
  Bytes list;
  for (const Hash& hash : hashes) list.insert(list.end(), hash.bytes.begin(), hash.bytes.end());
  return list;
}

TEST(Protection, OfAHashIsTheStrongestOfItsHolders) {
  struct Case {
    std::string name;
    std::vector<Keeping> holders;
    KeptBecause expected;
    std::string tag;
  };
  const Case cases[] = {
      {"only leased", {By(KeptBecause::kLeased, "", 5)}, KeptBecause::kLeased, ""},
      {"a tag before a lease",
       {By(KeptBecause::kLeased, "", 5), By(KeptBecause::kTagged, "a")},
       KeptBecause::kTagged,
       "a"},
      {"wanted before a tag",
       {By(KeptBecause::kTagged, "a"), By(KeptBecause::kWanted)},
       KeptBecause::kWanted,
       ""},
      {"the first of two tags",
       {By(KeptBecause::kTagged, "a"), By(KeptBecause::kTagged, "b")},
       KeptBecause::kTagged,
       "a"},
      {"a lease before what was got",
       {By(KeptBecause::kFinished), By(KeptBecause::kLeased, "", 1)},
       KeptBecause::kLeased,
       ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Protection protection;
    for (const Keeping& keeping : c.holders) protection.Add(H(1), keeping);
    protection.Add(H(2), By(KeptBecause::kWanted));
    protection.Sort();
    const auto found = protection.Strongest(H(1));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->because, c.expected);
    EXPECT_EQ(found->tag, c.tag);
    EXPECT_EQ(protection.All(H(1)).size(), c.holders.size());
    EXPECT_FALSE(protection.Strongest(H(3)).has_value());
  }
}

TEST(Protection, OfLeasesTheLongestIsTold) {
  Protection protection;
  for (const int64_t until : {3, 9, 6}) protection.Add(H(1), By(KeptBecause::kLeased, "", until));
  protection.Sort();
  std::vector<int64_t> told;
  for (const Keeping& keeping : protection.All(H(1))) told.push_back(keeping.until.unix_ms);
  EXPECT_EQ(told, (std::vector<int64_t>{9, 6, 3}));
}

TEST(Protection, ListsHoldTheirBlobs) {
  Protection protection;
  const auto holder = protection.Add(H(1), By(KeptBecause::kTagged, "set"));
  EXPECT_FALSE(protection.Join(holder, H(1)));
  protection.AddList(holder, H(1), ListOf({H(2), H(3), H(2)}));
  protection.Sort();
  EXPECT_FALSE(protection.Strongest(H(1))->through_collection);
  EXPECT_TRUE(protection.Strongest(H(2))->through_collection);
  EXPECT_EQ(protection.Strongest(H(3))->tag, "set");
  EXPECT_EQ(protection.All(H(2)).size(), 1u) << "though it is listed twice";
}

TEST(Protection, AListIsReadOnceForAllWhoHoldIt) {
  Protection protection({.of_uid = 5, .total = 5});
  Keeping lease = By(KeptBecause::kLeased, "", 7);
  lease.owner_uid = 1000;
  Keeping tag = By(KeptBecause::kTagged, "set");
  tag.owner_uid = 1001;
  protection.AddList(protection.Add(H(1), lease), H(1), ListOf({H(2), H(3), H(4)}));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(protection.Join(protection.Add(H(1), tag), H(1)));
  protection.Sort();
  EXPECT_EQ(protection.Strongest(H(4))->tag, "set");
  EXPECT_EQ(protection.All(H(4)).size(), 101u);
  EXPECT_EQ(protection.All(H(4)).back().because, KeptBecause::kLeased);
  EXPECT_EQ(protection.All(H(4), 7).size(), 7u);
  EXPECT_TRUE(protection.IsHeldBy(1000, H(4)));
  EXPECT_TRUE(protection.IsHeldBy(1001, H(1)));
  EXPECT_FALSE(protection.IsHeldBy(1002, H(4)));
}

// One uid's many do not make it unknown what others keep, and are kept themselves.
TEST(Protection, WhatIsBeyondTheLimitsIsKeptAllTheSame) {
  Protection protection({.of_uid = 4, .total = 100});
  Keeping ann = By(KeptBecause::kTagged, "ann's");
  ann.owner_uid = 1000;
  Keeping joe = By(KeptBecause::kTagged, "joe's");
  joe.owner_uid = 1001;
  protection.AddList(protection.Add(H(1), ann), H(1), ListOf({H(11), H(12), H(13)}));
  protection.AddList(protection.Add(H(2), ann), H(2), ListOf({H(14), H(15)}));
  protection.AddList(protection.Add(H(3), joe), H(3), ListOf({H(16), H(17), H(18)}));
  protection.Sort();
  for (uint8_t i = 11; i <= 18; ++i) {
    ASSERT_TRUE(protection.Strongest(H(i)).has_value()) << int{i};
    EXPECT_EQ(protection.Strongest(H(i))->tag, i < 16 ? "ann's" : "joe's");
    EXPECT_TRUE(protection.Strongest(H(i))->through_collection);
    EXPECT_EQ(protection.All(H(i)).size(), 1u);
    EXPECT_EQ(protection.IsHeldBy(1000, H(i)), i < 14);
  }
  EXPECT_FALSE(protection.Strongest(H(19)).has_value());

  // Who leases it too does not make it theirs alone.
  protection.Add(H(14), By(KeptBecause::kLeased));
  protection.Sort();
  EXPECT_EQ(protection.Strongest(H(14))->tag, "ann's");
  EXPECT_EQ(protection.All(H(14)).size(), 2u);
}

TEST(Protection, TakesMoreAfterItWasSorted) {
  Protection protection;
  for (uint8_t i = 200; i > 0; i -= 2) protection.Add(H(i), By(KeptBecause::kFinished));
  protection.Sort();
  for (uint8_t i = 199; i > 1; i -= 2) protection.Add(H(i), By(KeptBecause::kTagged, "t"));
  protection.Sort();
  for (uint8_t i = 2; i <= 200; ++i) {
    ASSERT_TRUE(protection.Strongest(H(i)).has_value()) << int{i};
    EXPECT_EQ(protection.Strongest(H(i))->because,
              i % 2 == 0 ? KeptBecause::kFinished : KeptBecause::kTagged);
  }
}

// Blobs 1 to 6 of 100 bytes each; 2 is tagged, 4 is in a tagged collection.
TEST(GcPlan, GivesUpWhatNothingKeepsTheOldestUseFirst) {
  struct Case {
    std::string name;
    std::optional<uint64_t> to_bytes;
    std::vector<uint8_t> wanted;
    std::vector<uint8_t> goes;
  };
  const Case cases[] = {
      {"everything", {}, {}, {1, 3, 5, 6}},
      {"but what is wanted", {}, {1, 6}, {3, 5}},
      {"under a limit nothing", 600, {}, {}},
      {"just enough", 500, {}, {1}},
      {"rather more than less", 450, {}, {1, 3}},
      {"as far as it may", 100, {}, {1, 3, 5, 6}},
      {"the next one for one that is wanted", 500, {1}, {3}},
      {"to nothing", 0, {}, {1, 3, 5, 6}},
  };
  Protection protection;
  protection.Add(H(2), By(KeptBecause::kTagged, "t"));
  protection.AddList(protection.Add(H(9), By(KeptBecause::kTagged, "set")), H(9), ListOf({H(4)}));
  protection.Sort();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    GcPlan plan(600, c.to_bytes, protection);
    std::vector<uint8_t> goes;
    for (uint8_t i = 1; i <= 6 && !plan.satisfied(); ++i) {
      const bool wanted = std::count(c.wanted.begin(), c.wanted.end(), i) != 0;
      const Keeping keeping = plan.Judge(Blob(i, 100), wanted);
      if (keeping.because == KeptBecause::kNothing) goes.push_back(i);
      EXPECT_EQ(keeping.because == KeptBecause::kWanted, wanted);
      EXPECT_EQ(keeping.through_collection, i == 4);
    }
    EXPECT_EQ(goes, c.goes);
  }
}

TEST(GcPlan, CountsWhatCouldNotBeRemovedAsStaying) {
  Protection protection;
  GcPlan plan(300, 200, protection);
  EXPECT_EQ(plan.Judge(Blob(1, 100), false).because, KeptBecause::kNothing);
  EXPECT_TRUE(plan.satisfied());
  plan.Stays(Blob(1, 100));
  EXPECT_FALSE(plan.satisfied());
  EXPECT_EQ(plan.Judge(Blob(2, 100), false).because, KeptBecause::kNothing);
  EXPECT_TRUE(plan.satisfied());
}

TEST(GcPlan, KeepsWhatIsBeingWritten) {
  Protection protection;
  GcPlan plan(300, {}, protection);
  store::BlobUse blob = Blob(1, 100);
  blob.is_pinned = true;
  EXPECT_EQ(plan.Judge(blob, false).because, KeptBecause::kWanted);
}

// What blobs have together was counted a moment before, so it may be less than they have now.
TEST(GcPlan, NeverCountsBelowNothing) {
  Protection protection;
  GcPlan plan(50, 10, protection);
  EXPECT_EQ(plan.Judge(Blob(1, 100), false).because, KeptBecause::kNothing);
  EXPECT_TRUE(plan.satisfied());
}

}  // namespace
}  // namespace blobd::engine
