#include "schedule/limits.h"

#include <gtest/gtest.h>

#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

TEST(Limits, EveryOneIsAtLeastOne) {
  EXPECT_TRUE(IsValid(Limits{}));
  EXPECT_TRUE(IsValid(Limits{1, 1, 1, 1}));
  EXPECT_FALSE(IsValid(Limits{0, 1, 1, 1}));
  EXPECT_FALSE(IsValid(Limits{1, 0, 1, 1}));
  EXPECT_FALSE(IsValid(Limits{1, 1, 0, 1}));
  EXPECT_FALSE(IsValid(Limits{1, 1, 1, 0}));
}

TEST(Limits, SurplusConnectionsIdleThenDiallingThenLeastWork) {
  Tables t(Harness::Defaults());
  const auto add = [&](uint8_t number, Link link, uint32_t running) -> Provider* {
    Provider& provider = t.providers.FindOrAdd(Node(number));
    t.providers.SetLink(provider, link);
    provider.running = running;
    if (provider.idle()) t.providers.SetIdleSince(provider, Instant::FromNanos(100u - number));
    t.providers.Refresh(provider);
    return &provider;
  };
  Provider* busy = add(1, Link::kUp, 3);
  Provider* working = add(2, Link::kUp, 1);
  Provider* dial = add(3, Link::kDialling, 0);
  Provider* young_dial = add(4, Link::kDialling, 0);
  Provider* idle = add(5, Link::kUp, 0);
  Provider* longest_idle = add(6, Link::kUp, 0);
  EXPECT_TRUE(SurplusConnections(t).empty());
  t.options.limits.connections = 1;
  EXPECT_EQ(SurplusConnections(t),
            (std::vector<Provider*>{longest_idle, idle, young_dial, dial, working}));
  EXPECT_NE(busy, nullptr);
}

}  // namespace
}  // namespace blobd::schedule
