#include "schedule/next_step.h"

#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

using What = NextStep::What;

// One queued request and what the test makes of its providers; the decision is asked directly.
struct Decision : ::testing::Test {
  Decision() : t(Harness::Defaults()) {
    wanted = &t.map.FindOrAdd(Raw(1).hash);
    request.kind = Raw(1);
    request.stage = Stage::kQueued;
    request.wanted = wanted;
  }
  Provider& Add(const ProviderId& id, Link link = Link::kDown) {
    Provider& provider = t.providers.FindOrAdd(id);
    t.map.Link(*wanted, provider);
    t.providers.SetLink(provider, link);
    if (link == Link::kUp) t.providers.SetIdleSince(provider, t.now);
    return provider;
  }
  NextStep Decide() const { return DecideNextStep(t, request); }

  Tables t;
  Request request;
  WantedHash* wanted;
};

TEST_F(Decision, WithoutAUsableProviderItIsOutAlsoAtFullCapacity) {
  EXPECT_EQ(Decide().what, What::kOutOfProviders);
  Add(Node(1)).pause = Pause::kUnreachable;
  request.Refuse(Add(Node(2), Link::kUp).number);
  t.running_requests = t.limits().requests;
  EXPECT_EQ(Decide().what, What::kOutOfProviders);
}

TEST_F(Decision, AtFullCapacityItWaits) {
  Add(Node(1), Link::kUp);
  t.running_requests = t.limits().requests - 1;
  t.ending_requests = 1;
  EXPECT_EQ(Decide().what, What::kWait);
  EXPECT_TRUE(Decide().waits.request_slot);
}

TEST_F(Decision, AConnectedProviderBeatsADial) {
  Add(Node(1));
  Provider& connected = Add(Node(2), Link::kUp);
  EXPECT_EQ(Decide().what, What::kStart);
  EXPECT_EQ(Decide().provider, &connected);
}

TEST_F(Decision, ThePreferredKindComesBeforeTheFasterOne) {
  Provider& node = Add(Node(1), Link::kUp);
  Provider& mirror = Add(MirrorUrl{"https://m/f"});
  node.bytes_per_second = 1000;
  mirror.bytes_per_second = 2000;
  EXPECT_EQ(Decide().provider, &mirror);
  t.options.preference = Preference::kNodes;
  EXPECT_EQ(Decide().provider, &node);
  std::swap(node.bytes_per_second, mirror.bytes_per_second);
  t.options.preference = Preference::kMirrors;
  EXPECT_EQ(Decide().provider, &mirror);
}

TEST_F(Decision, AmongConnectedOnes) {
  Provider& a = Add(Node(1), Link::kUp);
  Provider& b = Add(Node(2), Link::kUp);
  EXPECT_EQ(Decide().provider, &a);  // by id
  a.rtt = milliseconds(20);
  b.rtt = milliseconds(10);
  EXPECT_EQ(Decide().provider, &b);  // by RTT
  a.bytes_per_second = 2e6;
  b.bytes_per_second = 1e6;
  EXPECT_EQ(Decide().provider, &a);  // by throughput
  b.bytes_per_second = 0;
  EXPECT_EQ(Decide().provider, &b);  // unmeasured first
  b.transfers.push_back(TransferId{1});
  EXPECT_EQ(Decide().provider, &a);  // least active
}

TEST_F(Decision, AmongThoseToDial) {
  Provider& a = Add(Node(2));
  Provider& b = Add(Node(1));
  EXPECT_EQ(Decide().what, What::kDial);
  EXPECT_EQ(Decide().provider, &a);  // the order given
  b.last_success = Instant::FromNanos(5);
  EXPECT_EQ(Decide().provider, &b);  // latest success
  b.failures = 1;
  EXPECT_EQ(Decide().provider, &a);  // fewest failures
}

TEST_F(Decision, AWorkingPathIsPreferredToFewerFailures) {
  Add(Node(1));
  Provider& works = Add(Node(2));
  works.path_works = true;
  works.failures = 1;
  EXPECT_EQ(Decide().provider, &works);
}

TEST_F(Decision, AtTheConnectionLimitAnIdleOneMakesRoom) {
  Add(Node(1));
  t.options.limits.connections = 1;
  Provider& other = t.providers.FindOrAdd(Node(9));
  t.providers.SetLink(other, Link::kUp);
  EXPECT_EQ(Decide().what, What::kWait);
  EXPECT_TRUE(Decide().waits.connection);
  t.providers.SetIdleSince(other, t.now);
  EXPECT_EQ(Decide().what, What::kDropIdleAndDial);
  EXPECT_EQ(Decide().idle, &other);
}

TEST_F(Decision, AtTheLimitOfDialsItWaitsForThem) {
  Add(Node(1));
  wanted->dials = t.limits().dials_per_hash;
  EXPECT_EQ(Decide().what, What::kWait);
  EXPECT_TRUE(Decide().waits.dials);
}

TEST_F(Decision, BusyOrDialledMeansWaitPausedMeansPark) {
  Provider& paused = Add(Node(1));
  paused.pause = Pause::kRetry;
  paused.pause_until = Instant::FromNanos(7);
  EXPECT_EQ(Decide().what, What::kPark);
  EXPECT_EQ(Decide().waits.until, Instant::FromNanos(7));
  Add(Node(2), Link::kDialling);
  EXPECT_EQ(Decide().what, What::kWait);
  Provider& draining = Add(Node(3), Link::kUp);
  draining.draining = true;
  EXPECT_EQ(Decide().what, What::kWait);
  EXPECT_EQ(Decide().waits.busy, 1u);
  EXPECT_EQ(Decide().waits.dialling, 1u);
  EXPECT_EQ(Decide().waits.paused, 1u);
}

TEST_F(Decision, WhileShuttingDownItWaits) {
  Add(Node(1), Link::kUp);
  t.stopping = true;
  EXPECT_EQ(Decide().what, What::kWait);
  EXPECT_TRUE(Decide().waits.shutdown);
}

TEST_F(Decision, AMirrorNeedsNoConnection) {
  Provider& mirror = Add(Mirror("https://m/"));
  EXPECT_EQ(Decide().what, What::kStart);
  EXPECT_EQ(Decide().provider, &mirror);
}

}  // namespace
}  // namespace blobd::schedule
