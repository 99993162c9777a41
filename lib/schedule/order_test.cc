// Who goes first: limits, order, no head-of-line blocking, no starvation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Options With(uint32_t requests, uint32_t per_node, uint32_t connections) {
  Options options = Harness::Defaults();
  options.limits.requests = requests;
  options.limits.requests_per_node = per_node;
  options.limits.connections = connections;
  return options;
}

TEST(OrderOfRequests, LimitsOverallAndPerNode) {
  Harness h(With(5, 3, 25));
  for (uint8_t i = 1; i <= 4; ++i) h.WantNew(Raw(i), {Node(1)});
  h.Connect(1);
  EXPECT_EQ(h.Saw<StartTransfer>().size(), 3u);
  for (uint8_t i = 11; i <= 14; ++i) h.WantNew(Raw(i), {Node(2)});
  h.Connect(2);
  EXPECT_EQ(h.Saw<StartTransfer>().size(), 2u);
  EXPECT_EQ(h.scheduler.running_transfers(), 5u);
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(13))->state, RequestState::kQueued);
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(13))->waits_for,
            "waits for its turn: 5 of 5 requests are running");
  // The freed slot of the node goes to the first in order that can use it.
  h.End(TransferId{1}, Outcome::kDone);
  EXPECT_EQ(h.Started().kind, Raw(4));
}

TEST(OrderOfRequests, ALongQueueOverFewConnections) {
  Harness h(With(4, 2, 2));
  for (uint8_t i = 0; i < 100; ++i) h.WantNew(Raw(i), {Node(static_cast<uint8_t>(i % 7 + 1))});
  size_t finished = 0;
  for (int rounds = 0; rounds < 1000 && finished < 100; ++rounds) {
    const auto dials = h.SawEver<Dial>();
    const auto starts = h.SawEver<StartTransfer>();
    h.history.clear();
    for (const Dial& dial : dials) {
      h.Do(Connected{dial.node, milliseconds(1)});
    }
    for (const StartTransfer& start : starts) {
      h.End(start.transfer, Outcome::kDone);
    }
    for (const FinishIntent& finish : h.SawEver<FinishIntent>()) {
      EXPECT_EQ(finish.code, ResultCode::kDone);
      ++finished;
    }
  }
  EXPECT_EQ(finished, 100u);
}

TEST(OrderOfRequests, AProviderAtCapacityDelaysNobodyBehindIt) {
  Harness h(With(50, 1, 25));
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.WantNew(Raw(2), {Node(1)});  // must wait
  h.WantNew(Raw(3), {Node(2)});
  h.Connect(2);
  EXPECT_EQ(h.Started().kind, Raw(3));
  for (uint8_t i = 10; i < 110; ++i) {
    h.WantNew(Raw(i), {Mirror("https://m" + std::to_string(i % 20) + "/")});
    EXPECT_EQ(h.Started().kind, Raw(i));
    h.End(h.Started().transfer, Outcome::kDone);
  }
  EXPECT_EQ(h.scheduler.ViewOfKind(Raw(2))->state, RequestState::kWaiting);
}

TEST(OrderOfRequests, AParkedRequestDoesNotHoldTheNext) {
  Harness h;
  const IntentId parked = h.WantNew(Raw(1), {Node(1)}, Priority::kUrgent);
  h.FailDial(1);
  h.WantNew(Raw(2), {Node(2)}, Priority::kBackground);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
  EXPECT_EQ(h.StateOf(parked), RequestState::kParked);
}

TEST(OrderOfRequests, WhatWasParkedComesBackInItsPlace) {
  Harness h(With(50, 1, 25));
  h.WantNew(Raw(1), {Node(1)});
  h.WantNew(Raw(2), {Node(1)});
  h.FailDial(1);
  h.WantNew(Raw(3), {Node(1)});
  h.Pass(milliseconds(550));
  h.Connect(1);
  EXPECT_EQ(h.Started().kind, Raw(1));
  h.End(h.Started().transfer, Outcome::kDone);
  EXPECT_EQ(h.Started().kind, Raw(2));
}

TEST(OrderOfRequests, PriorityThenPlace) {
  Harness h(With(1, 1, 25));
  h.WantNew(Raw(9), {Node(1)});
  h.Connect(1);
  TransferId running = h.Started().transfer;
  h.WantNew(Raw(1), {Node(1)}, Priority::kBackground);
  h.WantNew(Raw(2), {Node(1)}, Priority::kNormal);
  h.WantNew(Raw(3), {Node(1)}, Priority::kUrgent);
  h.WantNew(Raw(4), {Node(1)}, Priority::kUrgent);
  std::vector<Kind> order;
  for (int i = 0; i < 4; ++i) {
    h.End(running, Outcome::kDone);
    order.push_back(h.Started().kind);
    running = h.Started().transfer;
  }
  EXPECT_THAT(order, ElementsAre(Raw(3), Raw(4), Raw(2), Raw(1)));
}

TEST(OrderOfRequests, OneOfSixteenSlotsGoesByPlaceAlone) {
  Harness h(With(1, 1, 25));
  h.WantNew(Raw(100), {Node(1)});
  h.Connect(1);
  TransferId running = h.Started().transfer;
  h.WantNew(Raw(101), {Node(1)}, Priority::kBackground);
  for (uint8_t i = 1; i <= 30; ++i) h.WantNew(Raw(i), {Node(1)}, Priority::kUrgent);
  std::vector<Kind> order;
  for (int i = 0; i < 17; ++i) {
    h.End(running, Outcome::kDone);
    order.push_back(h.Started().kind);
    running = h.Started().transfer;
  }
  EXPECT_EQ(order[14], Raw(15));
  EXPECT_EQ(order[15], Raw(101));
  EXPECT_EQ(order[16], Raw(16));
}

TEST(OrderOfRequests, WhoNeedsAConnectionIsNotStarvedByNewerOnes) {
  Harness h(With(50, 1, 2));
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  TransferId on_1 = h.Started().transfer;
  h.WantNew(Raw(2), {Node(2)});
  h.Connect(2);
  h.WantNew(Raw(3), {Node(3)});  // needs a third connection
  EXPECT_THAT(h.scheduler.ViewOfKind(Raw(3))->waits_for, ::testing::HasSubstr("2 of 2 are in use"));
  h.WantNew(Raw(4), {Node(1)});
  h.WantNew(Raw(5), {Node(2)});
  // Node 1 drains: the newer Raw(4) does not get its slot.
  h.End(on_1, Outcome::kDone);
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  ASSERT_EQ(h.Saw<Disconnect>().size(), 1u);
  EXPECT_EQ(h.Saw<Disconnect>()[0].node, Node(1));
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(3)));
}

TEST(OrderOfRequests, AProviderStopsMakingRoomWhenAnOlderRequestWantsIt) {
  Harness h(With(50, 1, 1));
  const IntentId first = h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  const TransferId running = h.Started().transfer;
  h.WantNew(Raw(2), {Node(1)});
  const IntentId third = h.WantNew(Raw(3), {Node(3)}, Priority::kUrgent);
  h.Do(Cancel{third});
  h.WantNew(Raw(4), {Node(3)});
  // Raw(2) comes before Raw(4): it gets the slot.
  h.End(running, Outcome::kDone);
  EXPECT_EQ(h.Saw<FinishIntent>()[0].intent, first);
  EXPECT_EQ(h.Started().kind, Raw(2));
}

TEST(OrderOfRequests, LimitsRaisedUnderLoadStartMore) {
  Harness h(With(1, 1, 1));
  for (uint8_t i = 1; i <= 3; ++i) h.WantNew(Raw(i), {Node(1)});
  h.WantNew(Raw(4), {Node(2)});
  h.Connect(1);
  EXPECT_EQ(h.scheduler.running_transfers(), 1u);
  h.Do(SetLimits{With(10, 3, 2).limits});
  EXPECT_EQ(h.Saw<StartTransfer>().size(), 2u);
  EXPECT_THAT(h.Dialled(), ElementsAre(Node(2)));
}

TEST(OrderOfRequests, LimitsLoweredUnderLoadStopTheSurplus) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)}, Priority::kBackground);
  h.WantNew(Raw(2), {Node(1)}, Priority::kUrgent);
  h.WantNew(Raw(3), {Node(1)});
  h.WantNew(Raw(4), {Node(1)});
  h.Connect(1);
  std::map<Kind, TransferId> running;
  for (const StartTransfer& start : h.Saw<StartTransfer>()) running[start.kind] = start.transfer;
  ASSERT_EQ(running.size(), 4u);
  h.Do(SetLimits{With(2, 4, 25).limits});
  // Lowest priority first, then youngest place.
  const auto stopped = h.Saw<StopTransfer>();
  ASSERT_EQ(stopped.size(), 2u);
  EXPECT_EQ(stopped[0].transfer, running[Raw(1)]);
  EXPECT_EQ(stopped[1].transfer, running[Raw(4)]);
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  // They end; nothing starts before running and ending are below the limit.
  h.End(stopped[0].transfer, Outcome::kStopped);
  h.End(stopped[1].transfer, Outcome::kRetryLater);
  EXPECT_THAT(h.Saw<StartTransfer>(), IsEmpty());
  h.End(running[Raw(2)], Outcome::kDone);
  EXPECT_EQ(h.Started().kind, Raw(4));
  EXPECT_EQ(h.scheduler.stats().failures, 0u);
  h.Do(SetLimits{With(2, 1, 25).limits});
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
}

TEST(OrderOfRequests, ConnectionsOverALoweredLimitIdleOnesFirst) {
  Harness h;
  h.WantNew(Raw(1), {Node(1)});
  h.Connect(1);
  h.End(h.Started().transfer, Outcome::kDone);
  h.WantNew(Raw(2), {Node(2)});
  h.Connect(2);
  h.WantNew(Raw(3), {Node(3)});
  h.Connect(3);
  h.WantNew(Raw(4), {Node(3)});
  h.WantNew(Raw(5), {Node(5)});  // being dialled
  h.Do(SetLimits{With(50, 4, 1).limits});
  ASSERT_EQ(h.Saw<Disconnect>().size(), 2u);
  EXPECT_EQ(h.Saw<Disconnect>()[0].node, Node(1));
  EXPECT_EQ(h.Saw<GiveUpDial>()[0].node, Node(5));
  EXPECT_EQ(h.Saw<Disconnect>()[1].node, Node(2));
  EXPECT_EQ(h.Saw<StopTransfer>().size(), 1u);
}

TEST(OrderOfRequests, ALimitOfZeroIsRefused) {
  Harness h;
  const Limits before = h.scheduler.limits();
  h.Do(SetLimits{With(0, 4, 25).limits});
  EXPECT_EQ(h.scheduler.limits(), before);
}

TEST(OrderOfRequests, AnEventLooksAtWhatItChangesOnly) {
  const auto decisions_of_one_end = [](uint64_t queued) {
    Harness h(With(4, 4, 25));
    h.WantNew(Raw(1), {Node(1)});
    h.Connect(1);
    const TransferId running = h.Started().transfer;
    std::vector<Effect> effects;
    for (uint64_t i = 0; i < queued; ++i) {
      Queue queue;
      queue.id = IntentId{h.next_intent++};
      queue.kind.hash.bytes[1] = 1;
      queue.kind.hash.bytes[2] = static_cast<uint8_t>(i);
      queue.kind.hash.bytes[3] = static_cast<uint8_t>(i >> 8);
      queue.providers = {Node(1)};
      h.scheduler.Step(h.now, queue, effects);
      StoreAnswered incomplete;
      incomplete.request = RequestId{h.scheduler.next_request_id() - 1};
      h.scheduler.Step(h.now, incomplete, effects);
    }
    const uint64_t before = h.scheduler.stats().decisions;
    h.scheduler.Step(h.now, TransferEnded{running, Outcome::kDone, "", std::nullopt}, effects);
    return h.scheduler.stats().decisions - before;
  };
  EXPECT_EQ(decisions_of_one_end(10), 1u);
  EXPECT_EQ(decisions_of_one_end(5000), 1u);
}

}  // namespace
}  // namespace blobd::schedule
