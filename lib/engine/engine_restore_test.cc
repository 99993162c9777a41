// What an earlier life left in the registry, and a registry that cannot be read.
#include <gmock/gmock.h>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;

class RestoreTest : public EngineTest {};

TEST_F(RestoreTest, EndedIntentsKeepWhatTheirProvidersDidWrong) {
  QueueItem item = Item();
  item.patience = Duration::zero();
  const IntentId id = Queue(kAnn, {item})->front().intent;
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kNotHere, "not here: it does not have blob 01");
  loop_.Advance(seconds(1));
  for (int life = 0; life < 2; ++life) {
    const auto view = Get(id);
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(view->row.result, registry::ResultCode::kFailed);
    ASSERT_EQ(view->failures.size(), 1u);
    EXPECT_EQ(view->failures[0].outcome, Outcome::kNotHere);
    EXPECT_EQ(view->failures[0].reason, "not here: it does not have blob 01");
    Restart();
  }
}

TEST_F(RestoreTest, AddressesForWhichThereIsNoPlaceAreForgotten) {
  const auto address = [](uint16_t port) { return SocketAddress::V4({192, 0, 2, 1}, port); };
  for (uint16_t port = 1; port <= 40; ++port)
    registry_.addresses.push_back({kNode, address(port), "dns", {}});
  registry_.addresses.push_back({kNode, address(41), "dns", WallTime{5}});
  Restart();
  EXPECT_EQ(registry_.addresses.size(), path::AddressBook::kMaxPerNode);
  EXPECT_EQ(registry_.addresses.back().address, address(41));
  const auto view = engine_->FindRemote(kNode);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->addresses.size(), path::AddressBook::kMaxPerNode);
  EXPECT_EQ(view->addresses.front().address, address(41));
}

TEST_F(RestoreTest, EndedTransfersAreListedInTheNextLife) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Connect();
  transfer::GetProgress progress;
  progress.received_bytes = 510;
  progress.verified_bytes = 500;
  progress.total_bytes = 500;
  const TransferId transfer = OnlyGet();
  network_->EndGet(transfer, Outcome::kDone, "", progress);
  loop_.Settle();
  Restart();
  const std::vector<TransferView> listed = engine_->ListTransfers({}, {}, 10);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].id, transfer);
  EXPECT_EQ(listed[0].state, TransferState::kDone);
  EXPECT_EQ(listed[0].verified_bytes, 500u);
  EXPECT_TRUE(engine_->ListTransfers(RunningOnly(), {}, 10).empty());
}

TEST_F(RestoreTest, WhatRottedIsRepairedFromWhoGaveItToUsInAnEarlierLife) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Connect();
  transfer::GetProgress progress;
  progress.verified_bytes = 500;
  network_->EndGet(OnlyGet(), Outcome::kDone, "", progress);
  loop_.Settle();
  Restart();
  RangeSet groups;
  groups.Insert({0, 1});
  engine_->OnRotten(kHash, groups);
  loop_.Settle();
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(network_->dials[0].first, kNode);
  EXPECT_EQ(registry_.intents.rbegin()->second.label, "repair");
}

TEST_F(RestoreTest, LastResultsOfRemotesAreKnownInTheNextLife) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  network_->sink->OnDialFailed(kNode, false, "nobody answered");
  loop_.Settle();
  Restart();
  const std::vector<RemoteView> remotes = engine_->ListRemotes({}, {}, 10, {}).remotes;
  ASSERT_EQ(remotes.size(), 1u);
  EXPECT_EQ(remotes[0].info.failure, "nobody answered");
  EXPECT_NE(remotes[0].info.last_failure.unix_ms, 0);
}

TEST_F(RestoreTest, ManyIntentsAreTakenOverTurnByTurn) {
  constexpr size_t kMany = 2'500;
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  registry::IntentRow row = registry_.intents.begin()->second;
  for (size_t i = 1; i < kMany; ++i) {
    row.id = IntentId{row.id.value + 1};
    registry_.intents[row.id] = row;
  }
  Restart();
  EXPECT_EQ(engine_->restored_intents(), kMany);
  EXPECT_TRUE(engine_->Ready().ok());
  EXPECT_TRUE(Get(row.id).ok());
}

TEST_F(RestoreTest, WhatIsNotTakenOverYetIsNotShownAsEnded) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  MakeEngine();
  engine_->Start([](const Status&) {});
  StatusOr<IntentView> got;
  engine_->GetIntent(id, [&](StatusOr<IntentView> view) {
    EXPECT_FALSE(engine_->Ready().ok()) << "this tests what is answered before";
    got = std::move(view);
  });
  StatusOr<IntentPage> listed;
  engine_->ListIntents(kAnn, {}, {}, 10, [&](auto page) { listed = std::move(page); });
  Status watched;
  const auto watcher = std::make_shared<RecordingWatcher>();
  engine_->Watch(id, watcher, [&](const Status& status) { watched = status; });
  loop_.Settle();
  ASSERT_TRUE(got.ok() && listed.ok());
  EXPECT_EQ(got->state, IntentState::kQueued);
  EXPECT_THAT(got->waits_for, testing::HasSubstr("starting"));
  EXPECT_EQ(listed->intents.front().state, IntentState::kQueued);
  EXPECT_EQ(watched.code(), StatusCode::kUnavailable) << "who watches comes again";
  EXPECT_TRUE(watcher->views.empty());
}

TEST_F(RestoreTest, WhatWasConfiguredMeanwhileBoundsIt) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  QueueItem other = Item(Kind{Hash{{9}}, BlobFormat::kRaw});
  other.providers[0].provider = NodeId{{77}};
  ASSERT_TRUE(Queue(kAnn, {other}).ok());
  engine_.reset();
  network_ = std::make_unique<FakeNetwork>();
  engine_ = std::make_unique<Engine>(
      Engine::Deps{loop_, loop_, loop_, registry_, store_, *network_,
                   [this] { return std::shared_ptr<Executor>(&loop_, [](Executor*) {}); }, log_},
      EngineOptions());
  LiveLimits configured;
  configured.schedule.connections = 1;
  engine_->Reconfigure(configured, seconds(1));
  engine_->Start([](const Status& status) { EXPECT_TRUE(status.ok()); });
  loop_.Settle();
  EXPECT_EQ(network_->dials.size(), 1u);
}

TEST_F(RestoreTest, ADamagedRegistryIsSaidAndCanBeReplaced) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  registry_.load_status = DataLoss("page 7 is damaged");
  engine_.reset();
  network_ = std::make_unique<FakeNetwork>();
  engine_ = std::make_unique<Engine>(
      Engine::Deps{loop_, loop_, loop_, registry_, store_, *network_,
                   [this] { return std::shared_ptr<Executor>(&loop_, [](Executor*) {}); }, log_},
      EngineOptions());
  Status started;
  const auto start = [&] {
    engine_->Start([&](const Status& status) { started = status; });
    loop_.Settle();
  };
  start();
  EXPECT_EQ(started.code(), StatusCode::kDataLoss);
  for (const Status& refused : {Queue(kAnn, {Item()}).status(), Cancel(kAnn, {id}).status(),
                                engine_->NodesHave(kHash, Item().providers).status()}) {
    EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
    EXPECT_NE(Message(refused).find("registry_damaged"), std::string::npos);
    EXPECT_NE(Message(refused).find("blobctl registry recover"), std::string::npos);
  }
  EXPECT_NE(engine_->Summary().degraded, "");
  EXPECT_TRUE(network_->dials.empty());
  RangeSet groups;
  groups.Insert({0, 1});
  engine_->OnRotten(kHash, groups);  // cannot be repaired now, and harms nothing
  loop_.Settle();

  registry_.load_status = OkStatus();
  start();
  EXPECT_TRUE(started.ok());
  EXPECT_EQ(engine_->Summary().degraded, "");
  EXPECT_EQ(network_->dials.size(), 1u);
  EXPECT_TRUE(Cancel(kAnn, {id}).ok());
}

// Left by a life that ended between the end of an intent and the drop of its providers.
TEST_F(EngineTest, ProvidersThatNobodyWantsAreDroppedAtTheStart) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  const Hash orphan = {{9}};
  registry_.providers.insert({orphan, kNode});
  Restart();
  loop_.Settle();
  EXPECT_EQ(registry_.providers.size(), 1u);
  EXPECT_EQ(registry_.providers.begin()->first, kHash);
}

}  // namespace
}  // namespace blobd::engine
