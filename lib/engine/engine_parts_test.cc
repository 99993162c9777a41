// One request from several nodes at once, as callers and the network see it.
#include <gmock/gmock.h>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSize = 64 * kMiB;
const NodeId kOther = {{8}};

// Two connected nodes have kKind; the first asks for it.
class EnginePartsTest : public EngineTest {
 protected:
  EnginePartsTest() {
    QueueItem item = Item();
    NamedProvider other;
    other.provider = kOther;
    other.addresses = {*SocketAddress::Parse("192.0.2.2:1")};
    item.providers.push_back(other);
    intent_ = Queue(kAnn, {item})->at(0).intent;
    Connect();
    first_ = OnlyGet();
    network_->sink->OnConnected(kOther, *SocketAddress::Parse("192.0.2.2:1"), milliseconds(2));
    loop_.Settle();
  }

  static transfer::GetContent Content(RangeSet missing) {
    transfer::GetLayout layout;
    layout.length = kSize;
    layout.begins = {0};
    layout.exact = {true};
    layout.content_bytes = kSize;
    return {std::make_shared<const transfer::GetLayout>(layout), std::move(missing), kSize};
  }
  void Report(TransferId id, uint64_t verified, const Range& arrived, uint64_t position) {
    transfer::GetProgress progress;
    progress.state = transfer::GetState::kReceiving;
    progress.verified_bytes = progress.received_bytes = verified;
    progress.on_line = true;
    progress.arrived = RangeSet(arrived);
    progress.position = position;
    network_->sink->OnGetProgress(id, progress);
    loop_.Settle();
  }
  // The second half goes to the other node.
  TransferId SplitInTwo() {
    network_->sink->OnGetContent(first_, Content(RangeSet({0, kSize})));
    loop_.Settle();
    network_->sink->OnBoundary(first_, kSize / 2);
    loop_.Settle();
    EXPECT_EQ(network_->gets.size(), 2u);
    return network_->gets.rbegin()->first;
  }

  IntentId intent_;
  TransferId first_;
};

TEST_F(EnginePartsTest, ThePartThatIsCutGoesToTheOtherNode) {
  EXPECT_TRUE(network_->gets.at(first_).order.others);
  EXPECT_FALSE(network_->gets.at(first_).order.share);
  const TransferId second = SplitInTwo();
  EXPECT_THAT(network_->limits, ElementsAre(Pair(first_, kSize / 2)));
  const FakeNetwork::Get& get = network_->gets.at(second);
  EXPECT_EQ(get.node, kOther);
  ASSERT_TRUE(get.order.share);
  EXPECT_EQ(get.order.share->range, (Range{kSize / 2, kSize}));
  EXPECT_EQ(get.order.share->layout->length, kSize);
  EXPECT_EQ(Get(intent_)->transfers.size(), 2u);
}

TEST_F(EnginePartsTest, EveryByteIsCountedOnce) {
  const TransferId second = SplitInTwo();
  Report(first_, 10 * kMiB, {0, 10 * kMiB}, 10 * kMiB);
  Report(second, 4 * kMiB, {kSize / 2, kSize / 2 + 4 * kMiB}, kSize / 2 + 4 * kMiB);
  EXPECT_EQ(Get(intent_)->verified_bytes, 14 * kMiB);
  EXPECT_EQ(Get(intent_)->total_bytes, kSize);
  // A race: the same again from another node.
  Report(first_, 14 * kMiB, {kSize / 2, kSize / 2 + 4 * kMiB}, 10 * kMiB);
  EXPECT_EQ(Get(intent_)->verified_bytes, 14 * kMiB);
  // Each transfer has its own.
  const auto views = engine_->ListTransfers(RunningOnly(), {}, 10);
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].verified_bytes, 14 * kMiB);
  EXPECT_EQ(views[1].verified_bytes, 4 * kMiB);
}

TEST_F(EnginePartsTest, ItIsDoneWhenTheStoreSaysSo) {
  const TransferId second = SplitInTwo();
  // Both went as far as they could, and none may be cut further.
  network_->EndGet(second, Outcome::kDone, "");
  loop_.Settle();
  for (const auto& [id, boundary] : std::vector(network_->limits))
    network_->sink->OnBoundary(id, UINT64_MAX);
  loop_.Settle();
  store_.PutComplete(kHash, kSize);
  network_->EndGet(first_, Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(Get(intent_)->row.result, registry::ResultCode::kDone);
}

TEST_F(EnginePartsTest, WhatIsMissingAfterAllIsGotAgain) {
  const TransferId second = SplitInTwo();
  network_->EndGet(second, Outcome::kDone, "");
  loop_.Settle();
  network_->sink->OnBoundary(first_, UINT64_MAX);
  network_->EndGet(first_, Outcome::kDone, "");
  loop_.Settle();
  EXPECT_NE(Get(intent_)->state, IntentState::kEnded);
  ASSERT_FALSE(network_->gets.empty());
  EXPECT_FALSE(network_->gets.begin()->second.order.share);
}

TEST_F(EnginePartsTest, ThePartOfOneThatIsLostGoesToTheOther) {
  const TransferId second = SplitInTwo();
  Report(second, 4 * kMiB, {kSize / 2, kSize / 2 + 4 * kMiB}, kSize / 2 + 4 * kMiB);
  network_->sink->OnDisconnected(kOther, false, "reset");
  network_->EndGet(second, Outcome::kRetryLater, "lost");
  loop_.Settle();
  // Two transfers on one node at most when nobody else waits for it; here the first goes on, and
  // takes the rest when it is through.
  network_->EndGet(first_, Outcome::kDone, "");
  loop_.Settle();
  const FakeNetwork::Get& get = network_->gets.at(OnlyGet());
  EXPECT_EQ(get.node, kNode);
  ASSERT_TRUE(get.order.share);
  EXPECT_EQ(get.order.share->range, (Range{kSize / 2 + 4 * kMiB, kSize}));
}

TEST_F(EnginePartsTest, AWordOnTheLineThatComesTooLateIsNotBelieved) {
  network_->sink->OnDisconnected(kNode, false, "reset");
  loop_.Settle();
  network_->sink->OnGetContent(first_, Content(RangeSet({0, kSize})));
  network_->EndGet(first_, Outcome::kRetryLater, "lost");
  loop_.Settle();
  const FakeNetwork::Get& get = network_->gets.at(OnlyGet());
  EXPECT_EQ(get.node, kOther);
  EXPECT_FALSE(get.order.share);
}

TEST_F(EnginePartsTest, AnotherRequestForTheKindBeginsAnew) {
  SplitInTwo();
  EXPECT_TRUE(Cancel(kAnn, {intent_}).ok());
  QueueItem item = Item();
  const IntentId again = Queue(kAnn, {item})->at(0).intent;
  for (const TransferId id : std::vector(network_->stops))
    network_->EndGet(id, Outcome::kStopped, "");
  loop_.Settle();
  const FakeNetwork::Get& get = network_->gets.at(OnlyGet());
  EXPECT_FALSE(get.order.share);
  EXPECT_EQ(Get(again)->verified_bytes, 0u);
}

TEST_F(EnginePartsTest, WhoHoldsAPartIsUsedForThat) {
  const TransferId second = SplitInTwo();
  network_->gets.erase(second);
  transfer::GetEnd end{Outcome::kNotHere, "holds a part", {}};
  end.holds = RangeSet({0, kMiB});
  end.lacks = RangeSet({kSize / 2, kSize});
  network_->sink->OnGetEnded(second, {}, end);
  network_->EndGet(first_, Outcome::kRetryLater, "gone");
  network_->sink->OnDisconnected(kNode, false, "reset");
  loop_.Settle();
  const FakeNetwork::Get& get = network_->gets.at(OnlyGet());
  EXPECT_EQ(get.node, kOther);
  EXPECT_EQ(get.order.share->range, (Range{0, kSize / 2}));
}

}  // namespace
}  // namespace blobd::engine
