// The outcome table: how a transfer ended, and what follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Node 1 is connected and runs Raw(1); node 2 is known and not connected.
struct Running : ::testing::Test {
  Running() {
    intent = h.WantNew(Raw(1), {Node(1)});
    h.Connect(1);
    start = h.Started();
    h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  }
  Harness h;
  IntentId intent;
  StartTransfer start;
};

TEST_F(Running, FailingTransferThenAnotherProvider) {
  h.End(start.transfer, Outcome::kRetryLater, "stalled");
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  h.Connect(2);
  const StartTransfer second = h.Started();
  EXPECT_EQ(second.provider, ProviderId(Node(2)));
  h.End(second.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
}

TEST_F(Running, NotHereIsNotAskedAgainUntilNamedAgain) {
  h.End(start.transfer, Outcome::kNotHere, "no such blob");
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  h.Connect(2);
  h.End(h.Started().transfer, Outcome::kNotHere, "neither");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  EXPECT_EQ(h.scheduler.ViewOfIntent(intent)->failures.size(), 2u);
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
}

TEST_F(Running, NotHereOfTheLastProviderEndsTheImpatient) {
  const IntentId impatient = h.Want(Raw(1), {}, Priority::kNormal, Duration(0));
  h.End(start.transfer, Outcome::kNotHere, "no such blob");
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  h.Connect(2);
  h.End(h.Started().transfer, Outcome::kAbortRequest, "permission");
  EXPECT_EQ(h.Finished().intent, impatient);
  EXPECT_EQ(h.Finished().code, ResultCode::kFailed);
  ASSERT_EQ(h.Finished().failures.size(), 2u);
  EXPECT_EQ(h.Finished().failures[0].reason, "no such blob");
  EXPECT_EQ(h.Finished().failures[1].reason, "permission");
  EXPECT_TRUE(h.scheduler.ViewOfIntent(intent));
}

TEST_F(Running, AbortRequestConcernsThisRequestOnly) {
  h.End(start.transfer, Outcome::kAbortRequest, "permission");
  h.WantNew(Raw(2), {Node(1)});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
}

TEST_F(Running, ImpossibleFailsTheRequestAndBlamesNobody) {
  h.End(start.transfer, Outcome::kImpossible, "not a hash sequence");
  EXPECT_EQ(h.Finished().code, ResultCode::kFailed);
  EXPECT_EQ(h.Finished().reason, "not a hash sequence");
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST_F(Running, StoppedByUsGoesBackWithoutAFailure) {
  h.End(start.transfer, Outcome::kStopped);
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST_F(Running, ACancelledTransferGoesToAnother) {
  h.Do(CancelTransfer{start.transfer});
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, start.transfer);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  h.End(start.transfer, Outcome::kStopped);
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Connect(2);
  EXPECT_EQ(h.Started().provider, ProviderId(Node(2)));
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  EXPECT_TRUE(h.scheduler.ViewOfIntent(intent)->failures.empty());
}

TEST_F(Running, ACancelledTransferIsNoReasonForAnythingElse) {
  h.Do(CancelTransfer{start.transfer});
  // The node goes on for others at once.
  h.WantNew(Raw(2), {Node(1)});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
  h.Do(CancelTransfer{start.transfer});
  EXPECT_THAT(h.effects, IsEmpty()) << "it is ending already";
  h.End(start.transfer, Outcome::kStopped);
  h.Do(CancelTransfer{start.transfer});
  h.Do(CancelTransfer{TransferId{77}});
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST(CancelledTransfers, OfTheOnlyProviderWaitAWhileAndEndNobodysPatience) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)}, Priority::kNormal, /*patience=*/Duration(0));
  h.Connect(1);
  const TransferId transfer = h.Started().transfer;
  h.Do(CancelTransfer{transfer});
  h.End(transfer, Outcome::kStopped);
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  EXPECT_THAT(h.scheduler.ViewOfIntent(intent)->waits_for, testing::HasSubstr("was cancelled"));
  const auto why = h.scheduler.WhyOfIntent(intent);
  ASSERT_EQ(why->waits.size(), 1u);
  EXPECT_EQ(why->waits[0].fact, WaitFact::kRetry);
  EXPECT_EQ(why->waits[0].until, h.now + seconds(5));
  EXPECT_EQ(why->providers[0].standing, ProviderStanding::kSetAside);
  // Neither does one that joins meanwhile, and who is named is used at once.
  const IntentId joined = h.Want(Raw(1), {}, Priority::kNormal, Duration(0));
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  EXPECT_TRUE(h.scheduler.ViewOfIntent(joined));
  h.Pass(seconds(4));
  EXPECT_THAT(h.effects, IsEmpty());
  h.Pass(seconds(1));
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Saw<FinishIntent>().size(), 2u);
}

TEST(CancelledTransfers, ANewProviderIsUsedMeanwhile) {
  Harness h;
  h.WantNew(Raw(1), {Mirror("https://a/1")});
  const TransferId transfer = h.Started().transfer;
  h.Do(CancelTransfer{transfer});
  h.End(transfer, Outcome::kStopped);
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Do(NodesHave{Raw(1).hash, {Mirror("https://a/1"), Mirror("https://b/1")}});
  EXPECT_EQ(h.Started().provider, Mirror("https://b/1"));
  h.End(h.Started().transfer, Outcome::kRetryLater, "broke off");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Pass(milliseconds(900));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
}

TEST(CancelledTransfers, OfWhatIsGoneMeanwhileLeaveNothing) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.Do(CancelTransfer{h.Started().transfer});
  h.Do(Cancel{intent});
  EXPECT_EQ(h.Finished().code, ResultCode::kCancelled);
  h.WantNew(Raw(1), {Node(1)});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1))) << "another request knows nothing of it";
  h.Pass(seconds(10));
}

TEST_F(Running, DropProviderBansAndStopsItsOtherTransfers) {
  h.WantNew(Raw(2), {Node(1)});
  const StartTransfer other = h.Started();
  h.End(start.transfer, Outcome::kDropProvider, "a wrong byte");
  ASSERT_EQ(h.Saw<BanProvider>().size(), 1u);
  EXPECT_EQ(h.Saw<BanProvider>()[0].length, hours(1));
  EXPECT_EQ(h.Saw<BanProvider>()[0].times, 1u);
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, other.transfer);
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 2u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  EXPECT_THAT(h.scheduler.Banned({Node(1), Node(2)}, h.now), ElementsAre(ProviderId(Node(1))));
  // Refused while banned, taken after.
  h.Do(NodesHave{Raw(2).hash, {Node(1)}});
  EXPECT_THAT(h.effects, IsEmpty());
  h.End(other.transfer, Outcome::kStopped);
  h.Pass(hours(1));
  EXPECT_THAT(h.Dialled(), ::testing::Contains(Node(1)));
  h.Connect(1);
  h.End(h.Saw<StartTransfer>()[0].transfer, Outcome::kDropProvider, "again");
  EXPECT_EQ(h.Saw<BanProvider>()[0].length, hours(2));
}

TEST_F(Running, AnEndingTransferThatLiesIsStillBanned) {
  h.Do(Cancel{intent});
  h.End(start.transfer, Outcome::kDropProvider, "a wrong byte");
  EXPECT_EQ(h.Saw<BanProvider>().size(), 1u);
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
}

TEST_F(Running, BusyWaitsAsToldAndCountsNoFailure) {
  h.Do(TransferEnded{start.transfer, Outcome::kBusy, "later", seconds(20)});
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  h.Do(DialFailed{Node(2), false, "no answer"});
  h.Pass(seconds(19));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Pass(seconds(1));
  // Its connection was closed when it had been idle; it is dialled again.
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST_F(Running, AFaultOfOurOwnCountsForNobody) {
  h.End(start.transfer, Outcome::kLocalFault, "no space left");
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  EXPECT_THAT(h.scheduler.ViewOfIntent(intent)->waits_for, ::testing::HasSubstr("no space left"));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Pass(seconds(1));
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST_F(Running, AnEndingTransferThatWasDoneAfterAllEndsItsRequest) {
  h.Do(Disconnected{Node(1), false, "reset"});
  h.Connect(2);
  const StartTransfer second = h.Started();
  h.End(start.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, intent);
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, second.transfer);
}

// Found by blobd_sim --seed 2881: the late success of a lost connection voided the wait after a
// newer failure.
TEST_F(Running, ALateSuccessDoesNotExcuseANewerFailure) {
  h.Do(Disconnected{Node(1), false, "reset"});
  h.FailDial(2);
  h.Pass(milliseconds(550));
  EXPECT_THAT(h.Dialled(), ::testing::UnorderedElementsAre(Node(1), Node(2)));
  h.WantNew(Raw(2), {Node(1)});
  h.FailDial(1);
  h.End(start.transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, intent);
  EXPECT_THAT(h.Dialled(), IsEmpty());
}

TEST(Transfers, EndingTransfersKeepTheirSlots) {
  Options options = Harness::Defaults();
  options.limits.requests_per_node = 1;
  Harness h(options);
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  h.Do(Cancel{a});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.End(start.transfer, Outcome::kStopped);
  EXPECT_EQ(h.Started().kind, Raw(2));
}

TEST(Transfers, EndingTransfersKeepTheSlotOfTheirRequest) {
  Options options = Harness::Defaults();
  options.limits.requests = 1;
  Harness h(options);
  const IntentId a = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  h.Do(Cancel{a});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.End(start.transfer, Outcome::kRetryLater);
  EXPECT_EQ(h.Started().kind, Raw(2));
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST(Transfers, MirrorsNeedNoDialAndHaveTheirOwnCapacity) {
  Harness h;
  const ProviderId mirror = Mirror("https://mirror/");
  for (uint8_t i = 1; i <= 9; ++i) h.WantNew(Raw(i), {mirror});
  EXPECT_THAT(h.SawEver<Dial>(), IsEmpty());
  EXPECT_EQ(h.SawEver<StartTransfer>().size(), 8u);
  h.End(TransferId{1}, Outcome::kRetryLater, "503");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Pass(milliseconds(1100));
  EXPECT_EQ(h.Saw<StartTransfer>().size(), 1u);
}

TEST(Transfers, TheLeastBusyThenTheFastestProviderIsUsed) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.WantNew(Raw(2), {Node(2)});
  h.Connect(2);
  h.WantNew(Raw(3), {Node(2)});
  EXPECT_EQ(h.scheduler.running_transfers(), 3u);
  h.WantNew(Raw(4), {Node(2), Node(1)});
  EXPECT_EQ(h.Started().provider, ProviderId(Node(1)));
}

}  // namespace
}  // namespace blobd::schedule
