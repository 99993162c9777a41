#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

struct WhyTest : ::testing::Test {
  // The one fact that the request of this intent waits on.
  Wait OnlyWait(IntentId intent) const {
    const auto why = h.scheduler.WhyOfIntent(intent);
    EXPECT_TRUE(why.has_value());
    if (!why) return {};
    EXPECT_EQ(why->waits.size(), 1u);
    return why->waits.empty() ? Wait{} : why->waits.front();
  }
  ProviderWhy Of(const Kind& kind, const ProviderId& provider) const {
    const auto why = h.scheduler.WhyOfKind(kind);
    for (const ProviderWhy& one : why->providers) {
      if (one.provider == provider) return one;
    }
    ADD_FAILURE();
    return {};
  }
  static Options Small() {
    Options options = Harness::Defaults();
    options.limits = {2, 1, 2, 1};
    return options;
  }
  Harness h{Small()};
};

TEST_F(WhyTest, ARequestThroughItsLife) {
  EXPECT_FALSE(h.scheduler.WhyOfIntent(IntentId{1}));
  EXPECT_FALSE(h.scheduler.WhyOfKind(Raw(1)));
  const IntentId intent = h.Want(Raw(1), {});
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kStore);
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kProvider);
  EXPECT_EQ(OnlyWait(intent).until, Instant::Max());
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kDial);
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kDialling);
  h.FailDial(1);
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kRetry);
  EXPECT_GT(OnlyWait(intent).until, h.now);
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kFailed);
  EXPECT_EQ(Of(Raw(1), Node(1)).until, OnlyWait(intent).until);
  EXPECT_EQ(Of(Raw(1), Node(1)).failures, 1u);
  EXPECT_EQ(Of(Raw(1), Node(1)).last_error, "no answer");
  h.Pass(milliseconds(550));
  h.Connect(1);
  EXPECT_TRUE(h.scheduler.WhyOfIntent(intent)->waits.empty());
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kUsed);
  const TransferId transfer = h.Started().transfer;
  h.End(transfer, Outcome::kLocalFault, "no room");
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kDisk);
  EXPECT_EQ(OnlyWait(intent).until, h.now + seconds(1));
  h.Do(SetPaused{intent, true});
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kItsCallers);
  h.Do(SetPaused{intent, false});
  h.End(h.Started().transfer, Outcome::kNotHere, "gone");
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kWithoutContent);
  EXPECT_EQ(Of(Raw(1), Node(1)).until, h.now + seconds(5));
  EXPECT_EQ(Of(Raw(1), Node(1)).last_error, "gone");
}

TEST_F(WhyTest, LimitsAndSlots) {
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const IntentId slot = h.WantNew(Raw(2), {Node(1)});
  EXPECT_EQ(OnlyWait(slot).fact, WaitFact::kProviderSlot);
  EXPECT_EQ(Of(Raw(2), Node(1)).standing, ProviderStanding::kBusy);
  h.WantNew(Raw(3), {Node(2)});
  const IntentId connection = h.WantNew(Raw(4), {Node(3)});
  EXPECT_EQ(OnlyWait(connection).fact, WaitFact::kConnection);
  EXPECT_EQ(OnlyWait(connection).count, 2u);
  EXPECT_EQ(Of(Raw(4), Node(3)).standing, ProviderStanding::kFree);
  h.Connect(2);
  EXPECT_EQ(OnlyWait(connection).fact, WaitFact::kRequestSlot);
  h.Do(SetPaused{std::nullopt, true});
  EXPECT_EQ(OnlyWait(connection).fact, WaitFact::kResumption);
  h.Do(Drain{});
  EXPECT_EQ(OnlyWait(connection).fact, WaitFact::kNextStart);
}

TEST_F(WhyTest, WhoLeftIsStillNamed) {
  const IntentId intent = h.WantNew(Raw(1), {Node(1), Node(2)});
  EXPECT_EQ(h.scheduler.WhyOfIntent(intent)->waits.size(), 2u);  // a dial, the limit of dials
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDropProvider, "a wrong byte");
  EXPECT_EQ(Of(Raw(1), Node(1)).last_error, "a wrong byte");
  h.Connect(2);
  h.Do(TransferEnded{h.Started().transfer, Outcome::kBusy, "later", seconds(9)});
  EXPECT_EQ(Of(Raw(1), Node(2)).standing, ProviderStanding::kAskedToWait);
  EXPECT_EQ(OnlyWait(intent).until, h.now + seconds(9));
}

TEST_F(WhyTest, UnreachableAndOurOwnFault) {
  const IntentId intent = h.WantNew(Raw(1), {Node(1)});
  h.Do(DialFailed{Node(1), true, "no route"});
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kOwnFault);
  h.Pass(seconds(1));
  for (int i = 0; i < 7; ++i) {
    h.FailDial(1);
    if (i < 6) h.Pass(seconds(4));
  }
  EXPECT_EQ(Of(Raw(1), Node(1)).standing, ProviderStanding::kUnreachable);
  EXPECT_EQ(OnlyWait(intent).fact, WaitFact::kProvider);
  EXPECT_EQ(OnlyWait(intent).until, Of(Raw(1), Node(1)).until);
}

}  // namespace
}  // namespace blobd::schedule
