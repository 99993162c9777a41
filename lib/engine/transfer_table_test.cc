#include "engine/transfer_table.h"

#include <gtest/gtest.h>

namespace blobd::engine {
namespace {

NodeId Node(uint8_t number) { return NodeId{{number}}; }
const Kind kKind = {Hash{{1}}, BlobFormat::kRaw};

TEST(TransferTableTest, SaysWhatRunsWithEachNode) {
  TransferTable table;
  const auto running = [&](uint8_t node) { return table.UseOf(Node(node)).transfers; };
  table.Start(TransferId{3}, Node(2), kKind, {});
  table.Start(TransferId{1}, Node(1), kKind, {});
  table.Start(TransferId{2}, Node(2), kKind, {});
  table.Start(TransferId{4}, MirrorUrl{"https://mirror.example/f"}, kKind, {});
  EXPECT_EQ(running(1), std::vector<TransferId>{TransferId{1}});
  EXPECT_EQ(running(2), (std::vector<TransferId>{TransferId{2}, TransferId{3}}));
  EXPECT_TRUE(running(3).empty());
  EXPECT_EQ(table.NodesAfter({}, 10), (std::vector<NodeId>{Node(1), Node(2)}));
  EXPECT_EQ(table.NodesAfter({}, 1), std::vector<NodeId>{Node(1)});
  EXPECT_EQ(table.NodesAfter(Node(1), 10), std::vector<NodeId>{Node(2)});

  table.End(TransferId{3}, TransferState::kDone, "", {});
  table.End(TransferId{1}, TransferState::kDone, "", {});
  table.End(TransferId{1}, TransferState::kDone, "", {});
  table.End(TransferId{4}, TransferState::kDone, "", {});
  EXPECT_TRUE(running(1).empty());
  EXPECT_EQ(running(2), std::vector<TransferId>{TransferId{2}});
  EXPECT_EQ(table.NodesAfter({}, 10), std::vector<NodeId>{Node(2)});
}

TEST(TransferTableTest, TheRateOfANodeIsThatOfItsTransfers) {
  TransferTable table;
  table.Start(TransferId{1}, Node(1), kKind, {});
  table.Start(TransferId{2}, Node(1), kKind, {});
  table.Start(TransferId{3}, Node(2), kKind, {});
  transfer::GetProgress progress;
  for (int i = 0; i < 20; ++i) {
    progress.verified_bytes += 1000;
    for (const uint64_t id : {1, 2, 3}) table.Progress(TransferId{id}, progress);
    std::vector<TransferId> changed;
    table.SampleRates(Instant{} + milliseconds(250) * i, &changed);
  }
  EXPECT_GT(table.UseOf(Node(2)).rate, 0);
  EXPECT_DOUBLE_EQ(table.UseOf(Node(1)).rate, 2 * table.UseOf(Node(2)).rate);
}

}  // namespace
}  // namespace blobd::engine
