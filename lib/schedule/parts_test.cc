// One request from several providers at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/content.h"
#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLength = 128 * kMiB;

// Nodes 1 to 3 have Raw(1); node 1 probes it.
struct Parts : ::testing::Test {
  static Options WithParts() {
    Options options = Harness::Defaults();
    options.node_ability.parts = true;
    options.mirror_ability = {true, 4};
    return options;
  }
  Parts() {
    intent = h.WantNew(Raw(1), {Node(1), Node(2), Node(3)});
    h.Connect(1);
    probe = h.Started();
    h.Connect(2);
    h.Connect(3);
  }
  // The probe has delivered: the size is proven.
  void Prove(std::shared_ptr<const std::vector<uint64_t>> cuts = nullptr) {
    h.Do(ContentKnown{probe.request, kLength, RangeSet(Range{0, kLength}), std::move(cuts)});
  }
  void ExpectDoneWhenTheStoreSaysSo() {
    EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
    EXPECT_EQ(h.Saw<LookInStore>().size(), 1u);
    h.StoreSays(StoreAnswered::State::kComplete);
    EXPECT_EQ(h.Finished().code, ResultCode::kDone);
  }
  LowerLimit Lowered() const {
    const auto lowered = h.Saw<LowerLimit>();
    EXPECT_EQ(lowered.size(), 1u);
    return lowered.empty() ? LowerLimit{} : lowered.front();
  }
  void Progress(TransferId transfer, uint64_t bytes, uint64_t position) {
    h.Do(TransferProgress{transfer, bytes, std::nullopt, position});
  }
  // Node 2 has the upper half, from `boundary` on.
  StartTransfer SplitInTwo() {
    Prove();
    h.Do(BoundaryAccepted{probe.transfer, Lowered().boundary});
    return h.Saw<StartTransfer>().at(0);
  }
  // The probe has 2 MiB left of the lower half, for which node 2, faster and done, races it.
  StartTransfer RaceTheProbe() {
    const StartTransfer second = SplitInTwo();
    h.Do(BoundaryAccepted{Lowered().transfer, UINT64_MAX});
    h.Pass(seconds(1));
    Progress(second.transfer, 64 * kMiB, kLength);
    for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
      h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
    }
    Progress(probe.transfer, 8 * kMiB, 62 * kMiB);
    h.End(second.transfer, Outcome::kDone);
    return h.Started();
  }
  Harness h{WithParts()};
  IntentId intent;
  StartTransfer probe;
};

TEST_F(Parts, NothingIsSplitBeforeTheSizeIsProven) {
  Progress(probe.transfer, kMiB, kMiB);
  EXPECT_FALSE(probe.part);
  EXPECT_THAT(h.SawEver<LowerLimit>(), IsEmpty());
  Prove();
  EXPECT_EQ(Lowered().transfer, probe.transfer);
  EXPECT_EQ(Lowered().boundary, kLength / 2);
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  // Said twice: nothing new.
  Prove();
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST_F(Parts, TheNewPartStartsWhereTheOldOneAcceptedToEnd) {
  Prove();
  h.Do(BoundaryAccepted{probe.transfer, 70 * kMiB});
  const StartTransfer second = h.Saw<StartTransfer>().at(0);
  EXPECT_EQ(second.part, (Range{70 * kMiB, kLength}));
  EXPECT_EQ(second.kind, Raw(1));
  h.Do(BoundaryAccepted{TransferId{99}, 90 * kMiB});
  EXPECT_EQ(h.scheduler.stats().late_events, 1u);
}

// Found by blobd_sim --seed 1063: the second of two equal answers was taken for that to the next
// question, and the answer to that was dropped as late.
TEST_F(Parts, AnAnswerGivenTwiceLosesNoByte) {
  SplitInTwo();
  h.Do(BoundaryAccepted{probe.transfer, kLength / 2});
  h.Do(BoundaryAccepted{probe.transfer, 32 * kMiB});
  EXPECT_EQ(h.Saw<StartTransfer>().at(0).part, (Range{32 * kMiB, 64 * kMiB}));
}

TEST_F(Parts, OneThatCannotBeLoweredKeepsItAll) {
  Prove();
  h.Do(BoundaryAccepted{probe.transfer, UINT64_MAX});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
}

TEST_F(Parts, ThePartThatWouldEndLastIsSplitBySpeed) {
  const StartTransfer second = SplitInTwo();
  EXPECT_EQ(Lowered().boundary, 32 * kMiB);  // for node 3; nothing is measured yet
  h.Do(BoundaryAccepted{probe.transfer, 32 * kMiB});
  const StartTransfer third = h.Started();
  h.Pass(seconds(1));
  Progress(second.transfer, 16 * kMiB, kLength / 2 + 16 * kMiB);
  Progress(probe.transfer, 2 * kMiB, 2 * kMiB);
  Progress(third.transfer, 20 * kMiB, 52 * kMiB);
  h.End(third.transfer, Outcome::kDone);
  // The probe has 30 MiB left at 2 MiB/s; who is ten times faster gets nearly all of it.
  EXPECT_EQ(Lowered().transfer, probe.transfer);
  EXPECT_EQ(Lowered().boundary, 8 * kMiB);
}

// Found by blobd_sim --seed 1196806: all of it had been verified when our disk failed, so no part
// was left, and nobody looked whether it was all held.
TEST_F(Parts, AFaultOfOurOwnAfterTheLastByteAsksTheStore) {
  h.Do(ProviderHolds{Raw(1).hash, Node(2), RangeSet()});
  h.Do(ProviderHolds{Raw(1).hash, Node(3), RangeSet()});
  Prove();
  Progress(probe.transfer, kLength, kLength);
  h.End(probe.transfer, Outcome::kLocalFault, "the disk failed");
  EXPECT_THAT(h.Saw<LookInStore>(), IsEmpty());
  h.Pass(seconds(2));
  ExpectDoneWhenTheStoreSaysSo();
}

// In a download of four seconds a last part of one second would be most of what is lost.
TEST_F(Parts, TheTailIsCutWhileThatSavesTime) {
  const StartTransfer second = SplitInTwo();
  h.Do(BoundaryAccepted{probe.transfer, 32 * kMiB});
  const StartTransfer third = h.Started();
  h.Pass(milliseconds(500));
  Progress(second.transfer, 64 * kMiB, kLength);
  Progress(probe.transfer, 15 * kMiB, 15 * kMiB);
  h.End(third.transfer, Outcome::kDone);
  // 17 MiB are left, which would take 570 ms.
  EXPECT_EQ(Lowered().transfer, probe.transfer);
  h.Do(BoundaryAccepted{probe.transfer, Lowered().boundary});
  const StartTransfer fourth = h.Started();
  h.Pass(milliseconds(50));
  Progress(probe.transfer, 0, 15 * kMiB + 1);
  Progress(fourth.transfer, 5 * kMiB, fourth.part->begin + 5 * kMiB);
  h.End(second.transfer, Outcome::kDone);
  // What is left of the fastest is not worth a question.
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) EXPECT_NE(asked.transfer, fourth.transfer);
}

TEST_F(Parts, EachPartIsDoneOnceAndTheLastEndsTheRequest) {
  const StartTransfer second = SplitInTwo();
  h.Do(BoundaryAccepted{Lowered().transfer, Lowered().boundary});
  const StartTransfer third = h.Started();
  h.End(third.transfer, Outcome::kDone);
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
    h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
  }
  h.End(probe.transfer, Outcome::kDone);
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
    h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
  }
  h.End(second.transfer, Outcome::kDone);
  ExpectDoneWhenTheStoreSaysSo();
}

TEST_F(Parts, TheStoreHasTheLastWord) {
  const StartTransfer second = SplitInTwo();
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
    h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
  }
  h.End(probe.transfer, Outcome::kDone);
  h.Do(Arrived{probe.request, {0, kLength}});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<LookInStore>().size(), 1u);
  EXPECT_EQ(h.StateOf(intent), RequestState::kInStore);
  // Something was taken back since: it is got from the beginning, without a word on parts.
  h.StoreSays(StoreAnswered::State::kIncomplete);
  ASSERT_FALSE(h.Saw<StartTransfer>().empty());
  EXPECT_FALSE(h.Saw<StartTransfer>()[0].part);
  h.End(second.transfer, Outcome::kStopped);
  h.End(h.scheduler.ViewOfIntent(intent)->transfers.at(0), Outcome::kDone);
  EXPECT_EQ(h.Finished().code, ResultCode::kDone);
}

TEST_F(Parts, OneThatLacksARangeIsUsedForTheRest) {
  const StartTransfer second = SplitInTwo();
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
    h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
  }
  TransferEnded ended{second.transfer, Outcome::kNotHere, "holds a part", std::nullopt};
  ended.holds = RangeSet({100 * kMiB, 110 * kMiB});
  ended.lacks = RangeSet({kLength / 2, kLength});
  h.Do(ended);
  // What it says that it lacks counts more; others take that.
  const auto others = h.Saw<StartTransfer>();
  ASSERT_EQ(others.size(), 1u);
  EXPECT_EQ(others[0].provider, ProviderId(Node(3)));
  EXPECT_EQ(others[0].part, (Range{kLength / 2, kLength}));
  // When that one goes as well, it is not asked for what it lacks.
  h.End(others[0].transfer, Outcome::kAbortRequest, "no more");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  // But for the half that it may have.
  h.End(probe.transfer, Outcome::kAbortRequest, "no more");
  EXPECT_EQ(h.Started().provider, ProviderId(Node(2)));
  EXPECT_EQ(h.Started().part, (Range{0, kLength / 2}));
}

TEST_F(Parts, WhoLackedSomethingIsAskedAgainWhenTheSizeIsKnown) {
  Harness g(WithParts());
  g.WantNew(Raw(1), {Node(1), Node(2)});
  g.Connect(1);
  g.End(g.Started().transfer, Outcome::kNotHere, "not the last chunk");
  g.Connect(2);
  const StartTransfer second = g.Started();
  EXPECT_EQ(second.provider, ProviderId(Node(2)));
  g.Do(ContentKnown{second.request, kLength, RangeSet(Range{0, kLength}), nullptr});
  EXPECT_EQ(g.Saw<LowerLimit>().size(), 1u);
}

// A mirror can only claim how long its file is.
TEST_F(Parts, AfterAFalseClaimTheRequestBeginsAnew) {
  const StartTransfer second = SplitInTwo();
  TransferEnded ended{second.transfer, Outcome::kStopped, "it is shorter", std::nullopt};
  ended.content_void = true;
  h.Do(ended);
  ASSERT_FALSE(h.Saw<StopTransfer>().empty());
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, probe.transfer);
  EXPECT_EQ(h.StateOf(intent), RequestState::kInStore);
  EXPECT_EQ(h.Saw<LookInStore>().size(), 1u);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  ASSERT_EQ(h.Saw<StartTransfer>().size(), 1u);
  EXPECT_FALSE(h.Started().part);
  h.Do(ContentKnown{probe.request, kLength / 4, RangeSet(Range{0, kLength / 4}), nullptr});
  EXPECT_EQ(Lowered().boundary, kLength / 8);
}

TEST_F(Parts, WhoSaidOtherwiseIsAskedAgainAfterAFalseClaim) {
  Harness g(WithParts());
  const std::vector<ProviderId> mirrors = {MirrorUrl{"https://a/f"}, MirrorUrl{"https://b/f"}};
  const IntentId wanted = g.WantNew(Raw(1), mirrors, Priority::kNormal, Duration(0));
  const StartTransfer first = g.Started();
  g.Do(ContentKnown{first.request, kLength, RangeSet(Range{0, kLength}), nullptr});
  g.Do(BoundaryAccepted{first.transfer, kLength / 2});
  g.End(g.Started().transfer, Outcome::kNotHere, "its file is shorter");
  TransferEnded ended{first.transfer, Outcome::kWrongContent, "does not match", std::nullopt};
  ended.content_void = true;
  g.Do(ended);
  EXPECT_EQ(g.StateOf(wanted), RequestState::kInStore);
  g.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_NE(g.Started().provider, first.provider);
}

TEST_F(Parts, AClaimThatAStoppedTransferFoundFalseIsDroppedToo) {
  const StartTransfer second = SplitInTwo();
  h.Do(Disconnected{Node(2), false, "reset"});
  TransferEnded ended{second.transfer, Outcome::kStopped, "it is shorter", std::nullopt};
  ended.content_void = true;
  h.Do(ended);
  EXPECT_EQ(h.StateOf(intent), RequestState::kInStore);
}

TEST_F(Parts, TheOthersTakeOverFromTheOneThatDies) {
  const StartTransfer second = SplitInTwo();
  const auto asked = Lowered();
  Progress(second.transfer, 10 * kMiB, kLength / 2 + 10 * kMiB);
  h.Do(Disconnected{Node(2), false, "reset"});
  // Only what was not verified is pending, and node 3 takes it at once.
  EXPECT_EQ(h.Started().part, (Range{kLength / 2 + 10 * kMiB, kLength}));
  EXPECT_EQ(h.Started().provider, ProviderId(Node(3)));
  EXPECT_EQ(h.StateOf(intent), RequestState::kRunning);
  EXPECT_EQ(asked.transfer, probe.transfer);
}

TEST_F(Parts, ACancelledPartGoesToAnother) {
  const StartTransfer second = SplitInTwo();
  h.Do(CancelTransfer{second.transfer});
  const auto started = h.Saw<StartTransfer>();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].provider, ProviderId(Node(3)));
  EXPECT_EQ(started[0].part, second.part);
  // Its provider helps again later.
  h.End(second.transfer, Outcome::kStopped);
  h.Pass(seconds(5));
  h.End(started[0].transfer, Outcome::kRetryLater, "broke off");
  ASSERT_EQ(h.Saw<StartTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StartTransfer>()[0].provider, ProviderId(Node(2)));
}

TEST_F(Parts, ALiarIsBannedAndItsPartGoesBack) {
  const StartTransfer second = SplitInTwo();
  h.End(second.transfer, Outcome::kDropProvider, "a wrong byte");
  EXPECT_EQ(h.Saw<BanProvider>().size(), 1u);
  EXPECT_EQ(h.Started().part, second.part);
  EXPECT_EQ(h.Started().provider, ProviderId(Node(3)));
}

TEST_F(Parts, AFaultOfOurOwnStopsAllOfThem) {
  const StartTransfer second = SplitInTwo();
  h.End(second.transfer, Outcome::kLocalFault, "no space left");
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  h.End(probe.transfer, Outcome::kStopped);
  h.Do(DiskRoom{});
  EXPECT_EQ(h.Saw<StartTransfer>().at(0).part, (Range{0, kLength}));
}

TEST_F(Parts, ThreeNodesThatOnlyTogetherHoldItSuffice) {
  const Hash hash = Raw(1).hash;
  for (uint8_t i = 0; i < 3; ++i) {
    h.Do(ProviderHolds{hash, Node(static_cast<uint8_t>(i + 1)),
                       RangeSet(Range{i * 40 * kMiB, (i + 1) * 40 * kMiB})});
  }
  h.Do(ContentKnown{probe.request, 120 * kMiB, RangeSet(Range{0, 120 * kMiB}), nullptr});
  // Node 1 has no more than its third.
  Progress(probe.transfer, 40 * kMiB, 40 * kMiB);
  h.End(probe.transfer, Outcome::kNotHere, "the rest is not here");
  const auto started = h.Saw<StartTransfer>();
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[0].part, (Range{40 * kMiB, 80 * kMiB}));
  EXPECT_EQ(started[1].part, (Range{80 * kMiB, 120 * kMiB}));
  h.End(started[0].transfer, Outcome::kDone);
  h.End(started[1].transfer, Outcome::kDone);
  ExpectDoneWhenTheStoreSaysSo();
}

TEST_F(Parts, WhatNobodyHoldsWaitsUntilOneTellsOfIt) {
  h.Do(ProviderHolds{Raw(1).hash, Node(2), RangeSet()});
  h.Do(ProviderHolds{Raw(1).hash, Node(3), RangeSet()});
  Prove();
  EXPECT_THAT(h.Saw<LowerLimit>(), IsEmpty());
  h.End(probe.transfer, Outcome::kAbortRequest, "changed its mind");
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  h.Do(ProviderHolds{Raw(1).hash, Node(2), RangeSet(Range{0, kMiB})});
  EXPECT_EQ(h.Started().part, (Range{0, kMiB}));
  h.Do(ProviderHolds{Raw(9).hash, Node(2), RangeSet()});
  EXPECT_EQ(h.scheduler.stats().late_events, 1u);
}

TEST_F(Parts, TheTailIsRacedByAnIdleFasterOne) {
  const StartTransfer racer = RaceTheProbe();
  EXPECT_EQ(racer.part, (Range{62 * kMiB, 64 * kMiB}));
  EXPECT_EQ(racer.provider, ProviderId(Node(2)));
  EXPECT_EQ(h.scheduler.stats().races, 1u);
  h.End(racer.transfer, Outcome::kDone);
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, probe.transfer);
  ExpectDoneWhenTheStoreSaysSo();
}

TEST_F(Parts, WhatIsTooSmallToBeCutOfADeadOneKeepsNobodyIdle) {
  const StartTransfer second = SplitInTwo();
  h.Do(BoundaryAccepted{probe.transfer, 32 * kMiB});
  const StartTransfer third = h.Started();
  h.Pass(milliseconds(500));
  Progress(second.transfer, 59 * kMiB, 123 * kMiB);  // the last that is heard of it
  h.Pass(seconds(2));
  Progress(probe.transfer, 2 * kMiB, 2 * kMiB);
  Progress(third.transfer, 32 * kMiB, 64 * kMiB);
  h.End(third.transfer, Outcome::kDone);
  // First what can be cut, then the rest of the dead one.
  EXPECT_EQ(Lowered().transfer, probe.transfer);
  h.Do(BoundaryAccepted{probe.transfer, UINT64_MAX});
  EXPECT_EQ(h.Started().part, (Range{123 * kMiB, 128 * kMiB}));
  EXPECT_EQ(h.scheduler.stats().races, 1u);
}

TEST_F(Parts, WhatIsGivenAwayDuringARaceIsTheOthers) {
  const StartTransfer racer = RaceTheProbe();
  // An answer to an older question.
  h.Do(BoundaryAccepted{probe.transfer, 63 * kMiB});
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.End(probe.transfer, Outcome::kDone);
  EXPECT_THAT(h.Saw<StopTransfer>(), IsEmpty()) << "a MiB is missing still";
  h.End(racer.transfer, Outcome::kDone);
  ExpectDoneWhenTheStoreSaysSo();
}

TEST_F(Parts, WhatArrivedAnotherWayIsNotAskedFor) {
  Prove();
  h.Do(BoundaryAccepted{probe.transfer, kLength / 2});
  h.Do(Arrived{probe.request, {0, kLength / 2}});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
  EXPECT_THAT(h.Saw<FinishIntent>(), IsEmpty());
  h.Do(Arrived{probe.request, {kLength / 2, kLength}});
  ExpectDoneWhenTheStoreSaysSo();
  h.Do(Arrived{probe.request, {0, kLength}});
  EXPECT_THAT(h.effects, IsEmpty());
}

TEST_F(Parts, ASequenceIsCutBetweenItsChildren) {
  Prove(std::make_shared<const std::vector<uint64_t>>(
      std::vector<uint64_t>{0, kMiB, 60 * kMiB + 3, 61 * kMiB}));
  EXPECT_EQ(Lowered().boundary, 61 * kMiB);
}

TEST_F(Parts, AFurtherProviderIsDialledOnlyIntoASlotNobodyWaitsFor) {
  Options options = WithParts();
  options.limits.connections = 2;
  options.limits.dials_per_hash = 1;
  Harness g(options);
  g.WantNew(Raw(1), {Node(1), Node(2)});
  g.Connect(1);
  const StartTransfer first = g.Started();
  g.WantNew(Raw(2), {Node(3)});  // takes the other slot
  g.WantNew(Raw(3), {Node(4)});  // waits for one
  g.Do(ContentKnown{first.request, kLength, RangeSet(Range{0, kLength}), nullptr});
  g.FailDial(3);
  EXPECT_THAT(g.Dialled(), ElementsAre(Node(4)));
  g.FailDial(4);
  EXPECT_THAT(g.Dialled(), ElementsAre(Node(2)));
}

TEST_F(Parts, ANodeThatIsDialledForAnotherRequestTakesAPartOfARunningOne) {
  Options options = WithParts();
  options.limits.dials_per_hash = 1;
  Harness g(options);
  g.WantNew(Raw(1), {Node(1), Node(2), Node(3)});
  g.Connect(1);
  const StartTransfer first = g.Started();
  g.Do(ContentKnown{first.request, kLength, RangeSet(Range{0, kLength}), nullptr});
  EXPECT_THAT(g.Dialled(), ElementsAre(Node(2)));  // node 3 would be over the limit of dials
  g.WantNew(Raw(2), {Node(3)});
  EXPECT_THAT(g.Dialled(), ElementsAre(Node(3)));
  g.Connect(3);
  EXPECT_EQ(g.Started().kind, Raw(2));
  ASSERT_EQ(g.Saw<LowerLimit>().size(), 1u);
  EXPECT_EQ(g.Saw<LowerLimit>()[0].transfer, first.transfer);
}

TEST_F(Parts, AMirrorGivesAtMostHalfOfItsSlotsWhileAnotherWaits) {
  Options options = WithParts();
  options.limits.connections_per_mirror = 4;
  Harness g(options);
  const ProviderId mirror = Mirror("https://mirror/");
  g.WantNew(Raw(1), {mirror});
  const StartTransfer first = g.Started();
  g.Do(ContentKnown{first.request, kLength, RangeSet(Range{0, kLength}), nullptr});
  for (int i = 0; i < 10 && !g.Saw<LowerLimit>().empty(); ++i) {
    const LowerLimit asked = g.Saw<LowerLimit>()[0];
    g.Do(BoundaryAccepted{asked.transfer, asked.boundary});
  }
  EXPECT_EQ(g.scheduler.running_transfers(), 4u);
  const IntentId waiting = g.WantNew(Raw(2), {mirror});
  EXPECT_EQ(g.StateOf(waiting), RequestState::kWaiting);
  // The next two slots: one for the other, then half is left to the first.
  g.End(g.scheduler.ViewOfKind(Raw(1))->transfers[1], Outcome::kDone);
  EXPECT_EQ(g.StateOf(waiting), RequestState::kRunning);
}

TEST_F(Parts, LimitsStopWholeRequests) {
  SplitInTwo();
  h.WantNew(Raw(2), {Node(3)});
  EXPECT_EQ(h.scheduler.running_transfers(), 3u);
  Limits limits;
  limits.requests = 1;
  h.Do(SetLimits{limits});
  ASSERT_EQ(h.Saw<StopTransfer>().size(), 1u);  // the younger one's
  h.Do(SetPaused{std::nullopt, true});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 2u);
}

TEST_F(Parts, APriorityThatChangesWhileRunningKeepsItsPlaceInTheQueues) {
  Prove();
  h.Do(BoundaryAccepted{probe.transfer, UINT64_MAX});
  h.Want(Raw(1), {}, Priority::kUrgent);
  h.Do(Cancel{IntentId{2}});
  EXPECT_EQ(h.StateOf(intent), RequestState::kRunning);
}

TEST_F(Parts, AStalledPartGoesToAnother) {
  const StartTransfer second = SplitInTwo();
  h.Do(BoundaryAccepted{Lowered().transfer, UINT64_MAX});
  h.Pass(seconds(30));
  Progress(probe.transfer, 10 * kMiB, 10 * kMiB);
  for (const LowerLimit& asked : h.Saw<LowerLimit>()) {
    h.Do(BoundaryAccepted{asked.transfer, UINT64_MAX});
  }
  h.Pass(seconds(31));
  ASSERT_FALSE(h.Saw<StopTransfer>().empty());
  EXPECT_EQ(h.Saw<StopTransfer>()[0].transfer, second.transfer);
}

}  // namespace
}  // namespace blobd::schedule
