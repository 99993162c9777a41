// Remotes, and the repair of rotten blobs.
#include <gtest/gtest.h>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }
NodeId Node(uint8_t number) { return NodeId{{number}}; }

class RemotesTest : public EngineTest {
 protected:
  StatusOr<uint32_t> AddAddresses(const NodeId& node, const std::vector<SocketAddress>& addresses) {
    StatusOr<uint32_t> answer = Unavailable("no answer");
    engine_->AddAddresses(node, addresses, [&](StatusOr<uint32_t> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  RemoteView Remote(const NodeId& node) {
    for (RemoteView& view : engine_->ListRemotes({}, {}, 100, {}).remotes) {
      if (view.node == node) return std::move(view);
    }
    ADD_FAILURE() << "not listed: " << node.ToHex();
    return {};
  }
  const registry::IntentRow* Repair() {
    for (const auto& [id, row] : registry_.intents) {
      if (row.label == "repair") return &row;
    }
    return nullptr;
  }
};

TEST_F(RemotesTest, ShowsHowANodeDoes) {
  EXPECT_TRUE(engine_->ListRemotes({}, {}, 100, {}).remotes.empty());
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  EXPECT_EQ(Remote(kNode).info.link, path::Link::kDialling);
  EXPECT_EQ(Remote(kNode).addresses.at(0).source, "api");
  Connect();
  const TransferId transfer = OnlyGet();
  EXPECT_EQ(Remote(kNode).info.link, path::Link::kConnected);
  EXPECT_EQ(Remote(kNode).info.address, At("192.0.2.1:1"));
  EXPECT_EQ(Remote(kNode).transfers, std::vector<TransferId>{transfer});
  transfer::GetProgress progress;
  for (int i = 0; i < 10; ++i) {
    progress.received_bytes += 1000;
    progress.verified_bytes += 1000;
    network_->sink->OnGetProgress(transfer, progress);
    loop_.Advance(milliseconds(125));
  }
  EXPECT_GT(Remote(kNode).download_rate, 0);
  network_->EndGet(transfer, Outcome::kRetryLater, "gone");
  network_->sink->OnDisconnected(kNode, false, "timed out");
  const RemoteView view = Remote(kNode);
  EXPECT_EQ(view.info.link, path::Link::kDown);
  EXPECT_EQ(view.info.failure, "timed out");
  EXPECT_EQ(view.info.last_failure, loop_.WallNow());
  EXPECT_GT(view.info.last_success, WallTime{});
  EXPECT_TRUE(view.transfers.empty());
}

TEST_F(RemotesTest, AnUnansweredDialAndAMissingAddressAreFailures) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  network_->sink->OnDialFailed(kNode, false, "nobody answered");
  EXPECT_EQ(Remote(kNode).info.failure, "nobody answered");
  QueueItem item = Item({{{2}}, BlobFormat::kRaw}, false);
  item.providers[0].provider = Node(9);
  ASSERT_TRUE(Queue(kAnn, {item}).ok());
  EXPECT_NE(Remote(Node(9)).info.failure.find("no address"), std::string::npos);
}

TEST_F(RemotesTest, AConnectionWeCloseIsNoFailure) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kDone);
  loop_.Advance(minutes(1));
  EXPECT_EQ(network_->disconnects, std::vector<NodeId>{kNode});
  EXPECT_EQ(Remote(kNode).info.link, path::Link::kDown);
  EXPECT_EQ(Remote(kNode).info.last_failure, WallTime{});
}

TEST_F(RemotesTest, ADisconnectedNodeIsNotBlamedAndDialledAgain) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  EXPECT_FALSE(engine_->DisconnectRemote(kNode));  // it is being dialled, and is so again
  EXPECT_EQ(network_->disconnects.size(), 1u);
  EXPECT_EQ(Remote(kNode).info.link, path::Link::kDialling);
  Connect();
  const TransferId transfer = OnlyGet();
  EXPECT_TRUE(engine_->DisconnectRemote(kNode));
  EXPECT_EQ(network_->disconnects.size(), 2u);
  network_->EndGet(transfer, Outcome::kStopped, "the connection was closed");
  loop_.Settle();
  EXPECT_EQ(Remote(kNode).info.link, path::Link::kDialling);
  EXPECT_EQ(Remote(kNode).info.last_failure, WallTime{});
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kDone);
  EXPECT_FALSE(engine_->DisconnectRemote(Node(77)));
}

TEST_F(RemotesTest, AForgottenNodeIsUnknown) {
  const auto forget = [this](const NodeId& node) {
    StatusOr<uint32_t> answer = Unavailable("no answer");
    engine_->ForgetRemote(node, [&](StatusOr<uint32_t> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  };
  EXPECT_EQ(forget(Node(5)).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(AddAddresses(Node(5), {At("192.0.2.5:1"), At("192.0.2.6:1")}).ok());
  EXPECT_EQ(*forget(Node(5)), 2u);
  EXPECT_FALSE(engine_->FindRemote(Node(5)));
  EXPECT_TRUE(engine_->ListRemotes({}, {}, 100, {}).remotes.empty());
  EXPECT_EQ(forget(Node(5)).status().code(), StatusCode::kNotFound);

  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  EXPECT_EQ(forget(kNode).status().code(), StatusCode::kFailedPrecondition);
  Connect();
  EXPECT_EQ(forget(kNode).status().code(), StatusCode::kFailedPrecondition);
  network_->EndGet(OnlyGet(), Outcome::kRetryLater, "gone");
  network_->sink->OnDisconnected(kNode, false, "timed out");
  EXPECT_EQ(*forget(kNode), 1u);
  EXPECT_FALSE(engine_->FindRemote(kNode));
}

TEST_F(RemotesTest, ANewAddressIsTriedAtOnce) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  for (int times = 0; times < 3; ++times) {
    network_->sink->OnDialFailed(kNode, false, "no answer");
    loop_.Advance(seconds(3));
  }
  network_->sink->OnDialFailed(kNode, false, "no answer");
  loop_.Settle();
  const size_t dials = network_->dials.size();
  EXPECT_EQ(Get(id)->state, IntentState::kParked);
  uint32_t added = 0;
  engine_->AddAddresses(kNode, {*SocketAddress::Parse("192.0.2.2:2")},
                        [&](StatusOr<uint32_t> answer) { added = *answer; });
  loop_.Settle();
  EXPECT_EQ(added, 1u);
  ASSERT_EQ(network_->dials.size(), dials + 1);
  EXPECT_EQ(network_->dials.back().second.size(), 2u);
  // So it is when it comes with somebody's request; an address that is known is no news.
  network_->sink->OnDialFailed(kNode, false, "no answer");
  QueueItem item = Item();
  ASSERT_TRUE(Queue(kJoe, {item}).ok());
  EXPECT_EQ(network_->dials.size(), dials + 1);
  item.providers[0].addresses = {*SocketAddress::Parse("192.0.2.3:3")};
  ASSERT_TRUE(Queue(kJoe, {item}).ok());
  EXPECT_EQ(network_->dials.size(), dials + 2);
}

TEST_F(RemotesTest, ABanIsMadeListedAndLiftedByHand) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  StatusOr<WallTime> until = Unavailable("no answer");
  const auto ban = [&](const ProviderId& provider) {
    engine_->Ban(provider, hours(3), "too dear", [&](StatusOr<WallTime> a) { until = a; });
    loop_.Settle();
  };
  ban(kNode);
  ASSERT_TRUE(until.ok()) << until.status();
  EXPECT_EQ(*until, loop_.WallNow() + hours(3));
  EXPECT_EQ(network_->stops.size(), 1u);
  network_->EndGet(OnlyGet(), Outcome::kStopped, "");
  loop_.Settle();
  Restart();
  EXPECT_TRUE(network_->dials.empty());
  const auto bans = engine_->ListBans({}, 10);
  ASSERT_EQ(bans.size(), 1u);
  EXPECT_EQ(bans[0].provider, ProviderId(kNode));
  EXPECT_EQ(bans[0].reason, "too dear");
  EXPECT_EQ(bans[0].until, loop_.WallNow() + hours(3));

  Status lifted = Unavailable("no answer");
  const auto unban = [&] {
    engine_->Unban(kNode, [&](const Status& status) { lifted = status; });
    loop_.Settle();
  };
  unban();
  EXPECT_TRUE(lifted.ok()) << lifted;
  EXPECT_TRUE(engine_->ListBans({}, 10).empty());
  EXPECT_TRUE(registry_.bans.empty());
  EXPECT_EQ(engine_->ListRemotes({}, {}, 10, {}).remotes.at(0).info.banned_until, WallTime{});
  unban();
  EXPECT_EQ(lifted.code(), StatusCode::kNotFound);
  EXPECT_TRUE(engine_->NodesHave(kHash, {{kNode, {}, "api"}})->refused.empty());
  EXPECT_EQ(Get(id)->row.result, registry::ResultCode::kNone);
}

TEST_F(RemotesTest, ABanThatCannotBeWrittenIsAnError) {
  registry_.commit_status = ResourceExhausted("disk full");
  StatusOr<WallTime> until = Unavailable("no answer");
  engine_->Ban(kNode, std::nullopt, "", [&](StatusOr<WallTime> a) { until = a; });
  loop_.Settle();
  EXPECT_EQ(until.status().code(), StatusCode::kResourceExhausted);
}

TEST_F(RemotesTest, BansAreShownWhileTheyLastAndAfterARestart) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kDropProvider, "wrong bytes");
  loop_.Settle();
  EXPECT_GT(Remote(kNode).info.banned_until, loop_.WallNow());
  Restart();
  EXPECT_NE(Remote(kNode).info.ban_reason.find("wrong bytes"), std::string::npos);
  EXPECT_GT(Remote(kNode).info.last_success, WallTime{}) << "the registry knows when it worked";
  loop_.Advance(hours(24 * 31));
  EXPECT_EQ(Remote(kNode).info.banned_until, WallTime{});
  EXPECT_TRUE(Remote(kNode).info.ban_reason.empty());
}

class RecordingRemotes final : public ChangeWatcher {
 public:
  explicit RecordingRemotes(const ChangeLog<NodeId>& log) : log_(log) {}
  void OnRound() override {
    log_.ForEachAfter(std::exchange(seen_, log_.latest()), [&](const NodeId& node, uint64_t) {
      told.insert(node);
      return true;
    });
  }
  std::set<NodeId> told;

 private:
  const ChangeLog<NodeId>& log_;
  uint64_t seen_ = 0;
};

TEST_F(RemotesTest, WhoWatchesIsToldThatABanRanOut) {
  const auto ban = [&](const NodeId& node, Duration length) {
    engine_->Ban(node, length, "",
                 [](const StatusOr<WallTime>& until) { EXPECT_TRUE(until.ok()); });
    loop_.Settle();
  };
  ban(Node(1), seconds(5));
  ban(Node(2), seconds(20));
  loop_.Advance(seconds(1));
  const auto watcher = std::make_shared<RecordingRemotes>(engine_->remote_watch().log());
  engine_->remote_watch().Add(watcher);
  loop_.Advance(milliseconds(3'900));
  EXPECT_TRUE(watcher->told.empty());
  EXPECT_GT(Remote(Node(1)).info.banned_until, loop_.WallNow());
  loop_.Advance(milliseconds(400));
  EXPECT_EQ(watcher->told, std::set<NodeId>{Node(1)});
  EXPECT_EQ(Remote(Node(1)).info.banned_until, WallTime{});
  // It is told once. What ends while nobody watches is told to who comes back.
  watcher->told.clear();
  engine_->remote_watch().Remove(watcher);
  loop_.Advance(seconds(30));
  engine_->remote_watch().Add(watcher);
  loop_.Advance(seconds(5));
  EXPECT_EQ(watcher->told, std::set<NodeId>{Node(2)});
  EXPECT_EQ(Remote(Node(2)).info.banned_until, WallTime{});
  engine_->remote_watch().Remove(watcher);
}

TEST_F(RemotesTest, PagesOverAllSources) {
  for (const uint8_t n : {uint8_t{2}, uint8_t{4}}) {
    ASSERT_TRUE(AddAddresses(Node(n), {At("192.0.2.1:1")}).ok());
  }
  QueueItem item = Item(kKind, false);
  item.providers[0].provider = Node(3);
  ASSERT_TRUE(Queue(kAnn, {item}).ok());
  const std::vector<NodeId> served = {Node(1), Node(4), Node(5)};
  std::vector<NodeId> seen;
  std::optional<NodeId> after;
  for (;;) {
    const auto page = engine_->ListRemotes({}, after, 2, served);
    for (const RemoteView& view : page.remotes) seen.push_back(view.node);
    if (!page.next) break;
    after = page.next;
  }
  EXPECT_EQ(seen, (std::vector<NodeId>{Node(1), Node(2), Node(3), Node(4), Node(5)}));
}

TEST_F(RemotesTest, FiltersByStateAndBan) {
  for (uint8_t n = 1; n <= 20; ++n) {
    ASSERT_TRUE(AddAddresses(Node(n), {At("192.0.2.1:1")}).ok());
  }
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());  // of kNode, which is the seventh
  engine_->Ban(Node(12), hours(1), "unwanted", [](const StatusOr<WallTime>&) {});
  loop_.Settle();
  const auto list = [&](const RemoteFilter& filter) {
    std::vector<NodeId> nodes;
    std::optional<NodeId> after;
    do {
      const RemotePage page = engine_->ListRemotes(filter, after, 1, {});
      for (const RemoteView& view : page.remotes) nodes.push_back(view.node);
      after = page.next;
    } while (after);
    return nodes;
  };
  RemoteFilter dialling;
  dialling.links.Add(path::Link::kDialling);
  EXPECT_EQ(list(dialling), std::vector<NodeId>{kNode});
  RemoteFilter down;
  down.links.Add(path::Link::kDown);
  EXPECT_EQ(list(down).size(), 19u);
  RemoteFilter banned;
  banned.banned_only = true;
  EXPECT_EQ(list(banned), std::vector<NodeId>{Node(12)});
  banned.links.Add(path::Link::kConnected);
  EXPECT_TRUE(list(banned).empty());
}

TEST_F(RemotesTest, AddedAddressesAreDurableBeforeTheAnswer) {
  registry_.hold_commits = true;
  bool answered = false;
  engine_->AddAddresses(kNode, {At("192.0.2.7:7")}, [&](const StatusOr<uint32_t>& added) {
    answered = true;
    EXPECT_EQ(added.value(), 1u);
  });
  loop_.Settle();
  EXPECT_FALSE(answered);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_TRUE(answered);
  EXPECT_EQ(AddAddresses(kNode, {At("192.0.2.7:7")}).value(), 0u);
  ASSERT_EQ(registry_.addresses.size(), 1u);
  EXPECT_EQ(registry_.addresses[0].source, "api");
  Restart();
  EXPECT_EQ(Remote(kNode).addresses.at(0).address, At("192.0.2.7:7"));
  ASSERT_TRUE(Queue(kAnn, {Item(kKind, false)}).ok());
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(network_->dials[0].second.front(), At("192.0.2.7:7"));
}

TEST_F(RemotesTest, AddressesWhoseCommitFailedAreWrittenWhenTheyAreGivenAgain) {
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(AddAddresses(kNode, {At("192.0.2.7:7")}).status().code(),
            StatusCode::kResourceExhausted);
  registry_.commit_status = OkStatus();
  EXPECT_TRUE(AddAddresses(kNode, {At("192.0.2.7:7")}).ok());
  EXPECT_EQ(registry_.addresses.size(), 1u);
}

TEST_F(RemotesTest, MoreThanANodeMayHaveReplacesTheOldest) {
  for (uint16_t port = 1; port <= path::AddressBook::kMaxPerNode + 3; ++port) {
    ASSERT_TRUE(AddAddresses(kNode, {SocketAddress::V4({192, 0, 2, 1}, port)}).ok());
  }
  EXPECT_EQ(Remote(kNode).addresses.size(), path::AddressBook::kMaxPerNode);
  EXPECT_EQ(registry_.addresses.size(), path::AddressBook::kMaxPerNode);
}

TEST_F(RemotesTest, RefusesOurselvesAndWhatCannotBeDialled) {
  const NodeId ourselves;  // the scheduler's options name nobody else
  EXPECT_EQ(AddAddresses(ourselves, {At("192.0.2.7:7")}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(AddAddresses(kNode, {At("192.0.2.7:7"), At("192.0.2.7:0")}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(registry_.addresses.empty());
  engine_->Drain([] {});
  EXPECT_EQ(AddAddresses(kNode, {At("192.0.2.7:7")}).status().code(), StatusCode::kUnavailable);
}

// ---- Repair ----

TEST_F(RemotesTest, ARottenBlobIsGotAgainFromWhoGaveIt) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Connect();
  transfer::GetProgress progress;
  progress.verified_bytes = progress.received_bytes = 1000;
  network_->EndGet(OnlyGet(), Outcome::kDone, "", progress);
  loop_.Settle();
  engine_->OnRotten(kHash, RangeSet(Range{3, 5}));
  loop_.Settle();
  ASSERT_EQ(log_.worries.size(), 1u);
  EXPECT_NE(log_.worries[0].find("3..5"), std::string::npos) << log_.worries[0];
  const registry::IntentRow* repair = Repair();
  ASSERT_NE(repair, nullptr);
  EXPECT_EQ(repair->kind, kKind);
  EXPECT_EQ(repair->owner_uid, 0u);
  EXPECT_EQ(repair->patience_ms, 24 * 3'600'000);
  EXPECT_EQ(network_->gets.size(), 1u);
  EXPECT_EQ(network_->gets.begin()->second.kind, kKind);
  network_->EndGet(OnlyGet(), Outcome::kDone, "", progress);
  loop_.Settle();
  EXPECT_EQ(Repair()->result, registry::ResultCode::kDone);
}

TEST_F(RemotesTest, OneRepairAtATime) {
  for (int i = 0; i < 3; ++i) {
    engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
    loop_.Settle();
  }
  EXPECT_EQ(registry_.intents.size(), 1u);
  const IntentId first = Repair()->id;
  ASSERT_TRUE(Cancel(kRoot, {first}).ok());
  engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
  loop_.Settle();
  EXPECT_EQ(registry_.intents.size(), 2u);
}

TEST_F(RemotesTest, ABlobThatIsWantedAnywayNeedsNoRepairOfItsOwn) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
  loop_.Settle();
  EXPECT_EQ(Repair(), nullptr);
}

TEST_F(RemotesTest, ARepairWithoutProvidersWaits) {
  engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
  loop_.Advance(hours(1));
  const auto view = Get(Repair()->id);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->row.result, registry::ResultCode::kNone);
  EXPECT_FALSE(view->waits_for.empty());
  NamedProvider named;
  named.provider = kNode;
  named.addresses = {At("192.0.2.1:1")};
  EXPECT_EQ(engine_->NodesHave(kHash, {named})->added, 1u);
  EXPECT_EQ(network_->dials.size(), 1u);
}

TEST_F(RemotesTest, RepairsAreBounded) {
  for (uint8_t i = 0; i < 8; ++i) {
    engine_->OnRotten({{i}}, RangeSet(Range{0, 1}));
    loop_.Settle();
  }
  EXPECT_EQ(registry_.intents.size(), 5u) << "the quota of one uid in this test";
  EXPECT_NE(log_.worries.back().find("not repaired"), std::string::npos) << log_.worries.back();
}

TEST_F(RemotesTest, WhatRotsWhileDrainingIsOnlySaid) {
  engine_->Drain([] {});
  engine_->OnRotten(kHash, RangeSet(Range{0, 1}));
  loop_.Settle();
  EXPECT_TRUE(registry_.intents.empty());
  EXPECT_EQ(log_.worries.size(), 2u);
}

}  // namespace
}  // namespace blobd::engine
