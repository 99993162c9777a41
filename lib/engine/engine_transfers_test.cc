// Single transfers, and the lists of transfers, requests and intents.
#include <gmock/gmock.h>

#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;

Kind KindOf(uint8_t n) { return {{{n}}, BlobFormat::kRaw}; }

class TransfersTest : public EngineTest {
 protected:
  StatusOr<TransferView> GetTransfer(TransferId id) {
    StatusOr<TransferView> answer = Unavailable("no answer");
    engine_->GetTransfer(id, [&](StatusOr<TransferView> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  using Answer = std::shared_ptr<StatusOr<CancelTransferAnswer>>;
  Answer CancelTransfer(const Caller& caller, TransferId id) {
    auto answer = std::make_shared<StatusOr<CancelTransferAnswer>>(Unavailable("no answer"));
    engine_->CancelTransfer(caller, id,
                            [answer](StatusOr<CancelTransferAnswer> a) { *answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  IntentId QueueOf(const Caller& caller, const Kind& kind) {
    const auto queued = Queue(caller, {Item(kind)});
    EXPECT_TRUE(queued.ok()) << queued.status();
    return queued.ok() ? queued->front().intent : IntentId{};
  }
  // Pages of `limit`, until there are no more.
  std::vector<Kind> Requests(const RequestFilter& filter, size_t limit = 2) {
    std::vector<Kind> kinds;
    IntentId after;
    for (;;) {
      const RequestPage page = engine_->ListRequests(filter, after, limit);
      EXPECT_LE(page.requests.size(), limit);
      for (const RequestView& view : page.requests) kinds.push_back(view.kind);
      if (!page.next) return kinds;
      after = *page.next;
    }
  }
  std::vector<IntentId> Intents(const IntentFilter& filter, size_t limit = 2) {
    std::vector<IntentId> ids;
    IntentId after;
    for (bool more = true; more;) {
      engine_->ListIntents(kAnn, filter, after, limit, [&](StatusOr<IntentPage> page) {
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_LE(page->intents.size(), limit);
        for (const IntentView& view : page->intents) ids.push_back(view.row.id);
        more = page->next.has_value();
        after = page->next.value_or(IntentId{});
      });
      loop_.Settle();
    }
    return ids;
  }
};

TEST_F(TransfersTest, OneIsFoundWhileItRunsAndAfter) {
  const IntentId id = QueueOf(kAnn, kKind);
  Connect();
  const TransferId transfer = OnlyGet();
  const auto running = GetTransfer(transfer);
  ASSERT_TRUE(running.ok()) << running.status();
  EXPECT_EQ(running->intents, std::vector<IntentId>{id});
  EXPECT_EQ(running->intent_count, 1u);
  network_->EndGet(transfer, Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(GetTransfer(transfer)->state, TransferState::kDone);
  EXPECT_EQ(GetTransfer(transfer)->intent_count, 0u);
}

TEST_F(TransfersTest, OneThatNeverWasIsToldFromOneThatIsForgotten) {
  QueueOf(kAnn, kKind);
  Connect();
  const TransferId transfer = OnlyGet();
  network_->EndGet(transfer, Outcome::kDone, "");
  loop_.Settle();
  for (uint8_t i = 0; i < 3; ++i) Restart();  // ids go on where nobody has been
  QueueOf(kAnn, KindOf(2));
  Connect();
  const TransferId latest = OnlyGet();
  EXPECT_TRUE(GetTransfer(transfer).ok()) << "the history has it";
  registry_.transfers.clear();
  Restart();
  const Status forgotten = GetTransfer(transfer).status();
  EXPECT_EQ(forgotten.code(), StatusCode::kNotFound);
  EXPECT_THAT(Message(forgotten), HasSubstr("ended so long ago"));
  for (const uint64_t id : {uint64_t{0}, latest.value + 100'000'000, UINT64_MAX}) {
    const Status unknown = GetTransfer(TransferId{id}).status();
    EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
    EXPECT_THAT(Message(unknown), HasSubstr("there is no transfer"));
    EXPECT_EQ(CancelTransfer(kAnn, TransferId{id})->status(), unknown);
  }
}

TEST_F(TransfersTest, TheHistoryIsAskedForWhatIsNotKeptHere) {
  registry::TransferRow row;
  row.id = TransferId{3};
  row.provider = kNode;
  row.kind = kKind;
  row.outcome = registry::TransferOutcome::kDone;
  registry_.next_ids[static_cast<size_t>(registry::IdSpace::kTransfer)] = 1000;
  Restart();
  registry_.transfers[row.id] = row;
  EXPECT_EQ(GetTransfer(row.id)->state, TransferState::kDone);
  EXPECT_THAT(Message(GetTransfer(TransferId{2}).status()), HasSubstr("ended so long ago"));
  EXPECT_FALSE((*CancelTransfer(kAnn, row.id))->cancelled);
}

TEST_F(TransfersTest, ACancelledOneEndsNobodysIntentAndIsTriedAgainLater) {
  const IntentId id = QueueOf(kAnn, kKind);
  Connect();
  const TransferId transfer = OnlyGet();
  const Answer answer = CancelTransfer(kAnn, transfer);
  const Answer again = CancelTransfer(kAnn, transfer);
  EXPECT_EQ(network_->stops, std::vector<TransferId>{transfer});
  EXPECT_EQ(answer->status().code(), StatusCode::kUnavailable) << "it has not ended yet";
  network_->EndGet(transfer, Outcome::kStopped, "stopped");
  loop_.Settle();
  ASSERT_TRUE(answer->ok()) << answer->status();
  EXPECT_TRUE((*answer)->cancelled);
  EXPECT_EQ((*answer)->transfer.state, TransferState::kCancelled);
  EXPECT_EQ((*answer)->transfer.reason, "stopped: cancelled by uid 1000");
  EXPECT_TRUE((*again)->cancelled);
  EXPECT_TRUE(network_->gets.empty());
  EXPECT_EQ(Get(id)->row.result, registry::ResultCode::kNone);
  EXPECT_THAT(Get(id)->waits_for, HasSubstr("cancelled"));
  EXPECT_TRUE(Get(id)->failures.empty());
  const auto why = engine_->WhyOfIntent(id);
  ASSERT_EQ(why->providers.size(), 1u);
  EXPECT_EQ(why->providers[0].standing, schedule::ProviderStanding::kSetAside);
  loop_.Advance(seconds(6));
  EXPECT_EQ(network_->gets.size(), 1u);
  const Answer ended = CancelTransfer(kJoe, transfer);
  ASSERT_TRUE(ended->ok()) << ended->status();
  EXPECT_FALSE((*ended)->cancelled);
  EXPECT_EQ(network_->gets.size(), 1u);
}

TEST_F(TransfersTest, OneThatIsDoneBeforeTheStopReachesItIsDone) {
  QueueOf(kAnn, kKind);
  Connect();
  const TransferId transfer = OnlyGet();
  const Answer answer = CancelTransfer(kAnn, transfer);
  network_->EndGet(transfer, Outcome::kDone, "");
  loop_.Settle();
  ASSERT_TRUE(answer->ok());
  EXPECT_FALSE((*answer)->cancelled);
  EXPECT_EQ((*answer)->transfer.state, TransferState::kDone);
}

TEST_F(TransfersTest, OnlyWhoOwnsAllItsIntentsAndRootCancelsIt) {
  QueueOf(kAnn, kKind);
  const IntentId joes = QueueOf(kJoe, kKind);
  Connect();
  const TransferId transfer = OnlyGet();
  EXPECT_EQ(CancelTransfer(kAnn, transfer)->status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(CancelTransfer(kJoe, transfer)->status().code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(network_->stops.empty());
  ASSERT_TRUE(Cancel(kJoe, {joes}).ok());
  const Answer answer = CancelTransfer(kAnn, transfer);
  EXPECT_EQ(network_->stops, std::vector<TransferId>{transfer});
  network_->EndGet(transfer, Outcome::kStopped, "stopped");
  loop_.Advance(seconds(6));
  EXPECT_TRUE((*answer)->cancelled);
  QueueOf(kJoe, kKind);
  const TransferId second = OnlyGet();
  EXPECT_EQ(CancelTransfer(kAnn, second)->status().code(), StatusCode::kPermissionDenied);
  CancelTransfer(kRoot, second);
  EXPECT_EQ(network_->stops.back(), second);
}

TEST_F(TransfersTest, WhoWaitsForTheEndIsToldWhenTheDaemonEnds) {
  QueueOf(kAnn, kKind);
  Connect();
  const Answer answer = CancelTransfer(kAnn, OnlyGet());
  engine_->Drain([] {});
  loop_.Advance(minutes(1));
  EXPECT_THAT(Message(answer->status()), HasSubstr("draining"));
}

TEST_F(TransfersTest, MirrorsAreCancelledToo) {
  QueueItem item = Item();
  item.providers[0] = {MirrorUrl{"https://a/1"}, {}, "api"};
  ASSERT_TRUE(Queue(kAnn, {item}).ok());
  const auto running = engine_->ListTransfers(RunningOnly(), {}, 10);
  ASSERT_EQ(running.size(), 1u);
  CancelTransfer(kAnn, running[0].id);
  EXPECT_EQ(mirrors_.stops, std::vector<TransferId>{running[0].id});
}

TEST_F(TransfersTest, AreFilteredAndListedInBothDirections) {
  TransferTable table;
  for (uint64_t id = 1; id <= 6; ++id) {
    const ProviderId provider =
        id % 2 == 0 ? ProviderId(MirrorUrl{"https://a/"}) : ProviderId(kNode);
    table.Start(TransferId{id}, provider, KindOf(id < 4 ? 1 : 2), {});
  }
  table.End(TransferId{2}, TransferState::kDone, "", {});
  table.End(TransferId{5}, TransferState::kFailed, "broken", {});
  const auto list = [&](const TransferFilter& filter, uint64_t after = 0, size_t limit = 10) {
    std::vector<uint64_t> ids;
    for (const TransferView& view : table.List(filter, TransferId{after}, limit))
      ids.push_back(view.id.value);
    return ids;
  };
  TransferFilter newest;
  newest.newest_first = true;
  EXPECT_THAT(list(newest), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(list(newest, 4, 2), ElementsAre(3, 2));
  EXPECT_THAT(list(newest, 1), ElementsAre());
  newest.running_only = true;
  EXPECT_THAT(list(newest), ElementsAre(6, 4, 3, 1));
  TransferFilter of_node;
  of_node.provider = kNode;
  EXPECT_THAT(list(of_node), ElementsAre(1, 3, 5));
  of_node.hash = KindOf(1).hash;
  EXPECT_THAT(list(of_node), ElementsAre(1, 3));
  TransferFilter ended;
  ended.states.Add(TransferState::kDone);
  ended.states.Add(TransferState::kFailed);
  EXPECT_THAT(list(ended), ElementsAre(2, 5));
  ended.newest_first = true;
  EXPECT_THAT(list(ended, 5), ElementsAre(2));
}

TEST_F(TransfersTest, RequestsAreListedOnceTheOldestFirst) {
  const IntentId first = QueueOf(kAnn, KindOf(9));
  QueueOf(kAnn, KindOf(3));
  const IntentId joined = QueueOf(kJoe, KindOf(9));
  QueueOf(kJoe, {KindOf(3).hash, BlobFormat::kHashSeq});
  QueueOf(kJoe, KindOf(1));
  const Kind sequence = {KindOf(3).hash, BlobFormat::kHashSeq};
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{10}}) {
    EXPECT_THAT(Requests({}, limit), ElementsAre(KindOf(9), KindOf(3), sequence, KindOf(1)));
  }
  RequestFilter filter;
  filter.owner_uid = kJoe.uid;
  EXPECT_THAT(Requests(filter, 1), ElementsAre(KindOf(9), sequence, KindOf(1)));
  filter.hash = KindOf(3).hash;
  EXPECT_THAT(Requests(filter), ElementsAre(sequence));
  filter.owner_uid.reset();
  EXPECT_THAT(Requests(filter, 1), ElementsAre(KindOf(3), sequence));
  Connect();
  const RequestView view = engine_->ListRequests({}, {}, 1).requests.at(0);
  EXPECT_EQ(view.state, IntentState::kRunning);
  EXPECT_THAT(view.intents, ElementsAre(first, joined));
  EXPECT_EQ(view.intent_count, 2u);
  EXPECT_EQ(view.transfers.size(), 1u);
}

TEST_F(TransfersTest, ARequestKeepsItsPlaceWhenItsFirstIntentLeaves) {
  const IntentId first = QueueOf(kAnn, KindOf(1));
  QueueOf(kAnn, KindOf(2));
  QueueOf(kJoe, KindOf(1));
  const RequestPage page = engine_->ListRequests({}, {}, 1);
  EXPECT_EQ(page.requests.at(0).kind, KindOf(1));
  ASSERT_TRUE(Cancel(kAnn, {first}).ok());
  EXPECT_THAT(Requests({}), ElementsAre(KindOf(1), KindOf(2)));
  const RequestPage next = engine_->ListRequests({}, *page.next, 10);
  ASSERT_EQ(next.requests.size(), 1u) << "the first is not repeated";
  EXPECT_EQ(next.requests[0].kind, KindOf(2));
}

TEST_F(TransfersTest, RequestsAreFoundByWhereTheyStand) {
  const IntentId paused = QueueOf(kAnn, KindOf(1));
  QueueOf(kAnn, KindOf(2));
  QueueOf(kAnn, KindOf(3));
  engine_->SetPaused(kAnn, {paused}, true, [](const StatusOr<PauseAnswer>&) {});
  loop_.Settle();
  RequestFilter filter;
  filter.states.Add(IntentState::kPaused);
  EXPECT_THAT(Requests(filter, 1), ElementsAre(KindOf(1)));
  filter.states.Add(IntentState::kWaiting);
  EXPECT_THAT(Requests(filter, 1), ElementsAre(KindOf(1), KindOf(2), KindOf(3)));
  RequestFilter running;
  running.states.Add(IntentState::kRunning);
  EXPECT_TRUE(Requests(running).empty());
}

TEST_F(TransfersTest, APageLooksAtNoMoreThanItMay) {
  // As many as a registry may bring, all of one user.
  registry::IntentRow row;
  row.owner_uid = kAnn.uid;
  row.patience_ms = 1000 * 3600;
  for (uint64_t i = 1; i <= 12'000; ++i) {
    row.id = IntentId{i};
    row.kind.hash.bytes[0] = static_cast<uint8_t>(i >> 8);
    row.kind.hash.bytes[1] = static_cast<uint8_t>(i);
    registry_.intents[row.id] = row;
  }
  Restart();
  RequestFilter joes;
  joes.owner_uid = kJoe.uid;
  const RequestPage page = engine_->ListRequests(joes, {}, 100);
  EXPECT_TRUE(page.requests.empty());
  EXPECT_EQ(page.next, IntentId{10'000});
  EXPECT_TRUE(Requests(joes).empty());
  EXPECT_EQ(Requests({}, 1000).size(), 12'000u);
  // Likewise of intents.
  const int lists = registry_.intent_lists;
  IntentFilter running;
  running.states.Add(IntentState::kRunning);
  bool answered = false;
  engine_->ListIntents(kAnn, running, {}, 100, [&](StatusOr<IntentPage> intents) {
    answered = true;
    ASSERT_TRUE(intents.ok());
    EXPECT_TRUE(intents->intents.empty());
    EXPECT_EQ(intents->next, IntentId{10'000});
  });
  loop_.Settle();
  EXPECT_TRUE(answered);
  EXPECT_EQ(registry_.intent_lists - lists, 10);
  EXPECT_TRUE(Intents(running).empty());
}

TEST_F(TransfersTest, APageCountsWhoIsNamedForItsRequests) {
  for (uint8_t i = 1; i <= 30; ++i) {
    QueueItem item = Item(KindOf(i));
    item.providers.clear();
    for (int n = 0; n < 1000; ++n) {
      NodeId node{{1}};
      node.bytes[1] = static_cast<uint8_t>(n >> 8);
      node.bytes[2] = static_cast<uint8_t>(n);
      item.providers.push_back({node, {}});
    }
    ASSERT_TRUE(Queue(kRoot, {item}).ok());  // who has no quota
  }
  const RequestPage page = engine_->ListRequests({}, {}, 1000);
  EXPECT_FALSE(page.requests.empty());
  EXPECT_LE(page.requests.size(), 10u);
  EXPECT_EQ(Requests({}, 1000).size(), 30u);
}

TEST_F(TransfersTest, ListsOfRequestsTakeTurnsByUid) {
  QueueOf(kAnn, KindOf(1));
  std::vector<uint32_t> order;
  for (const Caller& caller : {kAnn, kAnn, kAnn, kJoe}) {
    engine_->ListRequests(caller, {}, {}, 10, [&order, uid = caller.uid](const RequestPage& page) {
      EXPECT_EQ(page.requests.size(), 1u);
      order.push_back(uid);
    });
  }
  loop_.Settle();
  EXPECT_THAT(order, ElementsAre(kAnn.uid, kJoe.uid, kAnn.uid, kAnn.uid));
}

TEST_F(TransfersTest, IntentsAreFoundByWhereTheyStandAndHowTheyEnded) {
  const IntentId cancelled = QueueOf(kAnn, KindOf(1));
  const IntentId paused = QueueOf(kAnn, KindOf(2));
  const IntentId waiting = QueueOf(kAnn, KindOf(3));
  const IntentId other = QueueOf(kAnn, KindOf(4));
  ASSERT_TRUE(Cancel(kAnn, {cancelled}).ok());
  engine_->SetPaused(kAnn, {paused}, true, [](const StatusOr<PauseAnswer>&) {});
  loop_.Settle();
  const auto find = [&](auto... states) {
    IntentFilter filter;
    (filter.states.Add(states), ...);
    return Intents(filter, 1);
  };
  using registry::ResultCode;
  EXPECT_THAT(find(IntentState::kPaused), ElementsAre(paused));
  EXPECT_THAT(find(IntentState::kWaiting), ElementsAre(waiting, other));
  EXPECT_THAT(find(ResultCode::kCancelled), ElementsAre(cancelled));
  EXPECT_THAT(find(ResultCode::kFailed), ElementsAre());
  EXPECT_THAT(find(ResultCode::kCancelled, IntentState::kPaused), ElementsAre(cancelled, paused));
  IntentFilter filter;
  filter.rows.newest_first = true;
  EXPECT_THAT(Intents(filter), ElementsAre(other, waiting, paused, cancelled));
  filter.states.Add(IntentState::kWaiting);
  EXPECT_THAT(Intents(filter, 1), ElementsAre(other, waiting));
  filter.rows.finished = true;
  EXPECT_THAT(Intents(filter, 1), ElementsAre()) << "what the scope leaves out stays out";
}

}  // namespace
}  // namespace blobd::engine
