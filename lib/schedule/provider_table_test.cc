#include "schedule/provider_table.h"

#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

struct Table : ::testing::Test {
  Table() : options(Harness::Defaults()), table(options) {
    request.place = IntentId{7};
    request.wanted = &wanted;
  }
  Options options;
  ProviderTable table;
  WantedHash wanted;
  Request request;
};

TEST_F(Table, AProviderStandsInTheIndexesItsStateSays) {
  Provider& node = table.FindOrAdd(Node(1));
  table.Refresh(node);
  EXPECT_TRUE(table.dialable().empty());  // nobody waits for it
  node.waiting.Insert(request);
  table.Refresh(node);
  EXPECT_EQ(table.dialable().First().provider, &node);
  EXPECT_EQ(table.FirstToDial(node), &request);
  wanted.dials = options.limits.dials_per_hash;
  table.Refresh(node);
  EXPECT_TRUE(table.dialable().empty());

  table.SetLink(node, Link::kDialling);
  EXPECT_EQ(table.connections(), 1u);
  EXPECT_EQ(table.Dialling().size(), 1u);
  table.SetLink(node, Link::kUp);
  EXPECT_EQ(table.connections(), 1u);
  table.Refresh(node);
  EXPECT_EQ(table.ready().First().key, request.order());
  EXPECT_EQ(table.ready_by_place().First().key, IntentId{7});
  EXPECT_EQ(table.connected().First().key, request.order());
  node.pause = Pause::kBusy;
  table.Refresh(node);
  EXPECT_TRUE(table.ready().empty());
  EXPECT_EQ(table.connected().size(), 1u);

  node.waiting.Erase(request);
  node.pause = Pause::kNone;
  table.Refresh(node);
  EXPECT_EQ(table.connected().First().key, Order::Last());
  table.SetLink(node, Link::kDown);
  EXPECT_EQ(table.connections(), 0u);
  table.Erase(node);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.connected().empty());
}

TEST_F(Table, NumbersAreNeverUsedAgain) {
  const uint64_t first = table.FindOrAdd(Node(1)).number;
  table.Erase(*table.Find(Node(1)));
  EXPECT_EQ(table.FindNumber(first), nullptr);
  EXPECT_GT(table.FindOrAdd(Node(1)).number, first);
}

}  // namespace
}  // namespace blobd::schedule
