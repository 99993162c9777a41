// Long waits: faults of our own, bans and what ends them, news, pauses, stalls, standing providers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/retry.h"
#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs Raw(number) from that node.
StartTransfer Begin(Harness& h, uint8_t number) {
  h.WantNew(Raw(number), {Node(number)});
  h.Connect(number);
  return h.Started();
}

TEST(Waits, ADiskFaultWaitsOnTheDiskLongerEachTimeUntilItHasRoom) {
  Harness h;
  StartTransfer start = Begin(h, 1);
  for (const Duration delay : {seconds(1), seconds(2)}) {
    h.End(start.transfer, Outcome::kLocalFault, "no space left");
    EXPECT_THAT(h.scheduler.ViewOfKind(Raw(1))->waits_for, HasSubstr("the disk"));
    h.Pass(delay - milliseconds(1));
    EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
    h.Pass(milliseconds(1));
    start = h.Started();
  }
  h.End(start.transfer, Outcome::kLocalFault, "no space left");
  h.Do(NetworkBack{});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Do(DiskRoom{});
  start = h.Started();
  // The little that it takes to learn the size is no progress.
  h.Do(TransferProgress{start.transfer, 48 * 1024, std::nullopt});
  h.End(start.transfer, Outcome::kLocalFault, "needs more than is free");
  h.Pass(seconds(8) - milliseconds(1));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Pass(milliseconds(1));
  start = h.Started();
  h.Do(TransferProgress{start.transfer, 2 << 20, std::nullopt});
  h.End(start.transfer, Outcome::kLocalFault, "again");
  h.Pass(seconds(1));
  EXPECT_EQ(h.Saw<StartTransfer>().size(), 1u);
}

TEST(Waits, TheNetworkBackEndsEveryWaitForARetry) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.Do(TransferEnded{start.transfer, Outcome::kLocalFault, "no route", {}, OwnFault::kNetwork});
  EXPECT_THAT(h.scheduler.ViewOfKind(Raw(1))->waits_for, HasSubstr("the network"));
  h.WantNew(Raw(2), {Node(2)});
  h.Do(DialFailed{Node(2), true, "no route"});
  h.WantNew(Raw(3), {Node(3)});
  h.FailDial(3);
  const IntentId lost = h.WantNew(Raw(4), {Node(4)});
  for (int i = 0; i < 7; ++i) {
    h.FailDial(4);
    h.Pass(seconds(4));
    h.Do(DialFailed{Node(2), true, "no route"});
    h.Do(DialFailed{Node(3), true, "no route"});
  }
  EXPECT_EQ(h.StateOf(lost), RequestState::kWaiting);
  h.Do(DiskRoom{});
  EXPECT_THAT(h.effects, IsEmpty());
  h.Do(NetworkBack{});
  EXPECT_THAT(h.Dialled(), ::testing::UnorderedElementsAre(Node(2), Node(3), Node(4)));
}

TEST(Waits, PathNewsVoidTheWaitForThatNodeOnly) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.WantNew(Raw(2), {Node(2)});
  h.FailDial(1);
  h.FailDial(2);
  h.Do(PathNews{Node(9)});
  EXPECT_THAT(h.effects, IsEmpty());
  h.Do(PathNews{Node(1)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  h.Do(PathNews{Node(1)});
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST(Waits, ABanLiftedGivesTheProviderBack) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  const IntentId waiting = h.Want(Raw(1), {});
  h.End(start.transfer, Outcome::kDropProvider, "a wrong byte");
  EXPECT_EQ(h.StateOf(waiting), RequestState::kWaiting);
  h.WantNew(Raw(2), {Node(1)});  // named while it is banned
  h.WantNew(Raw(3), {});
  h.Do(Unban{Node(1)});
  EXPECT_EQ(h.Saw<RememberProvider>().size(), 2u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Do(Unban{Node(1)});
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST(Waits, ABanThatSomebodyWantsIsLikeOneForALie) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  const IntentId waiting = h.Want(Raw(1), {});
  h.Do(BanWanted{Node(1), hours(2), "too dear"});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  ASSERT_EQ(h.Saw<BanProvider>().size(), 1u);
  EXPECT_EQ(h.Saw<BanProvider>()[0].length, hours(2));
  h.End(start.transfer, Outcome::kStopped);
  EXPECT_EQ(h.StateOf(waiting), RequestState::kWaiting);
  EXPECT_EQ(h.scheduler.WhyOfIntent(waiting)->providers[0].standing, ProviderStanding::kBanned);
  EXPECT_EQ(h.scheduler.Banned({Node(1)}, h.now).size(), 1u);
  h.Pass(hours(2));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Waits, BansAreListedInOrderWhileTheyLast) {
  Harness h;
  for (const uint8_t node : std::initializer_list<uint8_t>{3, 1, 2})
    h.Do(BanWanted{Node(node), hours(node), "no"});
  h.Do(BanWanted{Mirror("https://m/"), hours(9), "no"});
  auto bans = h.scheduler.ListBans({}, 2, h.now);
  ASSERT_EQ(bans.size(), 2u);
  EXPECT_EQ(bans[1].provider, ProviderId(Node(2)));
  EXPECT_EQ(bans[1].reason, "no");
  EXPECT_EQ(bans[1].times, 1u);
  bans = h.scheduler.ListBans(bans[1].provider, 9, h.now);
  ASSERT_EQ(bans.size(), 2u);
  EXPECT_EQ(bans[1].provider, Mirror("https://m/"));
  h.Pass(hours(2));
  EXPECT_EQ(h.scheduler.ListBans({}, 9, h.now).size(), 2u);
  EXPECT_EQ(h.scheduler.FindBan(Node(3), h.now)->until, h.now + hours(1));
  EXPECT_FALSE(h.scheduler.FindBan(Node(2), h.now)) << "it is over";
  h.Do(Unban{Node(3)});
  EXPECT_EQ(h.scheduler.ListBans({}, 9, h.now).size(), 1u);
}

TEST(Waits, ABanThatEndsGivesTheProviderBack) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.End(start.transfer, Outcome::kDropProvider, "a wrong byte");
  EXPECT_THAT(h.Dialled(), IsEmpty());
  h.Pass(hours(1));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Waits, NotHereIsAskedAgainAfterAWhileWhileOthersDeliver) {
  Harness h;
  StartTransfer start = Begin(h, 1);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  h.End(start.transfer, Outcome::kNotHere, "no such blob");
  h.Connect(2);
  start = h.Started();
  h.Do(TransferProgress{start.transfer, 1, std::nullopt});
  h.Pass(milliseconds(4999));
  h.Do(TransferProgress{start.transfer, 1, std::nullopt});
  h.End(start.transfer, Outcome::kRetryLater, "reset");
  // Too early: nobody delivers any more, so that node 1 is not asked.
  h.Pass(milliseconds(1));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  EXPECT_THAT(h.Dialled(), IsEmpty());
  h.Pass(milliseconds(550));
  h.Connect(2);
  start = h.Started();
  EXPECT_EQ(start.provider, ProviderId(Node(2)));
  h.Do(TransferProgress{start.transfer, 1, std::nullopt});
  h.End(start.transfer, Outcome::kRetryLater, "reset");
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
}

TEST(Waits, TheOnlyProviderIsAwayForTenMinutes) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.Do(TransferProgress{start.transfer, 5 << 20, std::nullopt});
  h.Do(Disconnected{Node(1), false, "reset"});
  h.End(start.transfer, Outcome::kRetryLater, "reset");
  const Instant back = h.now + minutes(10);
  while (h.now < back) {
    h.Pass(milliseconds(100));
    if (!h.Dialled().empty()) h.FailDial(1);
  }
  EXPECT_THAT(h.SawEver<FinishIntent>(), IsEmpty());
  EXPECT_GE(h.scheduler.stats().unreachable, 1u);
  // It is tried again within ten more minutes, or as soon as we hear of it.
  h.Do(PathNews{Node(1)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
}

TEST(Waits, ARefusalIsNotForgotten) {
  Harness h;
  StartTransfer start = Begin(h, 1);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  h.End(start.transfer, Outcome::kAbortRequest, "permission");
  h.Connect(2);
  start = h.Started();
  h.Pass(seconds(30));
  h.Do(TransferProgress{start.transfer, 1, std::nullopt});
  h.End(start.transfer, Outcome::kRetryLater, "reset");
  EXPECT_THAT(h.Dialled(), IsEmpty());
}

// --- paused by callers

TEST(Pauses, AnIntentRestsAndGoesOnWithoutAFailure) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  const IntentId intent{1};
  h.Do(SetPaused{intent, true});
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, start.transfer);
  EXPECT_EQ(h.StateOf(intent), RequestState::kPaused);
  h.End(start.transfer, Outcome::kStopped);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  h.Pass(hours(48));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  EXPECT_THAT(h.SawEver<FinishIntent>(), IsEmpty());
  h.Do(SetPaused{intent, false});
  EXPECT_EQ(h.Dialled().size(), 2u);
  h.Do(SetPaused{intent, false});
  EXPECT_THAT(h.effects, IsEmpty());
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST(Pauses, ARequestRestsOnlyWhenAllItsIntentsDo) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)}, Priority::kUrgent);
  h.Want(Raw(1), {}, Priority::kBackground);
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.Do(SetPaused{IntentId{1}, true});
  EXPECT_THAT(h.effects, IsEmpty());
  h.Do(SetPaused{IntentId{2}, true});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  h.End(start.transfer, Outcome::kStopped);
  // Whoever joins wakes it.
  h.Want(Raw(1), {});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
  h.Do(Cancel{IntentId{3}});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.StateOf(IntentId{1}), RequestState::kPaused);
}

TEST(Pauses, APausedIntentRunsOutOfPatienceOnlyAfterwards) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {}, Priority::kNormal, seconds(10));
  h.Do(SetPaused{intent, true});
  h.Pass(minutes(1));
  EXPECT_THAT(h.SawEver<FinishIntent>(), IsEmpty());
  h.Do(SetPaused{intent, false});
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  // Restored as paused, and its deadline holds all the same.
  Queue queue;
  queue.id = IntentId{h.next_intent++};
  queue.kind = Raw(2);
  queue.paused = true;
  queue.deadline = h.now + seconds(5);
  h.Do(queue);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_EQ(h.StateOf(queue.id), RequestState::kPaused);
  h.Pass(seconds(5));
  EXPECT_EQ(h.Finished().code, ResultCode::kDeadlineExceeded);
}

// Found by blobd_sim --seed 5684: who joins without patience leaves a paused request behind.
TEST(Pauses, AnImpatientOneThatJoinsLeavesThePausedAlone) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {});
  h.Do(SetPaused{intent, true});
  h.Want(Raw(1), {}, Priority::kUrgent, Duration(0));
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  EXPECT_EQ(h.StateOf(intent), RequestState::kPaused);
}

TEST(Pauses, EverythingRestsAndNothingFails) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  const IntentId impatient = h.WantNew(Raw(2), {}, Priority::kNormal, seconds(10));
  h.WantNew(Raw(3), {Node(3)});
  h.Do(SetPaused{std::nullopt, true});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_THAT(h.scheduler.ViewOfKind(Raw(1))->waits_for, HasSubstr("resumed"));
  h.End(start.transfer, Outcome::kStopped);
  h.Connect(3);
  h.WantNew(Raw(4), {Node(4)});
  h.WantNew(Raw(5), {}, Priority::kNormal, Duration(0));
  h.Pass(minutes(1));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  EXPECT_THAT(h.SawEver<FinishIntent>(), IsEmpty());
  h.Do(SetPaused{std::nullopt, false});
  ASSERT_EQ(h.Saw<FinishIntent>().size(), 2u);
  EXPECT_EQ(h.Saw<FinishIntent>()[0].intent, impatient);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1), Node(3), Node(4)));
  h.Do(SetPaused{IntentId{99}, true});
  EXPECT_EQ(h.scheduler.stats().late_events, 1u);
}

// --- stalls

TEST(Stalls, BelowAKibibytePerSecondWhileAnotherIsFree) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.Pass(seconds(60));
  EXPECT_THAT(h.Saw<StopTransfer>(), IsEmpty());  // there is nobody else
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  h.Pass(seconds(30));
  h.Do(TransferProgress{start.transfer, 60 * 1024, std::nullopt});
  h.Pass(seconds(30));
  EXPECT_THAT(h.Saw<StopTransfer>(), IsEmpty());
  h.Do(TransferProgress{start.transfer, 60 * 1024 - 1, std::nullopt});
  h.Pass(seconds(60));
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.scheduler.stats().failures, 1u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
}

TEST(Stalls, ThrottledForAMinuteIsNoStall) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  h.Pass(seconds(50));
  h.Do(TransferHeld{start.transfer, true});
  h.Do(TransferHeld{start.transfer, true});
  h.Pass(seconds(60));
  h.Do(TransferHeld{start.transfer, false});
  h.Pass(seconds(9));
  EXPECT_THAT(h.SawEver<StopTransfer>(), IsEmpty());
  h.Pass(seconds(1));
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  h.Do(TransferHeld{start.transfer, true});
  EXPECT_EQ(h.scheduler.stats().late_events, 1u);
}

TEST(Stalls, WhoIsThrottledNowAndThenIsJudgedAllTheSame) {
  Harness h;
  const StartTransfer start = Begin(h, 1);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  for (int i = 0; i < 59; ++i) {
    h.Pass(seconds(1));
    h.Do(TransferHeld{start.transfer, true});
    h.Pass(seconds(1));
    h.Do(TransferHeld{start.transfer, false});
    EXPECT_THAT(h.SawEver<StopTransfer>(), IsEmpty());
  }
  h.Pass(seconds(1));
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
}

// --- standing providers

struct Standing : ::testing::Test {
  static Options WithStanding() {
    Options options = Harness::Defaults();
    for (uint8_t i = 10; i < 16; ++i) options.standing.push_back(Node(i));
    options.standing.push_back(Node(255));
    return options;
  }
  Harness h{WithStanding()};
};

TEST_F(Standing, AreAskedAfterTheNamedOnesFourAtATime) {
  h.WantNew(Raw(1), {Node(1)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  EXPECT_FALSE(h.Started().question);
  h.End(h.Started().transfer, Outcome::kAbortRequest, "no");
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(10), Node(11), Node(12), Node(13)));
  EXPECT_THAT(h.Saw<RememberProvider>(), IsEmpty());
  for (uint8_t i = 10; i < 14; ++i) {
    h.Connect(i);
    EXPECT_TRUE(h.Started().question);
    h.End(h.Started().transfer, Outcome::kNotHere, "no");
  }
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(14), Node(15)));
  h.Connect(14);
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  EXPECT_EQ(h.SawEver<ForgetProvider>().size(), 1u);
}

TEST_F(Standing, AreAskedAgainForWhatNobodyHas) {
  const IntentId impatient = h.WantNew(Raw(1), {}, Priority::kNormal, Duration(0));
  const IntentId patient = h.Want(Raw(1), {});
  for (uint8_t i = 10; i < 16; ++i) {
    h.Connect(i);
    h.End(h.Started().transfer, Outcome::kNotHere, "no");
  }
  EXPECT_EQ(h.Finished().intent, impatient);
  EXPECT_EQ(h.Finished().failures.size(), 6u);
  EXPECT_EQ(h.StateOf(patient), RequestState::kWaiting);
  h.Pass(seconds(29));
  EXPECT_THAT(h.SawEver<StartTransfer>(), ::testing::SizeIs(6));
  h.Pass(seconds(1));
  EXPECT_EQ(h.Dialled().size(), 4u);
}

TEST_F(Standing, OneThatIsNamedIsLikeAnyOther) {
  h.WantNew(Raw(1), {});
  h.Do(NodesHave{Raw(1).hash, {Node(10)}});
  EXPECT_EQ(h.Saw<RememberProvider>().size(), 1u);
  h.Connect(10);
  EXPECT_FALSE(h.Started().question);
}

// --- a policy per kind of provider

TEST(Policies, AMirrorWaitsThreeTimesASecondThenTwiceAsLongEachTime) {
  Rng rng(1);
  const RetryPolicy policy = RetryPolicy::OfMirrors();
  const std::vector<Duration> expected = {seconds(1), seconds(1), seconds(1),  seconds(2),
                                          seconds(4), seconds(8), seconds(16), seconds(32),
                                          minutes(1), minutes(1), seconds(30), minutes(1)};
  for (uint32_t i = 0; i < expected.size(); ++i) {
    const Duration delay = RetryDelay(policy, i + 1, rng);
    EXPECT_GE(delay, expected[i]) << i;
    EXPECT_LE(delay, expected[i] + expected[i] / 10) << i;
  }
  EXPECT_EQ(BusyDelay(policy, hours(1)), minutes(5));
}

TEST(Policies, MirrorsAndNodesAreCountedByTheirOwn) {
  Harness h;
  const ProviderId mirror = Mirror("https://mirror/");
  h.WantNew(Raw(1), {mirror});
  for (int failure = 1; failure <= 10; ++failure) {
    h.End(h.Started().transfer, Outcome::kRetryLater, "503");
    h.Pass(seconds(66));
  }
  EXPECT_EQ(h.scheduler.stats().unreachable, 0u);
  h.End(h.Started().transfer, Outcome::kRetryLater, "503");
  EXPECT_EQ(h.scheduler.stats().unreachable, 1u);
}

TEST(Policies, TheConnectionsOfAMirrorAreALiveLimit) {
  Harness h;
  for (uint8_t i = 1; i <= 4; ++i) h.WantNew(Raw(i), {Mirror("https://mirror/")});
  Limits limits;
  limits.connections_per_mirror = 2;
  h.Do(SetLimits{limits});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 2u);
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

}  // namespace
}  // namespace blobd::schedule
