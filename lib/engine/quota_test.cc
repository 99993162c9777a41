// What one user may have unfinished, in bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "base/error_reason.h"
#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using ::testing::StartsWith;

constexpr uint64_t kLimit = 1000;

Kind KindOf(uint8_t number) { return {Hash{{number}}, BlobFormat::kRaw}; }

class QuotaTest : public EngineTest {
 protected:
  QuotaTest() { Limit(kLimit); }
  void Limit(uint64_t bytes) {
    LiveLimits limits;
    limits.bytes_per_uid = bytes;
    engine_->Reconfigure(limits, seconds(10));
  }
  // The one transfer has proven the size.
  void Prove(uint64_t bytes) {
    transfer::GetProgress progress;
    progress.state = transfer::GetState::kReceiving;
    progress.total_bytes = bytes;
    network_->sink->OnGetProgress(OnlyGet(), progress);
    loop_.Settle();
  }
  // Of each transfer, that what it brings has as many bytes as `size` says.
  void ProveEach(const std::function<uint64_t(const Kind&)>& size) {
    std::vector<std::pair<TransferId, Kind>> gets;
    for (const auto& [transfer, get] : network_->gets) gets.emplace_back(transfer, get.kind);
    for (const auto& [transfer, kind] : gets) {
      transfer::GetProgress progress;
      progress.state = transfer::GetState::kReceiving;
      progress.total_bytes = size(kind);
      network_->sink->OnGetProgress(transfer, progress);
    }
    loop_.Settle();
  }
  registry::ResultCode ResultOf(IntentId id) { return Get(id)->row.result; }
  void ExpectRefused(const StatusOr<std::vector<QueuedIntent>>& answer) {
    EXPECT_EQ(answer.status().code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(GivenReasonOf(answer.status()), Reason::kBytesQuota) << answer.status();
  }
};

TEST_F(QuotaTest, ContentBeyondItEndsTheIntentsOfItsUserAndNobodyElses) {
  const IntentId anns = Queue(kAnn, {Item()})->front().intent;
  const IntentId second = Queue(kAnn, {Item()})->front().intent;
  const IntentId roots = Queue(kRoot, {Item()})->front().intent;
  Connect();
  Prove(kLimit + 1);
  for (const IntentId id : {anns, second}) {
    const auto view = Get(id);
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(view->row.result, registry::ResultCode::kFailed);
    EXPECT_THAT(view->row.reason, StartsWith("quota: "));
  }
  EXPECT_EQ(Get(roots)->state, IntentState::kRunning);
  // Its size is known now.
  ExpectRefused(Queue(kAnn, {Item()}));
  EXPECT_TRUE(Queue(kAnn, {Item(KindOf(2))}).ok()) << "nothing of hers is left";
}

TEST_F(QuotaTest, AtTheLimitNothingMoreIsTaken) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  Prove(kLimit);
  EXPECT_EQ(Get(id)->state, IntentState::kRunning);
  ExpectRefused(Queue(kAnn, {Item(KindOf(2))}));
  EXPECT_TRUE(Queue(kJoe, {Item(KindOf(2))}).ok());
  EXPECT_TRUE(Queue(kRoot, {Item(KindOf(3))}).ok());
  ASSERT_TRUE(Cancel(kAnn, {id}).ok());
  EXPECT_TRUE(Queue(kAnn, {Item(KindOf(2))}).ok());
}

TEST_F(QuotaTest, OneContentCountsOnceForEachWhoWantsIt) {
  const IntentId first = Queue(kAnn, {Item()})->front().intent;
  Connect();
  Prove(600);
  const IntentId second = Queue(kAnn, {Item()})->front().intent;
  EXPECT_TRUE(Queue(kJoe, {Item()}).ok());
  ASSERT_TRUE(Cancel(kAnn, {first}).ok());
  EXPECT_TRUE(Queue(kAnn, {Item(KindOf(2))}).ok());
  EXPECT_EQ(Get(second)->state, IntentState::kRunning);
}

TEST_F(QuotaTest, WhatIsHereAlreadyIsNotCounted) {
  store_.blobs[kHash].state = store::BlobState::kComplete;
  store_.blobs[kHash].size = 10 * kLimit;
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  EXPECT_EQ(ResultOf(id), registry::ResultCode::kDone);
}

// Its end is not durable yet, and counts no more all the same.
TEST_F(QuotaTest, WhatHasEndedDoesNotTakeOthersAlong) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  const IntentId small = Queue(kAnn, {Item(KindOf(2))})->front().intent;
  Connect();
  ASSERT_EQ(network_->gets.size(), 2u);
  registry_.hold_commits = true;
  ProveEach([](const Kind& kind) -> uint64_t { return kind == kKind ? kLimit + 1 : 100; });
  EXPECT_EQ(Get(small)->state, IntentState::kRunning);
  registry_.hold_commits = false;
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(Get(small)->state, IntentState::kRunning);
}

TEST_F(QuotaTest, WhoHasNoneIsOverNobodysQuota) {
  const IntentId roots = Queue(kRoot, {Item()})->front().intent;
  ASSERT_TRUE(Queue(kRoot, {Item(KindOf(2))}).ok());
  const IntentId anns = Queue(kAnn, {Item()})->front().intent;
  Connect();
  ProveEach([](const Kind&) -> uint64_t { return kLimit - 1; });
  EXPECT_EQ(Get(roots)->state, IntentState::kRunning);
  EXPECT_EQ(Get(anns)->state, IntentState::kRunning);
  ASSERT_TRUE(Cancel(kAnn, {anns}).ok());
  EXPECT_TRUE(Queue(kAnn, {Item(KindOf(3))}).ok());
}

TEST_F(QuotaTest, SumsOfAnythingClaimedStaySums) {
  std::vector<QueueItem> items;
  for (uint8_t i = 1; i <= 4; ++i) items.push_back(Item(KindOf(i)));
  const IntentId first = Queue(kRoot, items)->front().intent;
  Connect();
  ProveEach([](const Kind&) -> uint64_t { return uint64_t{1} << 62; });
  EXPECT_TRUE(Cancel(kRoot, {first}).ok());
}

TEST_F(QuotaTest, WithoutALimitNothingEnds) {
  Limit(0);
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  Prove(uint64_t{1} << 40);
  EXPECT_EQ(Get(id)->state, IntentState::kRunning);
  EXPECT_TRUE(Queue(kAnn, {Item(KindOf(2))}).ok());
}

// Who queued it may have been an administrator.
TEST_F(QuotaTest, WhatWasQueuedBeforeTheStartGoesOn) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Restart();
  Limit(kLimit);
  Connect();
  Prove(2 * kLimit);
  EXPECT_EQ(Get(id)->state, IntentState::kRunning);
  ExpectRefused(Queue(kAnn, {Item(KindOf(2))}));
}

}  // namespace
}  // namespace blobd::engine
