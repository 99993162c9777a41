// Ends of many intents at once, as the registry and the journal see them.
#include <algorithm>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;

class EngineEndsTest : public EngineTest {
 protected:
  // Intents of root, whom no quota holds back, for one kind.
  std::vector<IntentId> QueueMany(size_t count) {
    std::vector<IntentId> ids;
    const auto queued = Queue(kRoot, std::vector<QueueItem>(count, Item()));
    EXPECT_TRUE(queued.ok()) << queued.status();
    if (!queued.ok()) return ids;
    for (const QueuedIntent& each : *queued) ids.push_back(each.intent);
    return ids;
  }
  size_t Ended() const {
    return static_cast<size_t>(std::count_if(
        registry_.intents.begin(), registry_.intents.end(),
        [](const auto& intent) { return intent.second.result != registry::ResultCode::kNone; }));
  }
  size_t LinesWith(std::string_view text) const {
    return static_cast<size_t>(std::count_if(
        log_.worries.begin(), log_.worries.end(),
        [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
};

TEST_F(EngineEndsTest, WhatEndsAtOnceIsWrittenInFewCommits) {
  const std::vector<IntentId> ids = QueueMany(5000);
  const auto first = Watch(ids.front());
  const auto last = Watch(ids.back());
  Connect();
  const int before = registry_.commits;
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_LE(registry_.commits - before, 6) << "three of ends, and what was learnt";
  EXPECT_EQ(Ended(), ids.size());
  EXPECT_TRUE(first->ended);
  EXPECT_TRUE(last->ended);
  EXPECT_TRUE(registry_.providers.empty());
}

TEST_F(EngineEndsTest, WhatIsCancelledAtOnceSharesCommits) {
  const std::vector<IntentId> ids = QueueMany(5000);
  const int before = registry_.commits;
  const auto answer = Cancel(kRoot, ids);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->cancelled, ids);
  EXPECT_EQ(Ended(), ids.size()) << "answered when all are durable";
  EXPECT_LE(registry_.commits - before, 8);
}

TEST_F(EngineEndsTest, RefusedEndsAreTriedAgainTogetherAndSaidOnce) {
  const std::vector<IntentId> ids = QueueMany(5000);
  Connect();
  registry_.commit_status = ResourceExhausted("disk full");
  log_.worries.clear();
  int before = registry_.commits;
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Advance(seconds(60));
  EXPECT_LE(registry_.commits - before, 70) << "about one a second";
  EXPECT_EQ(LinesWith("the ends of 5000 intents could not be written"), 1u);
  EXPECT_LE(log_.worries.size(), 2u);
  Status cancelled;
  engine_->Cancel(kRoot, {ids.front()}, [&](const auto& answer) { cancelled = answer.status(); });
  loop_.Advance(seconds(2));
  EXPECT_EQ(cancelled.code(), StatusCode::kResourceExhausted) << "does not wait for the disk";
  EXPECT_EQ(Ended(), 0u);

  registry_.commit_status = OkStatus();
  before = registry_.commits;
  loop_.Advance(seconds(2));
  EXPECT_EQ(Ended(), ids.size());
  EXPECT_LE(registry_.commits - before, 20);
  EXPECT_EQ(Get(ids.back())->row.result, registry::ResultCode::kDone);
}

// The registry may lose power between two commits.
TEST_F(EngineEndsTest, NoIntentOutlivesItsProviders) {
  const std::vector<IntentId> ids = QueueMany(5000);
  Connect();
  ASSERT_EQ(registry_.providers.size(), 1u);
  registry_.hold_commits = true;
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_GT(Ended(), 0u);
  EXPECT_LT(Ended(), ids.size());
  EXPECT_EQ(registry_.providers.size(), 1u);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(Ended(), ids.size());
  EXPECT_TRUE(registry_.providers.empty());
}

// The provider is wanted again before its drop went out.
TEST_F(EngineEndsTest, ALateDropTakesNoProviderFromAnIntentThatCameLater) {
  QueueMany(5000);
  Connect();
  registry_.hold_commits = true;
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  engine_->Queue(kRoot, {Item()}, [](const auto&) {});
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(registry_.providers.size(), 1u);
}

TEST_F(EngineEndsTest, ADrainWaitsForEndsThatAreOnTheirWay) {
  const std::vector<IntentId> ids = QueueMany(5000);
  Connect();
  registry_.hold_commits = true;
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  bool drained = false;
  engine_->Drain([&] { drained = true; });
  loop_.Settle();
  EXPECT_FALSE(drained);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_TRUE(drained);
  EXPECT_EQ(Ended(), ids.size());
}

}  // namespace
}  // namespace blobd::engine
