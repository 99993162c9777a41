// Dials, connections, failures and retries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Connections, FailingDialThenSuccess) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.FailDial(1);
  EXPECT_EQ(h.StateOf(intent), RequestState::kParked);
  EXPECT_THAT(h.scheduler.ViewOfIntent(intent)->waits_for,
              ::testing::HasSubstr("1 provider to be tried again in"));
  h.Pass(milliseconds(499));
  EXPECT_THAT(h.Dialled(), IsEmpty());
  h.Pass(milliseconds(51));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
}

// It closes itself when its last transfer is stopped, and that is what closing it does first.
TEST(Connections, OneThatIsCondemnedIsClosedOnce) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.WantNew(Raw(2), {Node(1)});
  h.Connect(1);
  const auto started = h.Saw<StartTransfer>();
  ASSERT_EQ(started.size(), 2u);
  h.End(started[0].transfer, Outcome::kRetryLater, "reset");
  h.Do(DisconnectWanted{Node(1)});
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
}

TEST(Connections, OneThatIsToBeClosedIsNobodysFailureAndIsDialledAgain) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.Do(DisconnectWanted{Node(1)});
  EXPECT_EQ(h.Saw<GiveUpDial>().size(), 1u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.Connect(1);
  const TransferId transfer = h.Started().transfer;
  h.Do(DisconnectWanted{Node(1)});
  EXPECT_EQ(h.Saw<StopTransfer>().at(0).transfer, transfer);
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  // The request holds its slot until its transfer has ended.
  h.End(transfer, Outcome::kStopped);
  h.Connect(1);
  EXPECT_NE(h.Started().transfer, transfer);
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, intent);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  h.Do(DisconnectWanted{Node(1)});
  h.Do(DisconnectWanted{Node(2)});
  EXPECT_THAT(h.Dialled(), IsEmpty());
}

TEST(Connections, ExactlySixRetriesThenUnreachableThenDoublingWaits) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  for (int failures = 1; failures <= 6; ++failures) {
    h.FailDial(1);
    EXPECT_EQ(h.StateOf(intent), RequestState::kParked);
    h.Pass(failures * milliseconds(500) - milliseconds(1));
    EXPECT_THAT(h.Dialled(), IsEmpty()) << failures;
    h.Pass(failures * milliseconds(50) + milliseconds(1));
    EXPECT_THAT(h.Dialled(), ElementsAre(Node(1))) << failures;
  }
  // The first dial and six retries; the seventh failure makes it unreachable.
  for (const Duration wait : {seconds(30), seconds(60), seconds(120), seconds(240), seconds(480),
                              seconds(600), seconds(600)}) {
    h.FailDial(1);
    EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
    EXPECT_THAT(h.scheduler.ViewOfIntent(intent)->waits_for, ::testing::HasSubstr("unreachable"));
    h.Pass(wait - milliseconds(1));
    EXPECT_THAT(h.Dialled(), IsEmpty());
    h.Pass(wait / 10 + milliseconds(1));
    EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  }
  // The source is back: the intent survived its absence.
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Finished().intent, intent);
}

TEST(Connections, UnreachableWithoutPatienceLeavesTheMap) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)}, Priority::kNormal, Duration(0));
  for (int i = 0; i < 6; ++i) {
    h.FailDial(1);
    EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
    h.Pass(milliseconds(500) * 7);
  }
  h.FailDial(1);
  EXPECT_EQ(h.Finished().code, ResultCode::kFailed);
  ASSERT_EQ(h.Finished().failures.size(), 1u);
  EXPECT_EQ(h.Finished().failures[0].reason, "no answer");
  EXPECT_EQ(h.Saw<ForgetProvider>().size(), 1u);
  EXPECT_FALSE(h.scheduler.NextDeadline());
}

TEST(Connections, ADeadProviderNamedAgainStartsWithACleanCount) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  for (int i = 0; i < 7; ++i) {
    h.FailDial(1);
    h.Pass(milliseconds(500) * 7);
  }
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.FailDial(1);
  EXPECT_EQ(h.StateOf(intent), RequestState::kParked);
  h.Pass(milliseconds(550));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Connections, TheOnlyProviderDiesWhileOthersAreParkedOnIt) {
  Harness h;
  const IntentId impatient = h.WantNew(Raw(1), {Node(1)}, Priority::kNormal, Duration(0));
  const IntentId patient = h.WantNew(Raw(2), {Node(1)});
  const IntentId lucky = h.WantNew(Raw(3), {Node(1), Node(2)});
  h.Connect(2);
  const StartTransfer start = h.Started();
  EXPECT_EQ(start.kind, Raw(3));
  for (int i = 0; i < 6; ++i) {
    h.FailDial(1);
    EXPECT_EQ(h.StateOf(impatient), RequestState::kParked);
    h.Pass(milliseconds(500) * 7);
  }
  h.FailDial(1);
  EXPECT_EQ(h.Finished().intent, impatient);
  EXPECT_EQ(h.StateOf(patient), RequestState::kWaiting);
  EXPECT_EQ(h.StateOf(lucky), RequestState::kRunning);
}

TEST(Connections, FourTransfersLostWithOneConnectionCountOneFailure) {
  for (const bool transfers_first : {true, false}) {
    SCOPED_TRACE(transfers_first);
    Harness h;
    for (uint8_t i = 1; i <= 4; ++i) h.WantNew(Raw(i), {Node(1)});
    h.Connect(1);
    const auto started = h.Saw<StartTransfer>();
    ASSERT_EQ(started.size(), 4u);
    const auto end_all = [&] {
      for (const StartTransfer& start : started)
        h.End(start.transfer, Outcome::kRetryLater, "reset");
    };
    if (transfers_first) end_all();
    h.Do(Disconnected{Node(1), false, "reset"});
    if (!transfers_first) end_all();
    EXPECT_EQ(h.scheduler.stats().failures, 1u);
    h.Pass(milliseconds(550));
    EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  }
}

TEST(Connections, AConnectionThatFailedATransferTakesNoNewOneAndIsDroppedWhenIdle) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer first = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  const StartTransfer second = h.Started();
  h.End(first.transfer, Outcome::kRetryLater, "stalled");
  h.Pass(seconds(5));
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.End(second.transfer, Outcome::kRetryLater, "stalled");
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_EQ(h.scheduler.stats().failures, 1u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));  // its wait was over long ago
}

TEST(Connections, ALostConnectionIsOneFailureHoweverLateTheNews) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer first = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  h.End(first.transfer, Outcome::kRetryLater, "stalled");
  h.Pass(seconds(5));  // its wait for the retry is over
  h.Do(Disconnected{Node(1), false, "reset"});
  EXPECT_EQ(h.scheduler.stats().failures, 1u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Connections, AMebibyteVerifiedClearsTheCount) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer first = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  const StartTransfer second = h.Started();
  h.End(first.transfer, Outcome::kRetryLater, "stalled");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Do(TransferProgress{second.transfer, (1 << 20) - 1, std::nullopt});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Do(TransferProgress{second.transfer, 1, std::nullopt});
  EXPECT_EQ(h.Started().kind, Raw(1));
}

// A mirror that sends what nobody can judge, and breaks off each time, comes to the end of its
// tries.
TEST(Connections, AMebibyteUnprovenDoesNotClearTheCount) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer first = h.Started();
  h.WantNew(Raw(2), {Node(1)});
  const StartTransfer second = h.Started();
  h.End(first.transfer, Outcome::kRetryLater, "stalled");
  h.Do(TransferProgress{second.transfer, 0, std::nullopt, 0, 8 << 20});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.Do(TransferProgress{second.transfer, 8 << 20, std::nullopt, 0, 0});
  EXPECT_EQ(h.Started().kind, Raw(1));
}

TEST(Connections, ClosedInOrderWhileIdleIsNoFailure) {
  Harness h;
  const IntentId other = h.WantNew(Raw(2), {Node(1), Node(2)});
  h.Connect(2);
  EXPECT_EQ(h.Started().kind, Raw(2));
  h.Connect(1);
  h.Do(Disconnected{Node(1), true, "bye"});
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  // With a transfer on it, it is one.
  h.Do(Disconnected{Node(2), true, "bye"});
  EXPECT_EQ(h.scheduler.stats().failures, 1u);
  EXPECT_TRUE(h.scheduler.ViewOfIntent(other));
}

TEST(Connections, ALocalFaultOfADialCountsForNobody) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  for (int i = 0; i < 20; ++i) {
    h.Do(DialFailed{Node(1), true, "no route"});
    EXPECT_THAT(h.Dialled(), IsEmpty());
    h.Pass(seconds(i < 5 ? 1 << i : 30));
    EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  }
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
}

TEST(Connections, IdleOnesAreClosed) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDone);
  h.Pass(seconds(9));
  EXPECT_THAT(h.Saw<Disconnect>(), IsEmpty());
  h.Pass(seconds(1));
  EXPECT_EQ(h.Saw<Disconnect>().size(), 1u);
}

TEST(Connections, TheLongestIdleIsEvictedForANewDial) {
  Options options = Harness::Defaults();
  options.limits.connections = 2;
  Harness h(options);
  for (const uint8_t i : {uint8_t{1}, uint8_t{2}}) {
    h.WantNew(Raw(i), {Node(i)});
    h.Connect(i);
    h.End(h.Started().transfer, Outcome::kDone);
    h.Pass(seconds(1));
  }
  h.WantNew(Raw(3), {Node(3)});
  ASSERT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_EQ(h.Saw<Disconnect>()[0].node, Node(1));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(3)));
}

TEST(Connections, DialsPerHash) {
  Harness h;
  std::vector<ProviderId> many;
  for (uint8_t i = 1; i <= 8; ++i) many.push_back(Node(i));
  const IntentId intent = h.WantNew(Raw(1), many);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1), Node(2), Node(3), Node(4), Node(5)));
  EXPECT_THAT(h.scheduler.ViewOfIntent(intent)->waits_for, ::testing::HasSubstr("limit per hash"));
  h.FailDial(3);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(6)));
  // Another hash has a limit of its own, on the same nodes too.
  h.WantNew(Raw(2), {Node(7), Node(1)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(7)));
}

TEST(Connections, DialsPreferTheReliable) {
  Options options = Harness::Defaults();
  options.limits.dials_per_hash = 1;
  Harness h(options);
  h.WantNew(Raw(1), {Node(1), Node(2)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
  h.FailDial(1);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  h.Pass(seconds(1));  // node 1 may be tried again, but the only dial runs
  h.WantNew(Raw(2), {Node(1), Node(3)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(3)));
}

}  // namespace
}  // namespace blobd::schedule
