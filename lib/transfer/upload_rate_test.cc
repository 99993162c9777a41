// Serving under a limit of the bandwidth.
#include <gtest/gtest.h>

#include <map>

#include "base/units.h"
#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

using StreamKey = FakeEndpoint::StreamKey;

class UploadRateTest : public testing::Test {
 protected:
  uint64_t Received(StreamKey key) { return world_.endpoint->stream(key).received.size(); }

  World world_;
};

TEST_F(UploadRateTest, IsKeptAndTheAnswerIsTheSame) {
  const Bytes content = RandomContent(3'000'000, 1);
  const Hash hash = world_.store.Add(content);
  const Bytes whole = world_.Ask(GetBlob(hash)).received;
  world_.throttle().SetRate(1'000'000);
  const auto key = world_.endpoint->Request(world_.Connect(), GetBlob(hash));
  world_.WaitAcknowledging(seconds(2));
  EXPECT_NEAR(static_cast<double>(Received(key)), 2e6, 1.5e5);
  world_.WaitAcknowledging(seconds(2));
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  EXPECT_TRUE(world_.endpoint->stream(key).received == whole);
  world_.ExpectAtRest();
  EXPECT_EQ(world_.throttle().waiting(), 0u);
}

TEST_F(UploadRateTest, IsSharedByNodesWhateverTheyAskFor) {
  const Hash hash = world_.store.Add(RandomContent(8 << 20, 1));
  world_.throttle().SetRate(2'000'000);
  std::map<uint8_t, std::vector<StreamKey>> keys;
  for (uint8_t node = 1; node <= 8; ++node) {
    const auto connection = world_.Connect(node);
    for (int i = 0; i < (node == 1 ? 20 : 1); ++i)
      keys[node].push_back(world_.endpoint->Request(connection, GetBlob(hash)));
  }
  world_.WaitAcknowledging(seconds(20));
  for (const auto& [node, of_node] : keys) {
    uint64_t received = 0;
    for (const StreamKey& key : of_node) received += Received(key);
    EXPECT_NEAR(static_cast<double>(received), 5e6, 6e5) << int{node};
  }
}

TEST_F(UploadRateTest, ChangesLiveAndRemovingItRestoresFullSpeed) {
  const Hash hash = world_.store.Add(RandomContent(16 << 20, 1));
  world_.throttle().SetRate(64 * kKiB);
  const auto key = world_.endpoint->Request(world_.Connect(), GetBlob(hash));
  world_.WaitAcknowledging(seconds(10));
  EXPECT_NEAR(static_cast<double>(Received(key)), 640.0 * kKiB, 80.0 * kKiB);
  world_.throttle().SetRate(4'000'000);
  const uint64_t before = Received(key);
  world_.WaitAcknowledging(seconds(1));
  EXPECT_NEAR(static_cast<double>(Received(key) - before), 4e6, 6e5);
  world_.throttle().SetRate(std::nullopt);
  world_.WaitAcknowledging(milliseconds(50));
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  world_.ExpectAtRest();
}

TEST_F(UploadRateTest, WhoGoesWhileFirstInLineBlocksNobody) {
  const Hash hash = world_.store.Add(RandomContent(4 << 20, 1));
  world_.throttle().SetRate(64 * kKiB);
  const auto first = world_.endpoint->Request(world_.Connect(1), GetBlob(hash));
  world_.RunAcknowledging();
  const auto connection = world_.Connect(2);
  const auto second = world_.endpoint->Request(connection, GetBlob(hash));
  world_.WaitAcknowledging(milliseconds(100));
  EXPECT_EQ(Received(second), 0u);
  world_.endpoint->StopSending(first);
  world_.endpoint->Lose(first.first);
  world_.WaitAcknowledging(seconds(2));
  EXPECT_NEAR(static_cast<double>(Received(second)), 128.0 * kKiB, 40.0 * kKiB);
  world_.endpoint->Lose(connection);
  world_.Run();
  EXPECT_EQ(world_.throttle().waiting(), 0u);
  world_.ExpectAtRest();
}

TEST_F(UploadRateTest, WhoIsHeldBackHasNotStalled) {
  const Hash hash = world_.store.Add(RandomContent(1 << 20, 1));
  world_.throttle().SetRate(1024);
  const auto slow = world_.endpoint->Request(world_.Connect(1), GetBlob(hash));
  const auto other = world_.endpoint->Request(world_.Connect(2), GetBlob(hash));
  world_.WaitAcknowledging(minutes(5), seconds(1));
  EXPECT_FALSE(world_.endpoint->stream(slow).reset.has_value());
  EXPECT_FALSE(world_.endpoint->stream(other).reset.has_value());
  EXPECT_NEAR(static_cast<double>(Received(slow) + Received(other)), 300.0 * kKiB, 40.0 * kKiB);
  EXPECT_EQ(world_.Take().totals.stalled, 0u);
}

}  // namespace
}  // namespace blobd::transfer
