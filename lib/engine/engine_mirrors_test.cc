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
  progress.received_bytes = progress.unproven_bytes = 1000;
  progress.moved_bytes = 1000;
  progress.claimed_bytes = 4000;
  mirrors_.sink->OnGetProgress(transfer, progress);
  loop_.Settle();
  const auto view = Get(intent);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->verified_bytes, 0u);
  EXPECT_EQ(view->unproven_bytes, 1000u);
  EXPECT_EQ(view->claimed_bytes, 4000u);
  EXPECT_EQ(view->total_bytes, 0u);
  EXPECT_EQ(engine_->ListTransfers(RunningOnly(), {}, 10).at(0).unproven_bytes, 1000u);
}

// Each watcher hears of every change, whoever else looks in between.
TEST_F(EngineMirrorsTest, TwoWatchersHearOfBytesWithoutProofAndOfNewReasons) {
  QueueItem item;
  item.kind = kKind;
  item.providers = {{MirrorUrl{"https://m/a"}, {}, "api"}};
  const IntentId intent = Queue(kAnn, {item})->front().intent;
  const auto first = Watch(intent);
  const auto tell = [&](uint64_t unproven) {
    transfer::GetProgress progress;
    progress.state = transfer::GetState::kReceiving;
    progress.unproven_bytes = unproven;
    mirrors_.sink->OnGetProgress(OnlyMirrorGet(), progress);
    loop_.Settle();
  };
  tell(1000);
  const auto second = Watch(intent);
  EXPECT_EQ(first->views.back().unproven_bytes, 1000u) << "told before the second one joined";
  loop_.Advance(milliseconds(200));
  const size_t before = first->views.size();
  tell(500);
  loop_.Advance(milliseconds(200));
  EXPECT_GT(first->views.size(), before);
  for (const auto& watcher : {first, second}) EXPECT_EQ(watcher->views.back().unproven_bytes, 500u);

  for (const std::string reason : {"the first reason", "another reason"}) {
    for (int i = 0; mirrors_.gets.empty() && i < 600; ++i) loop_.Advance(seconds(1));
    End(OnlyMirrorGet(), Outcome::kRetryLater, reason);
    loop_.Advance(milliseconds(200));
    for (const auto& watcher : {first, second}) {
      ASSERT_EQ(watcher->views.back().failures.size(), 1u);
      EXPECT_NE(watcher->views.back().failures[0].reason.find(reason), std::string::npos);
    }
  }
}

// Many transfers under a low limit get less than a provider must give (scheduling.md).
TEST_F(EngineMirrorsTest, WhatOurOwnLimitHoldsBackIsNoStall) {
  QueueItem item;
  item.kind = kKind;
  item.providers = {{MirrorUrl{"https://m/a"}, {}, "api"}, {MirrorUrl{"https://n/a"}, {}, "api"}};
  ASSERT_TRUE(Queue(kAnn, {item}).ok());
  const TransferId transfer = OnlyMirrorGet();
  loop_.Advance(seconds(20));
  mirrors_.sink->OnGetHeldBack(transfer, true);
  loop_.Advance(minutes(5));
  EXPECT_TRUE(mirrors_.stops.empty());
  mirrors_.sink->OnGetHeldBack(transfer, false);
  loop_.Advance(seconds(39));
  EXPECT_TRUE(mirrors_.stops.empty());
  loop_.Advance(seconds(2));
  EXPECT_EQ(mirrors_.stops, std::vector<TransferId>{transfer});
}

// A request that waits for our network goes on when that is back, whatever the disk does.
TEST_F(EngineMirrorsTest, AFaultOfOurNetworkIsNotTakenForOneOfTheDisk) {
  for (const auto fault : {schedule::OwnFault::kDisk, schedule::OwnFault::kNetwork}) {
    const bool is_network = fault == schedule::OwnFault::kNetwork;
    const IntentId intent = QueueFrom("https://m/a");
    const TransferId transfer = OnlyMirrorGet();
    mirrors_.gets.clear();
    transfer::GetEnd end{Outcome::kLocalFault, "no route to host", {}};
    end.own_fault = fault;
    mirrors_.sink->OnGetEnded(transfer, {}, end);
    loop_.Settle();
    const auto view = Get(intent);
    ASSERT_TRUE(view.ok()) << view.status();
    const std::string thing = is_network ? "waits for the network" : "waits for the disk";
    EXPECT_TRUE(view->waits_for.starts_with(thing)) << view->waits_for;
    engine_->OnNetworkChanged(false, true);
    loop_.Settle();
    EXPECT_EQ(mirrors_.gets.size(), is_network ? 1u : 0u);
    ASSERT_TRUE(Cancel(kAnn, {intent}).ok());
    if (is_network) End(OnlyMirrorGet(), Outcome::kStopped);
    loop_.Advance(seconds(11));  // what comes back is told every ten seconds at most
  }
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

// A mirror and a connected node have the same blob.
class EngineStripesTest : public EngineMirrorsTest {
 protected:
  static constexpr uint64_t kSize = 64 << 20;

  EngineStripesTest() {
    QueueItem item = Item();
    item.providers.push_back({MirrorUrl{"https://m/a"}, {}, "api"});
    intent_ = Queue(kAnn, {item})->at(0).intent;
    mirror_ = OnlyMirrorGet();
    const auto layout =
        std::make_shared<const transfer::GetLayout>(transfer::LayoutOfBlob(kSize, true));
    mirrors_.sink->OnGetContent(mirror_, {layout, RangeSet({0, kSize}), std::nullopt});
    loop_.Settle();
    Connect();
    EXPECT_EQ(mirrors_.limits.size(), 1u);
    mirrors_.sink->OnBoundary(mirror_, kSize / 2);
    loop_.Settle();
    node_ = OnlyGet();
  }
  transfer::GetProgress OnLine() const {
    transfer::GetProgress progress;
    progress.state = transfer::GetState::kReceiving;
    progress.on_line = true;
    progress.claimed_bytes = kSize;
    return progress;
  }

  IntentId intent_;
  TransferId mirror_;
  TransferId node_;
};

TEST_F(EngineStripesTest, TheNodeGetsWhatTheMirrorGivesUp) {
  const auto& order = network_->gets.at(node_).order;
  ASSERT_TRUE(order.share);
  EXPECT_TRUE(order.share->layout->is_claim);
  EXPECT_EQ(order.share->range, (Range{kSize / 2, kSize}));
}

TEST_F(EngineStripesTest, TheNodeIsAskedOnceForProof) {
  transfer::GetProgress progress = OnLine();
  progress.proof_wanted = RangeSet(Range{0, 1});
  mirrors_.sink->OnGetProgress(mirror_, progress);
  mirrors_.sink->OnGetProgress(mirror_, progress);
  progress.proof_wanted.Insert({100, 101});
  mirrors_.sink->OnGetProgress(mirror_, progress);
  loop_.Settle();
  ASSERT_EQ(network_->proofs.size(), 2u);
  EXPECT_EQ(network_->proofs[0], std::pair(node_, RangeSet(Range{0, 1})));
  EXPECT_EQ(network_->proofs[1], std::pair(node_, RangeSet(Range{100, 101})));
}

TEST_F(EngineStripesTest, AClaimIsShownAsOneUntilItIsProven) {
  transfer::GetProgress progress = OnLine();
  progress.arrived = RangeSet(Range{0, 1000});
  mirrors_.sink->OnGetProgress(mirror_, progress);
  loop_.Settle();
  EXPECT_EQ(Get(intent_)->verified_bytes, 1000u);
  EXPECT_EQ(Get(intent_)->claimed_bytes, kSize);
  EXPECT_EQ(Get(intent_)->total_bytes, 0u);
  progress.total_bytes = kSize / 2;
  mirrors_.sink->OnGetProgress(mirror_, progress);
  loop_.Settle();
  EXPECT_EQ(Get(intent_)->total_bytes, kSize);
  EXPECT_EQ(Get(intent_)->claimed_bytes, 0u);
}

TEST_F(EngineStripesTest, AFalseClaimBeginsTheRequestAnew) {
  network_->gets.erase(node_);
  transfer::GetEnd end{Outcome::kStopped, "it has another size", {}};
  end.line_is_void = true;
  network_->sink->OnGetEnded(node_, {}, end);
  loop_.Settle();
  EXPECT_EQ(mirrors_.stops, std::vector<TransferId>{mirror_});
  End(mirror_, Outcome::kStopped);
  EXPECT_EQ(network_->gets.size() + mirrors_.gets.size(), 1u);
  for (const auto& [id, get] : network_->gets) EXPECT_FALSE(get.order.share);
  for (const auto& [id, order] : mirrors_.orders) EXPECT_FALSE(order.share);
}

TEST_F(EngineStripesTest, WhoIsBlamedAfterItsEndIsNotUsedAgain) {
  mirrors_.sink->OnMirrorBlamed("https://m/a", kHash, "it sent wrong bytes");
  End(mirror_, Outcome::kDone);
  ASSERT_EQ(network_->limits.size(), 1u);
  network_->sink->OnBoundary(node_, kSize / 4 * 3);
  loop_.Settle();
  EXPECT_TRUE(mirrors_.gets.empty()) << "it would get the rest";
  EXPECT_EQ(network_->gets.size(), 1u);
  EXPECT_FALSE(log_.worries.empty());
}

TEST_F(EngineMirrorsTest, ConnectionsChangeWhileItRuns) {
  LiveLimits configured;
  configured.schedule.connections_per_mirror = 3;
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(mirrors_.connections, std::vector<uint32_t>{3});
}

TEST_F(EngineMirrorsTest, ConnectionsMayChangeBeforeTheStart) {
  MakeEngine();
  LiveLimits configured;
  configured.schedule.connections_per_mirror = 3;
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(mirrors_.connections, std::vector<uint32_t>{3});
  Start();
  EXPECT_EQ(mirrors_.connections, std::vector<uint32_t>{3}) << "it was told";
}

TEST_F(EngineMirrorsTest, ConnectionsThatAreSetToStayHoldInTheNextLife) {
  Status set = Unavailable("no answer");
  engine_->SetLimits({{FindLimit("connections_per_mirror"), 5}}, {}, true,
                     [&](const Status& status) { set = status; });
  loop_.Settle();
  ASSERT_TRUE(set.ok()) << set;
  mirrors_.connections.clear();
  Restart();
  EXPECT_EQ(mirrors_.connections, std::vector<uint32_t>{5});
}

}  // namespace
}  // namespace blobd::engine
