#include "schedule/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

TEST(View, SaysWhatARequestWaitsFor) {
  Options options = Harness::Defaults();
  options.limits.requests_per_node = 1;
  Harness h(options);
  h.Want(Raw(1), {});
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->waits_for, "waits for the store to say what it has");
  h.StoreSays(StoreAnswered::State::kIncomplete);
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->waits_for, "waits for a provider: none is known");
  h.Do(NodesHave{Raw(1).hash, {Node(1)}});
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->waits_for, "waits for 1 running dial");
  h.Connect(1);
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->waits_for, "");
  h.WantNew(Raw(2), {Node(1), Node(2)});
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(2))->waits_for,
            "waits for a free slot on 1 connected provider or 1 running dial");
  h.End(h.SawEver<StartTransfer>()[0].transfer, Outcome::kAbortRequest, "no");
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(1))->waits_for,
            "waits for a provider: 1 without the content");
}

TEST(View, UnknownAndEndedOnesHaveNone) {
  Harness h;
  EXPECT_FALSE(h.scheduler.ViewOfIntent(IntentId{1}));
  EXPECT_FALSE(h.scheduler.ViewOfKind(Raw(1)));
  h.Want(Raw(1), {});
  EXPECT_FALSE(h.scheduler.ViewOfKind(Seq(1)));
  h.StoreSays(StoreAnswered::State::kComplete);
  EXPECT_FALSE(h.scheduler.ViewOfIntent(IntentId{1}));
}

TEST(View, ReasonsAreCutAtACharacter) {
  EXPECT_EQ(CutReason("short"), "short");
  const std::string cut = CutReason(std::string(255, 'a') + "\xc3\xa4 and more");
  EXPECT_EQ(cut, std::string(255, 'a'));
}

}  // namespace
}  // namespace blobd::schedule
