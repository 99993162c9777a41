// Callers: intents join requests, leave them, and end once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Intents, OneDownload) {
  Harness h;
  const IntentId intent = h.Want(Raw(1), {Node(1)});
  EXPECT_EQ(h.Saw<LookInStore>().size(), 1u);
  EXPECT_EQ(h.StateOf(intent), RequestState::kInStore);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  const StartTransfer start = h.Started();
  EXPECT_EQ(start.kind, Raw(1));
  EXPECT_EQ(start.provider, ProviderId(Node(1)));
  EXPECT_EQ(h.StateOf(intent), RequestState::kRunning);
  h.End(start.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, intent);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 1u);
  EXPECT_EQ(h.scheduler.unfinished_requests(), 0u);
  h.Pass(seconds(10));
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_FALSE(h.scheduler.NextDeadline());
}

TEST(Intents, WhatTheStoreHasNeedsNoProvider) {
  Harness h;
  h.Want(Raw(1), {}, Priority::kNormal, Duration(0));
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  h.StoreSays(StoreAnswered::State::kComplete);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
  EXPECT_THAT(h.SawEver<Dial>(), IsEmpty());
}

TEST(Intents, AStoreThatCannotAnswerFailsTheRequest) {
  Harness h;
  h.Want(Raw(1), {Node(1)});
  h.StoreSays(StoreAnswered::State::kFailed, "disk on fire");
  EXPECT_EQ(h.Finished().code, ResultCode::kFailed);
  EXPECT_EQ(h.Finished().reason, "store: disk on fire");
}

TEST(Intents, DeduplicatedIntentsGetTheSameResult) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  const IntentId b = h.Want(Raw(1), {Node(2)});
  EXPECT_THAT(h.Saw<LookInStore>(), IsEmpty());
  EXPECT_EQ(h.Saw<RememberProvider>().size(), 1u);
  h.Connect(1);
  const StartTransfer start = h.Started();
  const IntentId c = h.Want(Raw(1), {});
  EXPECT_THAT(h.scheduler.IntentsOf(Raw(1), 3), ElementsAre(a, b, c));
  h.End(start.transfer, Outcome::kDone);
  std::vector<IntentId> ended;
  for (const FinishIntent& finish : h.Saw<FinishIntent>()) {
    EXPECT_EQ(finish.code, ResultCode::kDone);
    ended.push_back(finish.intent);
  }
  EXPECT_THAT(ended, ElementsAre(a, b, c));
}

// What one leaves costs the others nothing, so that ten thousands at once hold up nobody: of a
// hundred thousand this took ten seconds when they moved up one by one.
TEST(Intents, ManyForOneKindLeaveOneByOneAndEndTogether) {
  constexpr uint64_t kMany = 100'000;
  constexpr uint64_t kLeave = 20'000;
  Harness h;
  Queue queue;
  queue.kind = Raw(1);
  for (; queue.id.value < kMany; ++h.next_intent) {
    queue.id = IntentId{queue.id.value + 1};
    h.scheduler.Step(h.now, queue, h.effects);
  }
  h.effects.clear();
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t id = 1; id <= kLeave; ++id)
    h.scheduler.Step(h.now, Cancel{IntentId{id}}, h.effects);
  EXPECT_EQ(h.Saw<FinishIntent>().size(), kLeave);
  h.StoreSays(StoreAnswered::State::kComplete);
  const std::vector<FinishIntent> ended = h.Saw<FinishIntent>();
  ASSERT_EQ(ended.size(), kMany - kLeave);
  EXPECT_EQ(ended.front().intent, IntentId{kLeave + 1});
  EXPECT_EQ(ended.back().intent, IntentId{kMany});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
}

// A thousand providers may have failed: a copy of that for each of a hundred thousand would be
// gigabytes.
TEST(Intents, TheEndsOfManyShareTheirFailures) {
  constexpr uint64_t kMany = 20'000;
  Harness h;
  Queue queue;
  queue.kind = Raw(1);
  queue.deadline = h.now + seconds(1);
  queue.providers = {Node(1)};
  for (; queue.id.value < kMany; ++h.next_intent) {
    queue.id = IntentId{queue.id.value + 1};
    h.scheduler.Step(h.now, queue, h.effects);
  }
  h.StoreSays(StoreAnswered::State::kIncomplete);
  h.FailDial(1);
  h.now = h.now + seconds(1);
  const auto begin = std::chrono::steady_clock::now();
  h.Do(Tick{});
  const std::vector<FinishIntent> ended = h.Saw<FinishIntent>();
  ASSERT_EQ(ended.size(), kMany);
  EXPECT_EQ(ended.front().code, ResultCode::kDeadlineExceeded);
  ASSERT_EQ(ended.front().failures.size(), 1U);
  EXPECT_EQ(ended.front().failures.begin(), ended.back().failures.begin());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
}

TEST(Intents, CancelOneOfTwoLeavesTheRequestRunning) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  const IntentId b = h.Want(Raw(1), {});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.Do(Cancel{a});
  EXPECT_EQ(h.Finished().intent, a);
  EXPECT_EQ(h.Finished().code, ResultCode::kCancelled);
  EXPECT_THAT(h.Saw<StopTransfer>(), IsEmpty());
  h.End(start.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, b);
}

TEST(Intents, CancelTheLastOfARunningRequestStopsItsTransfer) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.Do(Cancel{a});
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, start.transfer);
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 1u);
  EXPECT_EQ(h.scheduler.running_transfers(), 1u);  // ending
  h.End(start.transfer, Outcome::kStopped);
  EXPECT_THAT(h.effects, IsEmpty());
  EXPECT_EQ(h.scheduler.running_transfers(), 0u);
}

TEST(Intents, CancelTheLastOfAWaitingRequestForgetsIt) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {});
  const IntentId b = h.Want(Raw(1), {});
  EXPECT_EQ(h.StateOf(a), RequestState::kWaiting);
  h.Do(Cancel{a});
  EXPECT_EQ(h.Finished().code, ResultCode::kCancelled);
  EXPECT_EQ(h.scheduler.unfinished_requests(), 1u);
  h.Do(Cancel{b});
  EXPECT_EQ(h.Finished().intent, b);
  EXPECT_EQ(h.scheduler.unfinished_requests(), 0u);
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_THAT(h.effects, IsEmpty()) << "nobody wants it any more";
}

TEST(Intents, CancelDuringDialGivesItUp) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Do(Cancel{a});
  EXPECT_EQ(h.Saw<GiveUpDial>().size(), 1u);
  // Its answer crossed the giving up: nobody wants that connection.
  h.Connect(1);
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_EQ(h.scheduler.stats().late_events, 1u);
}

TEST(Intents, ADialThatOthersWantIsNotGivenUp) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.WantNew(Raw(2), {Node(1)});
  h.Do(Cancel{a});
  EXPECT_THAT(h.Saw<GiveUpDial>(), IsEmpty());
  h.Connect(1);
  EXPECT_EQ(h.Started().kind, Raw(2));
}

TEST(Intents, CancelWhileTheStoreIsAsked) {
  Harness h;
  const IntentId a = h.Want(Raw(1), {Node(1)});
  h.Do(Cancel{a});
  EXPECT_EQ(h.Finished().code, ResultCode::kCancelled);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST(Intents, CancelTwiceOrUnknownChangesNothing) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Do(Cancel{a});
  h.Do(Cancel{a});
  EXPECT_THAT(h.effects, IsEmpty());
  h.Do(Cancel{IntentId{77}});
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST(Intents, CancelThenTheSameKindBeforeTheOldTransferEndedIsANewRequest) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer old = h.Started();
  h.Do(Cancel{a});
  const IntentId b = h.WantNew(Raw(1), {Node(1)});
  const StartTransfer fresh = h.Started();
  EXPECT_NE(fresh.request, old.request);
  EXPECT_NE(fresh.transfer, old.transfer);
  // The old one ends as it likes: not a word about the new request.
  h.End(old.transfer, Outcome::kDone);
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  EXPECT_EQ(h.StateOf(b), RequestState::kRunning);
  h.End(fresh.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, b);
}

TEST(Intents, WithdrawnLeavesWithoutAResult) {
  Harness h;
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Do(Withdraw{a});
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 1u);
  EXPECT_EQ(h.Saw<GiveUpDial>().size(), 1u);
  EXPECT_EQ(h.scheduler.unfinished_requests(), 0u);
}

TEST(Intents, AHashInBothFormatsIsTwoRequestsThatShareProviders) {
  Harness h;
  const IntentId raw = h.WantNew(Raw(1), {Node(1)});
  const IntentId seq = h.WantNew(Seq(1), {});
  h.Connect(1);
  const auto started = h.Saw<StartTransfer>();
  ASSERT_EQ(started.size(), 2u);
  // One is cancelled while the other runs: the providers of the hash stay.
  h.Do(Cancel{raw});
  EXPECT_THAT(h.Saw<ForgetProvider>(), IsEmpty());
  EXPECT_EQ(h.StateOf(seq), RequestState::kRunning);
  h.End(started[1].transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, seq);
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 1u);
}

TEST(Intents, OneFormatFinishesWhileTheOtherRuns) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  const IntentId seq = h.WantNew(Seq(1), {});
  h.Connect(1);
  const auto started = h.Saw<StartTransfer>();
  ASSERT_EQ(started.size(), 2u);
  h.End(started[0].transfer, Outcome::kDone);
  EXPECT_EQ(h.Saw<FinishIntent>().size(), 1u);
  EXPECT_EQ(h.StateOf(seq), RequestState::kRunning);
}

TEST(Intents, OneFormatIsCancelledWhileTheOtherRuns) {
  Harness h;
  const IntentId raw = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer first = h.Started();
  const IntentId seq = h.WantNew(Seq(1), {});
  const StartTransfer second = h.Started();
  EXPECT_EQ(second.provider, ProviderId(Node(1)));
  h.Do(Cancel{raw});
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, first.transfer);
  EXPECT_TRUE(h.Saw<ForgetProvider>().empty());
  h.End(first.transfer, Outcome::kStopped);
  h.End(second.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, seq);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
}

TEST(Intents, ADeadlineEndsOneIntentAlone) {
  Harness h;
  Queue queue;
  queue.id = IntentId{h.next_intent++};
  queue.kind = Raw(1);
  queue.providers = {Node(1)};
  queue.deadline = h.now + seconds(5);
  h.Do(queue);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  const IntentId other = h.Want(Raw(1), {});
  h.Pass(seconds(4));
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  h.Pass(seconds(1));
  EXPECT_EQ(h.Finished().intent, queue.id);
  EXPECT_EQ(h.Finished().code, ResultCode::kDeadlineExceeded);
  EXPECT_TRUE(h.scheduler.ViewOfIntent(other));
  h.Do(Cancel{other});
  EXPECT_EQ(h.scheduler.unfinished_requests(), 0u);
}

TEST(Intents, WithoutPatienceAndProvidersItEndsAtOnce) {
  Harness h;
  h.WantNew(Raw(1), {}, Priority::kNormal, Duration(0));
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  EXPECT_EQ(h.scheduler.unfinished_requests(), 0u);
}

TEST(Intents, PatienceEndsSingleIntents) {
  Harness h;
  const IntentId short_one = h.WantNew(Raw(1), {}, Priority::kUrgent, seconds(30));
  const IntentId long_one = h.Want(Raw(1), {});
  EXPECT_EQ(h.StateOf(long_one), RequestState::kWaiting);
  const IntentId none = h.Want(Raw(1), {}, Priority::kNormal, Duration(0));
  EXPECT_EQ(h.Finished().intent, none);
  h.Pass(seconds(30));
  EXPECT_EQ(h.Finished().intent, short_one);
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  // A provider added with none known: it goes at once.
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  EXPECT_TRUE(h.scheduler.ViewOfIntent(long_one));
}

TEST(Intents, ARequestHasItsHighestIntentsPriorityAndSinksAgain) {
  Options options = Harness::Defaults();
  options.limits.requests = 1;
  Harness h(options);
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  StartTransfer running = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  h.WantNew(Raw(3), {Node(1)});
  const IntentId urgent = h.Want(Raw(3), {}, Priority::kUrgent);
  h.End(running.transfer, Outcome::kDone);
  running = h.Started();
  EXPECT_EQ(running.kind, Raw(3));
  h.WantNew(Raw(4), {Node(1)}, Priority::kUrgent);
  const IntentId lifted = h.Want(Raw(2), {}, Priority::kUrgent);
  // Raw(2) is older than Raw(4), but sinks when its urgent intent leaves.
  h.Do(Cancel{lifted});
  h.Do(Cancel{urgent});
  h.End(running.transfer, Outcome::kDone);
  EXPECT_EQ(h.Started().kind, Raw(4));
}

TEST(Intents, ALateSubscriberSeesWhereItIs) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.Do(TransferProgress{start.transfer, 1000, 5000});
  h.Do(TransferProgress{start.transfer, 500, std::nullopt});
  const auto view = h.scheduler.ViewOfIntent(intent);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->verified_bytes, 1500u);
  EXPECT_EQ(view->total_bytes, 5000u);
  EXPECT_THAT(view->transfers, ElementsAre(start.transfer));
}

TEST(Intents, LateEventsAreDropped) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.End(start.transfer, Outcome::kDone);
  const uint64_t before = h.scheduler.stats().late_events;
  h.End(start.transfer, Outcome::kDropProvider);
  h.Do(TransferProgress{start.transfer, 1, std::nullopt});
  h.Do(StoreAnswered{start.request, StoreAnswered::State::kFailed, 0, 0, ""});
  h.Do(DialFailed{Node(1), false, ""});
  h.Do(Disconnected{Node(9), false, ""});
  EXPECT_EQ(h.scheduler.stats().late_events, before + 5);
  EXPECT_THAT(h.scheduler.Banned({Node(1)}, h.now), IsEmpty());
}

}  // namespace
}  // namespace blobd::schedule
