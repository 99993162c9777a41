#include "transfer/serve_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/rng.h"

namespace blobd::transfer {
namespace {

constexpr uint64_t kLeast = ServeQueue::kLeastGrant;
constexpr uint64_t kMost = ServeQueue::kMostGrant;

NodeId Node(uint8_t number) {
  NodeId node;
  node.bytes[0] = number;
  return node;
}

Instant At(Duration since_start) { return Instant::FromNanos(1) + since_start; }

// Reads and acknowledges at once, `bytes` of what was granted.
void Serve(ServeQueue& queue, const ServeQueue::Grant& grant, uint64_t bytes, bool wants_more) {
  queue.OnRead(grant.stream, bytes, wants_more, At(seconds(0)));
  queue.OnAcknowledged(grant.stream, bytes, At(seconds(0)));
}

// `rounds` grants with `at_once` reads under way, each as long as the others, all acknowledged.
std::map<uint64_t, uint64_t> ServeRounds(ServeQueue& queue, size_t rounds) {
  std::map<uint64_t, uint64_t> bytes;
  std::vector<ServeQueue::Grant> under_way;
  for (size_t i = 0; i < rounds; ++i) {
    while (const auto grant = queue.Next()) under_way.push_back(*grant);
    if (under_way.empty()) break;
    const ServeQueue::Grant first = under_way.front();
    under_way.erase(under_way.begin());
    bytes[first.stream] += first.bytes;
    Serve(queue, first, first.bytes, true);
  }
  for (const auto& grant : under_way) Serve(queue, grant, 0, true);
  return bytes;
}

TEST(ServeQueueTest, GrantsAndCounts) {
  ServeQueue queue({});
  EXPECT_FALSE(queue.Next().has_value());
  queue.Add(1, Node(1));
  const auto grant = queue.Next();
  ASSERT_TRUE(grant.has_value());
  EXPECT_EQ(grant->stream, 1u);
  EXPECT_EQ(grant->bytes, kLeast) << "most requests are small";
  EXPECT_EQ(queue.used(), kLeast);
  EXPECT_FALSE(queue.Next().has_value()) << "one read at a time";
  queue.OnRead(1, 1000, false, At(seconds(0)));
  EXPECT_EQ(queue.used(), 1000u);
  EXPECT_FALSE(queue.Next().has_value());
  queue.Want(1);
  EXPECT_TRUE(queue.Next().has_value());
  queue.OnRead(1, 0, false, At(seconds(0)));
  queue.OnAcknowledged(1, 600, At(seconds(0)));
  EXPECT_EQ(queue.used(), 400u);
  queue.OnAcknowledged(1, 5000, At(seconds(0)));
  EXPECT_EQ(queue.used(), 0u) << "more than was sent cannot be acknowledged";
  queue.Remove(1);
  queue.Remove(1);
  queue.Want(1);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(ServeQueueTest, WindowsGrowWithWhatIsAcknowledged) {
  ServeQueue queue({});
  queue.Add(1, Node(1));
  // Never acknowledged: the first window, and no more.
  uint64_t held = 0;
  while (const auto grant = queue.Next()) {
    held += grant->bytes;
    queue.OnRead(1, grant->bytes, true, At(seconds(0)));
  }
  EXPECT_EQ(held, 256u << 10);
  // Acknowledged at once: doubles up to its most.
  std::set<uint64_t> windows;
  for (int i = 0; i < 10; ++i) {
    queue.OnAcknowledged(1, held, At(seconds(0)));
    held = 0;
    while (const auto grant = queue.Next()) {
      held += grant->bytes;
      queue.OnRead(1, grant->bytes, true, At(seconds(0)));
    }
    windows.insert(held);
  }
  EXPECT_EQ(windows, (std::set<uint64_t>{512 << 10, 1 << 20, 2 << 20, 4 << 20}));
}

TEST(ServeQueueTest, WindowsOfSlowPeersStaySmall) {
  ServeQueue queue({});
  queue.Add(1, Node(1));
  Duration time = seconds(0);
  for (int i = 0; i < 100; ++i) {
    while (const auto grant = queue.Next()) queue.OnRead(1, grant->bytes, true, At(time));
    EXPECT_LE(queue.used(), 256u << 10);
    time += seconds(1);
    queue.OnAcknowledged(1, 64 << 10, At(time));  // a window takes four seconds
  }
}

TEST(ServeQueueTest, ANodeHoldsNoMoreThanItsWindowWhateverItsStreams) {
  ServeQueue queue({});
  for (uint64_t stream = 1; stream <= 100; ++stream) queue.Add(stream, Node(1));
  while (const auto grant = queue.Next())
    queue.OnRead(grant->stream, grant->bytes, true, At(seconds(0)));
  EXPECT_EQ(queue.used(), 256u << 10);
  // All streams read on and on: the node's window has its own most.
  for (int i = 0; i < 200; ++i) {
    for (uint64_t stream = 1; stream <= 100; ++stream)
      queue.OnAcknowledged(stream, 4 << 20, At(seconds(0)));
    while (const auto grant = queue.Next())
      queue.OnRead(grant->stream, grant->bytes, true, At(seconds(0)));
  }
  EXPECT_EQ(queue.used(), 16u << 20);
}

TEST(ServeQueueTest, TheBudgetIsNeverExceeded) {
  ServeQueue::Options options;
  options.budget = 1 << 20;
  ServeQueue queue(options);
  for (uint8_t node = 1; node <= 50; ++node) queue.Add(node, Node(node));
  EXPECT_FALSE(queue.is_starved());
  while (const auto grant = queue.Next()) {
    queue.OnRead(grant->stream, grant->bytes, true, At(seconds(0)));
    EXPECT_LE(queue.used(), options.budget);
  }
  EXPECT_EQ(queue.used(), options.budget);
  EXPECT_TRUE(queue.is_starved());
  // Four nodes hold it, each a first window. One of them reads: the others are stalled.
  EXPECT_TRUE(queue.StreamsOfStalledNodes(At(seconds(4)), seconds(5)).empty());
  queue.OnAcknowledged(3, 1000, At(seconds(4)));
  const auto stalled = queue.StreamsOfStalledNodes(At(seconds(5)), seconds(5));
  EXPECT_EQ(std::set<uint64_t>(stalled.begin(), stalled.end()).count(3), 0u);
  EXPECT_EQ(stalled.size(), 3u);
  for (const uint64_t stream : stalled) queue.Remove(stream);
  EXPECT_FALSE(queue.is_starved());
  EXPECT_TRUE(queue.Next().has_value());
}

TEST(ServeQueueTest, ReadsAtOnceAreBounded) {
  ServeQueue::Options options;
  options.reads_at_once = 3;
  ServeQueue queue(options);
  for (uint8_t node = 1; node <= 10; ++node) queue.Add(node, Node(node));
  std::vector<ServeQueue::Grant> grants;
  while (const auto grant = queue.Next()) grants.push_back(*grant);
  EXPECT_EQ(grants.size(), 3u);
  // A removed stream's read still takes its place, until it comes back.
  queue.Remove(grants[0].stream);
  EXPECT_FALSE(queue.Next().has_value());
  queue.OnRead(grants[0].stream, 100, true, At(seconds(0)));
  EXPECT_TRUE(queue.Next().has_value());
  EXPECT_EQ(queue.used(), 3 * kLeast);
}

TEST(ServeQueueTest, NodesGetEqualSharesWhateverTheirStreams) {
  ServeQueue::Options options;
  options.reads_at_once = 2;
  ServeQueue queue(options);
  for (uint64_t stream = 100; stream < 200; ++stream) queue.Add(stream, Node(1));
  queue.Add(2, Node(2));
  queue.Add(3, Node(3));
  queue.Add(4, Node(4));
  const auto bytes = ServeRounds(queue, 4000);
  uint64_t of_many = 0;
  for (uint64_t stream = 100; stream < 200; ++stream) of_many += bytes.at(stream);
  for (const uint64_t stream : {2u, 3u, 4u}) {
    EXPECT_NEAR(static_cast<double>(bytes.at(stream)) / static_cast<double>(of_many), 1, 0.02);
  }
  // And inside the node with many, each of them as much.
  for (uint64_t stream = 100; stream < 200; ++stream) {
    EXPECT_NEAR(static_cast<double>(bytes.at(stream)), static_cast<double>(of_many) / 100,
                static_cast<double>(2 * kMost));
  }
}

TEST(ServeQueueTest, SharesFollowWeights) {
  ServeQueue::Options options;
  options.reads_at_once = 1;
  ServeQueue queue(options);
  // One stream each, so that a turn waits for its own reads; and several.
  for (const uint64_t streams : {1u, 5u}) {
    SCOPED_TRACE(streams);
    const auto base = static_cast<uint8_t>(10 * streams);
    std::vector<std::pair<uint64_t, uint32_t>> all;
    for (uint32_t weight = 1; weight <= 4; ++weight) {
      for (uint64_t i = 0; i < streams; ++i) {
        const uint64_t stream = 1000 * streams + 10 * weight + i;
        queue.Add(stream, Node(static_cast<uint8_t>(base + weight)), weight);
        all.emplace_back(stream, weight);
      }
    }
    const auto bytes = ServeRounds(queue, 5000);
    std::map<uint32_t, double> by_weight;
    for (const auto& [stream, weight] : all) {
      by_weight[weight] += static_cast<double>(bytes.at(stream));
      queue.Remove(stream);
    }
    for (uint32_t weight = 2; weight <= 4; ++weight)
      EXPECT_NEAR(by_weight[weight] / by_weight[1], weight, 0.05 * weight);
  }
}

TEST(ServeQueueTest, WhatWasNotUsedIsGivenBack) {
  ServeQueue::Options options;
  options.reads_at_once = 1;
  ServeQueue queue(options);
  queue.Add(1, Node(1));
  queue.Add(2, Node(2));
  // Node 1 makes pieces of a tenth: shares are of bytes, so it has ten times as many turns.
  std::map<uint64_t, uint64_t> bytes;
  std::map<uint64_t, int> turns;
  for (int i = 0; i < 5000; ++i) {
    const auto grant = queue.Next();
    ASSERT_TRUE(grant.has_value());
    const uint64_t made = grant->stream == 1 ? grant->bytes / 10 : grant->bytes;
    bytes[grant->stream] += made;
    ++turns[grant->stream];
    Serve(queue, *grant, made, true);
  }
  EXPECT_NEAR(static_cast<double>(bytes[1]) / static_cast<double>(bytes[2]), 1, 0.05);
  EXPECT_GT(turns[1], 9 * turns[2]);
}

TEST(ServeQueueTest, ANewStreamWaitsForOneTurnOfTheOthers) {
  ServeQueue::Options options;
  options.reads_at_once = 4;
  ServeQueue queue(options);
  for (uint8_t node = 1; node <= 20; ++node) {
    for (uint64_t i = 0; i < 10; ++i) queue.Add(node * 100u + i, Node(node));
  }
  ServeRounds(queue, 1000);
  queue.Add(1, Node(200));
  uint64_t before = 0;
  for (;;) {
    const auto grant = queue.Next();
    ASSERT_TRUE(grant.has_value());
    if (grant->stream == 1) break;
    before += grant->bytes;
    Serve(queue, *grant, grant->bytes, true);
  }
  EXPECT_LE(before, 20 * 2 * kMost) << "of 200 streams waiting";
}

// Streams come, read, acknowledge, stop and go in any order: the counts always add up.
TEST(ServeQueueTest, CountsAddUpInAnyOrder) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    ServeQueue::Options options;
    options.budget = kLeast + rng.Below(4 << 20);
    options.reads_at_once = 1 + rng.Below(10);
    ServeQueue queue(options);
    struct Mine {
      uint64_t granted = 0;
      uint64_t unacknowledged = 0;
      bool removed = false;
    };
    std::map<uint64_t, Mine> mine;
    uint64_t next = 1;
    Duration time = seconds(0);
    const auto pick = [&] {
      auto it = mine.begin();
      std::advance(it, static_cast<ptrdiff_t>(rng.Below(mine.size())));
      return it;
    };
    for (int i = 0; i < 3000; ++i) {
      time += milliseconds(rng.Below(300));
      const uint64_t what = mine.empty() ? 0 : rng.Below(10);
      if (what == 0 && mine.size() < 300) {
        queue.Add(next, Node(static_cast<uint8_t>(rng.Below(8))),
                  static_cast<uint32_t>(1 + rng.Below(3)));
        mine[next++] = {};
      } else if (what < 3) {
        if (const auto grant = queue.Next()) {
          Mine& stream = mine.at(grant->stream);
          ASSERT_EQ(stream.granted, 0u);
          ASSERT_FALSE(stream.removed);
          ASSERT_GE(grant->bytes, kLeast);
          ASSERT_LE(grant->bytes, kMost);
          stream.granted = grant->bytes;
        }
      } else if (const auto it = pick(); what < 6) {
        if (it->second.granted == 0) continue;
        const uint64_t bytes = rng.Below(it->second.granted + 1);
        queue.OnRead(it->first, bytes, rng.Chance(0.8), At(time));
        it->second.granted = 0;
        if (it->second.removed) {
          mine.erase(it);
        } else {
          it->second.unacknowledged += bytes;
        }
      } else if (what < 8) {
        const uint64_t bytes = rng.Below(it->second.unacknowledged + 1);
        queue.OnAcknowledged(it->first, bytes, At(time));
        it->second.unacknowledged -= bytes;
      } else if (what == 8) {
        queue.Want(it->first);
      } else {
        queue.Remove(it->first);
        it->second.removed = true;
        it->second.unacknowledged = 0;
        if (it->second.granted == 0) mine.erase(it);
      }
      uint64_t used = 0;
      size_t reading = 0;
      for (const auto& [number, stream] : mine) {
        used += stream.granted + stream.unacknowledged;
        reading += stream.granted > 0 ? 1 : 0;
      }
      ASSERT_EQ(queue.used(), used);
      ASSERT_EQ(queue.reading(), reading);
      ASSERT_EQ(queue.size(), mine.size());
      ASSERT_LE(used, options.budget);
    }
  }
}

}  // namespace
}  // namespace blobd::transfer
