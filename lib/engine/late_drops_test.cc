#include "engine/late_drops.h"

#include <gtest/gtest.h>

#include <vector>

namespace blobd::engine {
namespace {

const ProviderId kFirst = NodeId{{1}};
const ProviderId kSecond = NodeId{{2}};

// What is taken, and committed.
std::vector<ProviderId> Taken(LateDrops& drops) {
  std::vector<registry::Change> changes;
  drops.Done(drops.Take(&changes), true);
  std::vector<ProviderId> providers;
  for (const registry::Change& change : changes)
    providers.push_back(std::get<registry::DropProvider>(change).row.provider);
  return providers;
}

TEST(LateDrops, GoAtOnceWhenNoEndIsOpen) {
  LateDrops drops;
  drops.Over(drops.Begin());
  drops.Drop(Hash(), kFirst);
  EXPECT_EQ(Taken(drops), (std::vector<ProviderId>{kFirst}));
  EXPECT_TRUE(Taken(drops).empty());
}

TEST(LateDrops, WaitForEveryEarlierEndAndForNoLaterOne) {
  LateDrops drops;
  const uint64_t one = drops.Begin();
  const uint64_t two = drops.Begin();
  drops.Drop(Hash(), kFirst);
  const uint64_t later = drops.Begin();
  drops.Drop(Hash(), kSecond);
  drops.Over(two);
  EXPECT_TRUE(Taken(drops).empty()) << "the first is open, whatever the order";
  drops.Over(one);
  EXPECT_EQ(Taken(drops), (std::vector<ProviderId>{kFirst}));
  drops.Over(later);
  EXPECT_EQ(Taken(drops), (std::vector<ProviderId>{kSecond}));
}

TEST(LateDrops, GoWithTheLastEndsInOneCommit) {
  LateDrops drops;
  drops.Begin();
  drops.Begin();
  drops.Drop(Hash(), kFirst);
  std::vector<registry::Change> changes;
  drops.Take(&changes, 1);
  EXPECT_TRUE(changes.empty()) << "one end would be behind it";
  drops.Take(&changes, 2);
  EXPECT_EQ(changes.size(), 1u);
}

TEST(LateDrops, WhatIsKnownAgainIsNotDropped) {
  LateDrops drops;
  const uint64_t end = drops.Begin();
  drops.Drop(Hash(), kFirst);
  drops.Drop(Hash(), kSecond);
  drops.Keep(Hash(), kFirst);
  drops.Over(end);
  EXPECT_EQ(Taken(drops), (std::vector<ProviderId>{kSecond}));
}

TEST(LateDrops, LeaveInStepsOneAfterTheOther) {
  LateDrops drops;
  for (uint32_t i = 0; i < LateDrops::kMostAtOnce + 10; ++i) {
    NodeId node{{1}};
    node.bytes[1] = static_cast<uint8_t>(i);
    node.bytes[2] = static_cast<uint8_t>(i >> 8);
    drops.Drop(Hash(), node);
  }
  std::vector<registry::Change> changes;
  const auto taken = drops.Take(&changes);
  EXPECT_EQ(taken.size(), LateDrops::kMostAtOnce);
  EXPECT_FALSE(drops.ready());
  EXPECT_TRUE(drops.Take(&changes).empty());
  drops.Done({}, true);  // another commit
  EXPECT_FALSE(drops.ready());
  drops.Done(taken, true);
  EXPECT_TRUE(drops.ready());
  EXPECT_EQ(Taken(drops).size(), 10u);
  EXPECT_FALSE(drops.ready());
}

TEST(LateDrops, ComeBackWhenTheirCommitFailsUnlessKnownAgain) {
  LateDrops drops;
  drops.Drop(Hash(), kFirst);
  drops.Drop(Hash(), kSecond);
  std::vector<registry::Change> changes;
  const auto taken = drops.Take(&changes);
  drops.Keep(Hash(), kSecond);
  drops.Done(taken, false);
  EXPECT_FALSE(drops.ready());
  EXPECT_TRUE(drops.Take(&changes).empty()) << "the disk would refuse them again";
  drops.Done({}, true);
  EXPECT_EQ(Taken(drops), (std::vector<ProviderId>{kFirst}));
  EXPECT_TRUE(Taken(drops).empty());
}

}  // namespace
}  // namespace blobd::engine
