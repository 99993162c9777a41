#include "engine/engine.h"
#include "base/error_reason.h"

#include <gtest/gtest.h>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;

TEST_F(EngineTest, ADownloadFromQueueToDone) {
  const auto queued = Queue(kAnn, {Item()});
  ASSERT_TRUE(queued.ok());
  const IntentId id = queued->front().intent;
  EXPECT_EQ(registry_.intents.at(id).owner_uid, 1000u);
  EXPECT_EQ(registry_.providers.size(), 1u);
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(network_->dials[0].second.front().ToString(), "192.0.2.1:1");
  const auto watcher = Watch(id);
  Connect();
  const TransferId transfer = OnlyGet();
  transfer::GetProgress progress;
  progress.state = transfer::GetState::kReceiving;
  progress.received_bytes = 510;
  progress.verified_bytes = 500;
  progress.claimed_bytes = 1000;
  network_->sink->OnGetProgress(transfer, progress);
  loop_.Advance(milliseconds(200));
  EXPECT_EQ(watcher->views.back().state, IntentState::kRunning);
  EXPECT_EQ(watcher->views.back().verified_bytes, 500u);
  EXPECT_EQ(watcher->views.back().claimed_bytes, 1000u);
  EXPECT_EQ(engine_->ListTransfers(RunningOnly(), {}, 10).at(0).intents, std::vector<IntentId>{id});
  EXPECT_EQ(engine_->ListTransfers(RunningOnly(), {}, 10).at(0).intent_count, 1u);
  progress.received_bytes = 1010;
  progress.verified_bytes = 1000;
  progress.total_bytes = 1000;
  network_->EndGet(transfer, Outcome::kDone, "", progress);
  loop_.Settle();
  EXPECT_TRUE(watcher->ended);
  EXPECT_EQ(watcher->views.back().row.result, registry::ResultCode::kDone);
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kDone);
  EXPECT_EQ(registry_.intents.at(id).total_bytes, 1000u);
  EXPECT_EQ(registry_.intents.at(id).downloaded_bytes, 1010u);
  EXPECT_TRUE(registry_.providers.empty());
  EXPECT_EQ(engine_->ListTransfers({}, {}, 10).at(0).state, TransferState::kDone);
  EXPECT_EQ(engine_->ListTransfers({}, {}, 10).at(0).intent_count, 0u);
  EXPECT_TRUE(engine_->ListTransfers(RunningOnly(), {}, 10).empty());
}

TEST_F(EngineTest, NothingIsAnsweredOrToldBeforeItIsDurable) {
  store_.PutComplete(kHash, 100);
  registry_.hold_commits = true;
  bool answered = false;
  engine_->Queue(kAnn, {Item()}, [&](const StatusOr<std::vector<QueuedIntent>>& answer) {
    answered = answer.ok();
  });
  loop_.Settle();
  EXPECT_FALSE(answered);
  registry_.ReleaseCommits();
  registry_.hold_commits = true;  // the end is on its way, and not durable yet
  loop_.Settle();
  EXPECT_TRUE(answered);
  const IntentId id = registry_.intents.begin()->first;
  const auto watcher = Watch(id);
  EXPECT_FALSE(watcher->ended);
  EXPECT_NE(Get(id)->state, IntentState::kEnded);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_TRUE(watcher->ended);
  EXPECT_EQ(Get(id)->state, IntentState::kEnded);
  EXPECT_TRUE(network_->dials.empty() || network_->gets.empty());
}

TEST_F(EngineTest, ALateWatcherSeesASnapshotThenChanges) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  transfer::GetProgress progress;
  progress.verified_bytes = 500;
  network_->sink->OnGetProgress(OnlyGet(), progress);
  loop_.Advance(seconds(1));
  const auto watcher = Watch(id);
  ASSERT_EQ(watcher->views.size(), 1u);
  EXPECT_EQ(watcher->views[0].verified_bytes, 500u);
  EXPECT_EQ(watcher->views[0].state, IntentState::kRunning);
  progress.verified_bytes = 900;
  network_->sink->OnGetProgress(OnlyGet(), progress);
  loop_.Advance(milliseconds(200));
  EXPECT_EQ(watcher->views.back().verified_bytes, 900u);
  EXPECT_FALSE(watcher->ended);
  network_->EndGet(OnlyGet(), Outcome::kDone, "", progress);
  loop_.Settle();
  EXPECT_TRUE(watcher->ended);
}

TEST_F(EngineTest, AFailedCommitLeavesNoIntent) {
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(Queue(kAnn, {Item()}).status().code(), StatusCode::kResourceExhausted);
  registry_.commit_status = OkStatus();
  EXPECT_TRUE(registry_.intents.empty());
  EXPECT_EQ(engine_->Summary().unfinished_requests, 0u);
  EXPECT_TRUE(Queue(kAnn, {Item()}).ok());
}

// Who names a provider that another call has named just before does not depend on its commit.
TEST_F(EngineTest, WhatAnIntentNamesIsDurableWithIt) {
  registry_.hold_commits = true;
  registry_.commit_status = ResourceExhausted("disk full");
  Status first;
  Status second = Unavailable("no answer");
  engine_->Queue(kAnn, {Item()}, [&](const auto& answer) { first = answer.status(); });
  loop_.Settle();
  registry_.commit_status = OkStatus();
  engine_->Queue(kJoe, {Item()}, [&](const auto& answer) { second = answer.status(); });
  loop_.Settle();
  EXPECT_EQ(registry_.providers.size(), 1u);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(first.code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(second.ok()) << second;
  EXPECT_EQ(registry_.providers.size(), 1u);
}

TEST_F(EngineTest, AnEndThatCannotBeWrittenIsTriedAgain) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  const auto watcher = Watch(id);
  Connect();
  registry_.commit_status = ResourceExhausted("disk full");
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Advance(seconds(3));
  EXPECT_FALSE(watcher->ended);
  registry_.commit_status = OkStatus();
  loop_.Advance(seconds(2));
  EXPECT_TRUE(watcher->ended);
}

TEST_F(EngineTest, AKeyMakesQueueSafeToRepeat) {
  QueueItem item = Item();
  item.idempotency_key = "k";
  const IntentId id = Queue(kAnn, {item})->front().intent;
  const auto again = Queue(kAnn, {item});
  EXPECT_EQ(again->front().intent, id);
  EXPECT_TRUE(again->front().existed);
  EXPECT_NE(Queue(kJoe, {item})->front().intent, id);
  QueueItem other = Item({{{2}}, BlobFormat::kRaw});
  other.idempotency_key = "k";
  EXPECT_EQ(Queue(kAnn, {other}).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Queue(kAnn, {item, item}).status().code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(Cancel(kAnn, {id}).ok());
  EXPECT_EQ(Queue(kAnn, {item})->front().intent, id);  // also when it has ended
}

TEST_F(EngineTest, AKeyOfACallWhoseCommitFailedIsNotAcknowledged) {
  QueueItem item = Item();
  item.idempotency_key = "k";
  registry_.hold_commits = true;
  registry_.commit_status = ResourceExhausted("disk full");
  Status first;
  Status second;
  engine_->Queue(kAnn, {item}, [&](const auto& answer) { first = answer.status(); });
  loop_.Settle();
  registry_.commit_status = OkStatus();
  engine_->Queue(kAnn, {item}, [&](const auto& answer) { second = answer.status(); });
  loop_.Settle();
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(first.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(second.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(registry_.intents.empty());
}

TEST_F(EngineTest, AnIdThatIsCancelledTwiceInOneCallIsCancelledOnce) {
  const IntentId one = Queue(kAnn, {Item()})->front().intent;
  const IntentId two = Queue(kAnn, {Item()})->front().intent;
  const auto answer = Cancel(kAnn, {two, one, two, one});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->cancelled, (std::vector<IntentId>{two, one}));
  EXPECT_TRUE(answer->already_ended.empty());
  const auto again = Cancel(kAnn, {one, one});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->already_ended, (std::vector<IntentId>{one}));
}

TEST_F(EngineTest, CancelIsAnsweredWhenTheEndIsDurable) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(Cancel(kAnn, {id}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
  registry_.commit_status = OkStatus();
  loop_.Advance(seconds(2));  // the end is tried again by itself
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kCancelled);
}

TEST_F(EngineTest, ProvidersOutliveAnIntentWhoseDeadlinePassedMeanwhile) {
  QueueItem first = Item();
  first.deadline = loop_.WallNow() + seconds(5);
  const IntentId ending = Queue(kAnn, {first})->front().intent;
  const IntentId staying = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(0));
  engine_.reset();
  loop_.Advance(seconds(10));
  Restart();
  loop_.Advance(seconds(1));
  EXPECT_EQ(registry_.intents.at(ending).result, registry::ResultCode::kDeadlineExceeded);
  EXPECT_EQ(registry_.intents.at(staying).result, registry::ResultCode::kNone);
  EXPECT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(registry_.providers.size(), 1u);
}

TEST_F(EngineTest, APassingFaultOfTheStoreEndsNothing) {
  store_.status = ResourceExhausted("no descriptor left");
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(5));
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
  store_.status = OkStatus();
  loop_.Advance(seconds(2));
  EXPECT_EQ(network_->dials.size(), 1u);
}

TEST_F(EngineTest, CancelKnowsWhoseItIs) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  EXPECT_EQ(Cancel(kJoe, {id}).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Cancel(kAnn, {IntentId{999}}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Cancel(kAnn, {id, IntentId{999}}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
  EXPECT_EQ(Cancel(kRoot, {id})->cancelled.size(), 1u);
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kCancelled);
  const auto again = Cancel(kAnn, {id});
  EXPECT_TRUE(again->cancelled.empty());
  EXPECT_EQ(again->already_ended.size(), 1u);
}

TEST_F(EngineTest, ARestartGoesOnUnderTheSameIds) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  const TransferId before = OnlyGet();
  Restart();
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(network_->dials[0].second.front().ToString(), "192.0.2.1:1");
  Connect();
  EXPECT_GT(OnlyGet().value, before.value);
  EXPECT_GT(Queue(kAnn, {Item()})->front().intent.value, id.value);
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kDone);
}

TEST_F(EngineTest, ANodeWithoutAddressFailsWithAReason) {
  QueueItem item = Item(kKind, false);
  item.patience = Duration::zero();
  const IntentId id = Queue(kAnn, {item})->front().intent;
  const auto watcher = Watch(id);
  loop_.Advance(minutes(5));
  ASSERT_TRUE(watcher->ended);
  EXPECT_NE(watcher->views.back().row.result, registry::ResultCode::kDone);
  ASSERT_FALSE(watcher->views.back().failures.empty());
  EXPECT_NE(watcher->views.back().failures[0].reason.find("no address"), std::string::npos);
  EXPECT_TRUE(network_->dials.empty());
}

TEST_F(EngineTest, AProviderThatHasItNotIsNamedAtTheEnd) {
  QueueItem item = Item();
  item.patience = Duration::zero();
  const IntentId id = Queue(kAnn, {item})->front().intent;
  const auto watcher = Watch(id);
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kNotHere, "not here: it does not have blob 01");
  loop_.Advance(seconds(1));
  ASSERT_TRUE(watcher->ended);
  EXPECT_EQ(watcher->views.back().row.result, registry::ResultCode::kFailed);
  EXPECT_EQ(watcher->views.back().failures[0].reason, "not here: it does not have blob 01");
}

TEST_F(EngineTest, QuotaPerUid) {
  for (uint8_t i = 0; i < 5; ++i) EXPECT_TRUE(Queue(kAnn, {Item({{{i}}, BlobFormat::kRaw})}).ok());
  EXPECT_EQ(Queue(kAnn, {Item()}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(Queue(kJoe, {Item()}).ok());
}

// Who does not know whether a Queue arrived must be able to ask, also when no more would be taken.
TEST_F(EngineTest, WhatAKeyFindsIsNotCountedAgain) {
  std::vector<QueueItem> items;
  for (uint8_t i = 0; i < 4; ++i) {
    items.push_back(Item({{{i}}, BlobFormat::kRaw}));
    items.back().idempotency_key = std::to_string(i);
  }
  const auto first = Queue(kAnn, items);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = Queue(kAnn, items);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->front().intent, first->front().intent);
  items.push_back(Item({{{4}}, BlobFormat::kRaw}));
  const auto with_a_new_one = Queue(kAnn, items);
  ASSERT_TRUE(with_a_new_one.ok()) << with_a_new_one.status();
  EXPECT_FALSE(with_a_new_one->back().existed);
  EXPECT_EQ(Queue(kAnn, items).status().code(), StatusCode::kResourceExhausted);
  items.back().idempotency_key = "new";
  EXPECT_EQ(Queue(kAnn, items).status().code(), StatusCode::kResourceExhausted);
  items.pop_back();
  EXPECT_TRUE(Queue(kAnn, items).ok()) << "all of them exist";
}

TEST_F(EngineTest, NodesHaveAddsOnlyToWhatIsWanted) {
  NamedProvider named;
  named.provider = NodeId{{8}};
  EXPECT_FALSE(engine_->NodesHave(kHash, {named})->wanted);
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  const auto answer = engine_->NodesHave(kHash, {named});
  EXPECT_TRUE(answer->wanted);
  EXPECT_EQ(answer->added, 1u);
  EXPECT_EQ(engine_->NodesHave(kHash, {named})->added, 0u);
}

TEST_F(EngineTest, AMirrorFromTheRegistryIsUsedAgain) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  registry_.providers = {{kHash, MirrorUrl{"http://192.0.2.1/x"}}};
  Restart();
  loop_.Advance(seconds(1));
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
  ASSERT_EQ(mirrors_.gets.size(), 1u);
  EXPECT_EQ(mirrors_.gets.begin()->second, "http://192.0.2.1/x");
}

TEST_F(EngineTest, DrainWaitsThenCutsAndFailsNothing) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  const TransferId transfer = OnlyGet();
  bool drained = false;
  engine_->Drain([&] { drained = true; });
  loop_.Advance(seconds(9));
  EXPECT_FALSE(drained);
  EXPECT_TRUE(network_->stops.empty());
  EXPECT_EQ(Queue(kAnn, {Item()}).status().code(), StatusCode::kUnavailable);
  loop_.Advance(seconds(1));
  EXPECT_EQ(network_->stops, std::vector<TransferId>{transfer});
  network_->EndGet(transfer, Outcome::kStopped, "stopped");
  loop_.Settle();
  EXPECT_TRUE(drained);
  EXPECT_GE(store_.flushes, 1);
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
}

TEST_F(EngineTest, TheJournalDoesNotNamePrivateContent) {
  for (const bool is_private : {true, false}) {
    store_.PutComplete(kHash, 100);
    store_.blobs[kHash].is_private = is_private;
    store_.blobs[kHash].state = store::BlobState::kPartial;
    engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
    loop_.Settle();
    const IntentId id = registry_.intents.rbegin()->first;
    const IntentId own = Queue(kAnn, {Item()})->front().intent;
    Connect();
    log_.worries.clear();
    network_->EndGet(OnlyGet(), Outcome::kRetryLater, "the stream of " + kHash.Short() + " ended");
    ASSERT_EQ(log_.worries.size(), 1u);
    EXPECT_EQ(log_.worries[0].find(kHash.Short()) == std::string::npos, is_private);
    ASSERT_TRUE(Cancel(kRoot, {id, own}).ok());
    EXPECT_EQ(log_.hashes.count(kHash), is_private ? 0u : 1u);
    network_->sink->OnDisconnected(kNode, true, "");
    loop_.Settle();
  }
}

TEST_F(EngineTest, WhatWasCancelledIsNotLookedForAgain) {
  store_.status = Unavailable("no descriptor left");
  for (int i = 0; i < 20; ++i) {
    const IntentId id = Queue(kAnn, {Item()})->front().intent;
    ASSERT_TRUE(Cancel(kAnn, {id}).ok());
  }
  const IntentId last = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(2));
  int before = store_.lookups;
  loop_.Advance(seconds(10));
  EXPECT_LE(store_.lookups - before, 11) << "once a second for the one that is left";
  EXPECT_GE(store_.lookups - before, 9);
  ASSERT_TRUE(Cancel(kAnn, {last}).ok());
  loop_.Advance(seconds(2));
  before = store_.lookups;
  loop_.Advance(seconds(10));
  EXPECT_EQ(store_.lookups, before);
}

TEST_F(EngineTest, AStoreThatCannotAnswerEndsTheRequest) {
  store_.status = DataLoss("store.db is damaged");
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(1));
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kFailed);
  EXPECT_NE(registry_.intents.at(id).reason.find("store.db is damaged"), std::string::npos);
}

// Be it that a sector of its list cannot be read, or that the disk is gone for a moment.
TEST_F(EngineTest, DamagedContentIsTakenBackAndLookedForAgain) {
  store_.status = ErrorFor(Reason::kBlobDamaged, "the disk cannot read all of a file");
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(3));
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kNone);
  EXPECT_GE(store_.withdrawals, 2);
  store_.status = OkStatus();
  loop_.Advance(seconds(2));
  const int withdrawals = store_.withdrawals;
  const int lookups = store_.lookups;
  loop_.Advance(seconds(5));
  EXPECT_EQ(store_.withdrawals, withdrawals);
  EXPECT_EQ(store_.lookups, lookups);
  ASSERT_TRUE(Cancel(kAnn, {id}).ok());
}

TEST_F(EngineTest, WhatIsDamagedForGoodEndsTheRequest) {
  store_.status = ErrorFor(Reason::kBlobDamaged, "the disk cannot read all of a file");
  store_.withdrawal = DataLoss("store.db is damaged");
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  loop_.Advance(seconds(3));
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kFailed);
  EXPECT_NE(registry_.intents.at(id).reason.find("store.db is damaged"), std::string::npos);
  EXPECT_EQ(store_.withdrawals, 1);
}

}  // namespace
}  // namespace blobd::engine
