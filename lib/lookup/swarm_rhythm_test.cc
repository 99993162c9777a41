#include "lookup/swarm_rhythm.h"

#include <gtest/gtest.h>

namespace blobd::lookup {
namespace {

using Act = SwarmRhythm::Act;
const Instant kStart = Instant::FromNanos(1'000'000'000);

class Rhythm : public testing::Test {
 protected:
  // What it does next, and when.
  Act Next() {
    now_ = rhythm_.NextDeadline();
    return rhythm_.Tick(now_);
  }
  Instant now_ = kStart;
  Rng rng_{1};
  SwarmRhythm rhythm_{{}, rng_, kStart};
};

TEST_F(Rhythm, AsksAtOnceThenAnswersThenIsQuiet) {
  EXPECT_EQ(Next(), Act::kAsk);
  EXPECT_EQ(now_, kStart);
  EXPECT_EQ(Next(), Act::kAnswer);
  EXPECT_LE(now_, kStart + milliseconds(10));
  EXPECT_EQ(Next(), Act::kAsk);
  EXPECT_GE(now_, kStart + seconds(10));
  EXPECT_LE(now_, kStart + seconds(12));
}

TEST_F(Rhythm, AnswersWhoAsks) {
  Next();
  Next();
  rhythm_.Asked(kStart + seconds(2));
  EXPECT_EQ(Next(), Act::kAnswer);
  EXPECT_LE(now_, kStart + seconds(2) + milliseconds(20));
}

TEST_F(Rhythm, IsSilentWhenEnoughHaveAnswered) {
  Next();
  rhythm_.Answered(9, now_);
  rhythm_.Answered(1, now_);
  EXPECT_EQ(Next(), Act::kAsk);
  EXPECT_GE(now_, kStart + seconds(10));
}

TEST_F(Rhythm, CannotBeMadeToShout) {
  Next();
  int answers = 0;
  for (Instant now = kStart; now < kStart + seconds(10); now = now + milliseconds(1)) {
    rhythm_.Asked(now);
    if (rhythm_.Tick(now) == Act::kAnswer) ++answers;
  }
  EXPECT_GT(answers, 10);
  EXPECT_LE(answers, 51);
}

TEST_F(Rhythm, TakesItsTimeInALargeSwarm) {
  Next();
  Next();
  rhythm_.SetSize(1000);
  Duration longest{0};
  for (int i = 0; i < 20; ++i) {
    rhythm_.Asked(now_);
    const Instant asked = now_;
    ASSERT_EQ(Next(), Act::kAnswer);
    longest = std::max(longest, now_ - asked);
  }
  EXPECT_GT(longest, seconds(2));
  EXPECT_LE(longest, seconds(11));
}

TEST_F(Rhythm, AsksWhenSomebodyWantsToKnow) {
  Next();
  Next();
  rhythm_.AskSoon(kStart + seconds(1));
  EXPECT_EQ(rhythm_.Tick(kStart + seconds(1)), Act::kAsk);
}

}  // namespace
}  // namespace blobd::lookup
