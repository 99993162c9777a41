// Providers: named, refused, forgotten; limits, draining the daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Supply, OurOwnNodeIsNeverAProvider) {
  Harness h;
  h.WantNew(Raw(1), {Node(255)}, Priority::kNormal, Duration(0));
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  const IntentId patient = h.WantNew(Raw(1), {Node(255)});
  h.Do(NodesHave{Raw(1).hash, {Node(255)}});
  EXPECT_THAT(h.effects, IsEmpty());
  EXPECT_EQ(h.scheduler.ViewOfIntent(patient)->providers, 0U);
}

TEST(Supply, NodesHaveOnlyConcernsWhatIsWanted) {
  Harness h;
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_THAT(h.effects, IsEmpty());
  // In any state: the store is still being asked.
  h.Want(Raw(1), {});
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_EQ(h.Saw<RememberProvider>().size(), 1u);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Supply, AProviderAddedWhileParked) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.FailDial(1);
  EXPECT_EQ(h.StateOf(intent), RequestState::kParked);
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
}

TEST(Supply, AProviderAddedWhileRunningIsUsedWhenTheFirstFails) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  h.Do(NodesHave{Raw(1).hash, {Node(2)}});
  EXPECT_THAT(h.Dialled(), IsEmpty());
  h.End(start.transfer, Outcome::kNotHere, "");
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
}

TEST(Supply, AProviderAddedWithNoneKnown) {
  Harness h;
  const IntentId intent = h.WantNew(Raw(1), {});
  EXPECT_EQ(h.StateOf(intent), RequestState::kWaiting);
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Supply, AQueueThatNamesAProviderWakesWhoWaitsForOne) {
  Harness h;
  h.WantNew(Raw(1), {});
  h.Want(Raw(1), {Node(1)});
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(1)));
}

TEST(Supply, AtMostSoManyProvidersPerHash) {
  Options options = Harness::Defaults();
  options.providers_per_hash = 3;
  Harness h(options);
  h.WantNew(Raw(1), {Node(1), Node(2), Node(2), Node(3), Node(4)});
  EXPECT_EQ(h.SawEver<RememberProvider>().size(), 3u);
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->providers, 3u);
}

TEST(Supply, ABanOutlivesARestart) {
  Harness h;
  h.scheduler.RestoreBan(Node(1), h.now + hours(5), 3, "lied");
  h.WantNew(Raw(1), {Node(1)}, Priority::kNormal, Duration(0));
  EXPECT_EQ(h.Finished().code, ResultCode::kNoProviders);
  EXPECT_THAT(h.scheduler.Banned({Node(1)}, h.now), ElementsAre(ProviderId(Node(1))));
  h.Pass(hours(5));
  EXPECT_THAT(h.scheduler.Banned({Node(1)}, h.now), IsEmpty());
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDropProvider, "again");
  EXPECT_EQ(h.Saw<BanProvider>()[0].times, 4u);
  EXPECT_EQ(h.Saw<BanProvider>()[0].length, hours(8));
}

TEST(Supply, DrainingStartsNothingAndFailsNothing) {
  Harness h;
  const IntentId running = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const StartTransfer start = h.Started();
  const IntentId impatient = h.WantNew(Raw(2), {Node(2)}, Priority::kNormal, Duration(0));
  h.Do(Drain{});
  EXPECT_THAT(h.effects, IsEmpty());
  const IntentId late = h.WantNew(Raw(3), {}, Priority::kNormal, Duration(0));
  for (int i = 0; i < 10; ++i) h.FailDial(2);
  h.Do(Disconnected{Node(1), false, "we are closing"});
  h.End(start.transfer, Outcome::kRetryLater);
  h.Pass(minutes(5));
  EXPECT_THAT(h.SawEver<FinishIntent>(), IsEmpty());
  EXPECT_EQ(h.SawEver<StartTransfer>().size(), 1u);
  EXPECT_EQ(h.scheduler.running_transfers(), 0u);
  for (const IntentId intent : {running, impatient, late}) {
    EXPECT_TRUE(h.scheduler.ViewOfIntent(intent));
  }
  EXPECT_THAT(h.scheduler.ViewOfIntent(running)->waits_for, ::testing::HasSubstr("next start"));
}

}  // namespace
}  // namespace blobd::schedule
