// Mirrors, as callers and their network see them.
#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;

class EngineMirrorsTest : public EngineTest {
 protected:
  IntentId QueueFrom(const std::string& url, const Kind& kind = kKind) {
    QueueItem item;
    item.kind = kind;
    item.patience = Duration(0);
    item.providers = {{MirrorUrl{url}, {}, "api"}};
    const auto queued = Queue(kAnn, {item});
    EXPECT_TRUE(queued.ok()) << queued.status();
    return queued->at(0).intent;
  }
  TransferId OnlyMirrorGet() {
    EXPECT_EQ(mirrors_.gets.size(), 1u);
    return mirrors_.gets.begin()->first;
  }
  void End(TransferId id, Outcome outcome, const std::string& reason = "") {
    mirrors_.EndGet(id, outcome, reason);
    loop_.Settle();
  }
};

TEST_F(EngineMirrorsTest, WhatIsWithoutProofIsSeenAndCountsForNothing) {
  const IntentId intent = QueueFrom("https://m/a");
  const TransferId transfer = OnlyMirrorGet();
  EXPECT_EQ(mirrors_.gets.at(transfer), "https://m/a");
  EXPECT_TRUE(network_->gets.empty());
  transfer::GetProgress progress;
  progress.state = transfer::GetState::kReceiving;
  progress.received_bytes = progress.moved_bytes = progress.unproven_bytes = 1000;
  progress.claimed_bytes = 4000;
  mirrors_.sink->OnGetProgress(transfer, progress);
  loop_.Settle();
  const auto view = Get(intent);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->verified_bytes, 0u);
  EXPECT_EQ(view->unproven_bytes, 1000u);
  EXPECT_EQ(view->claimed_bytes, 4000u);
  EXPECT_EQ(view->total_bytes, 0u);
  EXPECT_EQ(engine_->ListTransfers({}, 10, true, {}).at(0).unproven_bytes, 1000u);
}

TEST_F(EngineMirrorsTest, WhatNobodyWantsIsForgotten) {
  const IntentId intent = QueueFrom("https://m/a");
  const TransferId transfer = OnlyMirrorGet();
  ASSERT_TRUE(Cancel(kAnn, {intent}).ok());
  EXPECT_EQ(mirrors_.stops, std::vector<TransferId>{transfer});
  EXPECT_EQ(mirrors_.forgotten, std::vector<Hash>{kHash});
  End(transfer, Outcome::kStopped);
}

// Its hash is in the URL, perhaps in another form than ours.
TEST_F(EngineMirrorsTest, TheJournalHasNoUrlOfPrivateContent) {
  for (const bool is_private : {true, false}) {
    log_.providers.clear();
    store_.blobs[kHash].is_private = is_private;
    const IntentId intent = QueueFrom("https://m/a");
    ASSERT_TRUE(Cancel(kAnn, {intent}).ok());
    End(OnlyMirrorGet(), Outcome::kStopped);
    EXPECT_EQ(log_.providers.count("https://m/a"), is_private ? 0u : 1u);
  }
}

TEST_F(EngineMirrorsTest, WrongContentEndsTheIntentAndBansNobody) {
  const IntentId intent = QueueFrom("https://m/a");
  End(OnlyMirrorGet(), Outcome::kWrongContent, "content does not match");
  const auto view = Get(intent);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->state, IntentState::kEnded);
  ASSERT_EQ(view->failures.size(), 1u);
  EXPECT_EQ(view->failures[0].outcome, Outcome::kWrongContent);
  EXPECT_TRUE(engine_->ListBans({}, 10).empty());
  QueueFrom("https://m/a");
  EXPECT_EQ(mirrors_.gets.size(), 1u) << "the hash may have been the mistake";
}

// What others proved wrong is refused for the hash; after three hashes the URL is banned.
TEST_F(EngineMirrorsTest, ProvenBlameIsOfUrlAndHash) {
  for (uint8_t number = 1; number <= 2; ++number) {
    const Kind kind{{{number}}, BlobFormat::kRaw};
    QueueFrom("https://m/a", kind);
    End(OnlyMirrorGet(), Outcome::kDropProvider, "it lied");
    QueueFrom("https://m/a", kind);
    loop_.Settle();
    EXPECT_TRUE(mirrors_.gets.empty()) << "it is not asked for this hash";
    EXPECT_TRUE(engine_->ListBans({}, 10).empty());
  }
  QueueFrom("https://m/a", {{{3}}, BlobFormat::kRaw});
  End(OnlyMirrorGet(), Outcome::kDropProvider, "it lied");
  EXPECT_EQ(engine_->ListBans({}, 10).size(), 1u);
}

}  // namespace
}  // namespace blobd::engine
