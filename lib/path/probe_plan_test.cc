#include "path/probe_plan.h"

#include <gtest/gtest.h>

namespace blobd::path {
namespace {

const Instant kStart = Instant::FromNanos(1'000'000'000);
const SocketAddress kA = *SocketAddress::Parse("192.0.2.1:1");
const SocketAddress kB = *SocketAddress::Parse("192.0.2.2:1");
using Addresses = std::vector<SocketAddress>;

TEST(ProbePlan, AsksSparePathsSteadily) {
  ProbePlan plan;
  plan.Follow({{kA, Rhythm::kSteady}}, kStart);
  for (int i = 0; i < 5; ++i) {
    const Instant due = kStart + i * ProbePlan::kSteadyPause;
    ASSERT_EQ(plan.NextDeadline(), due);
    EXPECT_EQ(plan.TakeDue(due), Addresses{kA});
    EXPECT_TRUE(plan.TakeDue(due).empty());
    EXPECT_EQ(plan.Missed(kA), i);
  }
  plan.Answered(kA);
  EXPECT_EQ(plan.Missed(kA), 0);
}

TEST(ProbePlan, AsksTheSilentEverMoreRarely) {
  ProbePlan plan;
  plan.Follow({{kA, Rhythm::kSeeking}}, kStart);
  Instant now = kStart;
  std::vector<int> pauses;
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(plan.TakeDue(now), Addresses{kA});
    pauses.push_back(static_cast<int>((*plan.NextDeadline() - now) / seconds(1)));
    now = *plan.NextDeadline();
  }
  EXPECT_EQ(pauses, (std::vector<int>{1, 2, 4, 8, 16, 32, 60, 60, 60}));
  plan.Answered(kA);
  EXPECT_EQ(plan.TakeDue(now), Addresses{kA});
  EXPECT_EQ(plan.NextDeadline(), now + seconds(1));
}

TEST(ProbePlan, AskingAllWakesTheResting) {
  ProbePlan plan;
  plan.Follow({{kA, Rhythm::kResting}, {kB, Rhythm::kSeeking}}, kStart);
  EXPECT_EQ(plan.TakeDue(kStart), Addresses{kB});
  plan.AskAll(kStart + milliseconds(10));
  EXPECT_EQ(plan.TakeDue(kStart + milliseconds(10)), (Addresses{kA, kB}));
  EXPECT_EQ(plan.Missed(kB), 0);
  EXPECT_EQ(plan.NextDeadline(), kStart + milliseconds(1010));  // kA rests again
}

TEST(ProbePlan, ForgetsWhatIsNotFollowed) {
  ProbePlan plan;
  plan.Follow({{kA, Rhythm::kSteady}}, kStart);
  plan.Follow({{kB, Rhythm::kResting}}, kStart);
  EXPECT_EQ(plan.NextDeadline(), std::nullopt);
  // A change of rhythm does not ask again before its time.
  plan.Follow({{kB, Rhythm::kSteady}}, kStart);
  EXPECT_EQ(plan.TakeDue(kStart), Addresses{kB});
  plan.Follow({{kB, Rhythm::kSeeking}}, kStart);
  EXPECT_TRUE(plan.TakeDue(kStart).empty());
}

}  // namespace
}  // namespace blobd::path
