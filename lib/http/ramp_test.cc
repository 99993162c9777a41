#include "http/ramp.h"

#include <gtest/gtest.h>

#include <vector>

#include "http/rate.h"

namespace blobd::http {
namespace {

// One origin in virtual time. Connections are opened whenever the ramp allows; the test says when
// they deliver and fail.
class RampTest : public testing::Test {
 protected:
  void Start(RampOptions options = {}) { ramp_.emplace(options, 7); }
  // Opens what may open now; returns how many.
  uint32_t Open() {
    uint32_t opened = 0;
    while (ramp_->MayOpen(now_)) {
      ramp_->OnOpened(now_);
      ++opened;
    }
    return opened;
  }
  void Deliver(uint32_t count, Duration took = milliseconds(20)) {
    now_ = now_ + took;
    for (uint32_t i = 0; i < count; ++i) ramp_->OnDelivered(now_, took);
  }
  void Fail() { ramp_->OnClosed(now_, false, false); }
  void Finish(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) ramp_->OnClosed(now_, true, false);
  }
  // Waits until the ramp allows more; returns how long that was.
  Duration Pause() {
    const auto at = ramp_->NextOpening(now_);
    EXPECT_TRUE(at);
    const Duration pause = *at - now_;
    now_ = *at;
    return pause;
  }

  Instant now_ = Instant::FromNanos(1'000'000'000'000);
  std::optional<Ramp> ramp_;
};

TEST_F(RampTest, ProbeThenBatchesWithPausesUpToTheCap) {
  Start();
  EXPECT_EQ(Open(), 1u);
  EXPECT_FALSE(ramp_->NextOpening(now_)) << "only the probe's first byte can change it";
  Deliver(1);
  EXPECT_EQ(Open(), 2u);
  Deliver(1);
  EXPECT_EQ(Open(), 0u) << "a batch is confirmed by all of it";
  Deliver(1);
  EXPECT_EQ(Open(), 0u) << "and a pause follows";
  const Duration pause = Pause();
  EXPECT_GE(pause, milliseconds(100));  // 5 times the probe's 20 ms
  EXPECT_LE(pause, milliseconds(200));
  EXPECT_EQ(Open(), 2u);
  Deliver(2);
  Pause();
  EXPECT_EQ(Open(), 2u);
  Deliver(2);
  Pause();
  EXPECT_EQ(Open(), 1u) << "the eighth is the last";
  Deliver(1);
  EXPECT_EQ(ramp_->running(), 8u);
  EXPECT_FALSE(ramp_->NextOpening(now_));
}

TEST_F(RampTest, PausesAreBounded) {
  Start();
  Open();
  Deliver(1, seconds(3));
  EXPECT_EQ(Open(), 2u);
  Deliver(2);
  EXPECT_EQ(Pause(), Duration(seconds(1)));
}

TEST_F(RampTest, PoliteOriginsGetLongerPauses) {
  RampOptions options;
  options.polite = true;
  Start(options);
  Open();
  Deliver(1);
  EXPECT_EQ(Open(), 0u);
  const Duration pause = Pause();
  EXPECT_GE(pause, milliseconds(500));
  EXPECT_LE(pause, seconds(1));
}

TEST_F(RampTest, AFailureMeansOneAtATimeAndASmallerCap) {
  Start();
  Open();
  Deliver(1);
  Open();
  Fail();
  EXPECT_EQ(ramp_->cap(now_), 7u);
  EXPECT_EQ(Open(), 0u) << "the other one of the batch is still on its way";
  Deliver(1);
  Pause();
  EXPECT_EQ(Open(), 1u) << "the other one was opened before: it is no sign that it works again";
  Fail();
  EXPECT_EQ(ramp_->cap(now_), 6u);
  Pause();
  EXPECT_EQ(Open(), 1u);
  Deliver(1);
  Pause();
  EXPECT_EQ(Open(), 2u) << "something succeeded";
}

TEST_F(RampTest, TheCapNeverFallsBelowOneAndGrowsBack) {
  Start();
  for (int i = 0; i < 20; ++i) {
    Pause();
    ASSERT_EQ(Open(), 1u);
    Fail();
  }
  EXPECT_EQ(ramp_->cap(now_), 1u);
  now_ = now_ + seconds(59);
  EXPECT_EQ(ramp_->cap(now_), 1u);
  now_ = now_ + seconds(1);
  EXPECT_EQ(ramp_->cap(now_), 2u);
  now_ = now_ + seconds(61);
  EXPECT_EQ(ramp_->cap(now_), 3u);
  now_ = now_ + seconds(600);
  EXPECT_EQ(ramp_->cap(now_), 8u);
}

TEST_F(RampTest, WaitsForTheCapToGrowBack) {
  RampOptions options;
  options.cap = 2;
  Start(options);
  Open();
  Deliver(1);
  Open();
  Fail();
  EXPECT_EQ(Open(), 0u);
  EXPECT_EQ(Pause(), Duration(seconds(60)));
  EXPECT_EQ(Open(), 1u);
}

TEST_F(RampTest, WhatWasProvenIsUsedAgainAtOnce) {
  Start();
  Open();
  Deliver(1);
  Open();
  Deliver(2);
  Finish(3);
  EXPECT_EQ(Open(), 3u) << "their connections are still there";
  ramp_->OnClosed(now_, false, true);  // we ended one of them ourselves: no failure
  EXPECT_EQ(ramp_->cap(now_), 8u);
}

TEST_F(RampTest, AnIdleOriginIsProbedAgain) {
  Start();
  Open();
  Deliver(1);
  Open();
  Deliver(2);
  Finish(3);
  now_ = now_ + seconds(61);
  EXPECT_TRUE(ramp_->IsFresh(now_));
  EXPECT_EQ(Open(), 1u);
}

TEST_F(RampTest, CanBeSwitchedOff) {
  RampOptions options;
  options.ramp = false;
  Start(options);
  EXPECT_EQ(Open(), 8u);
}

TEST_F(RampTest, TheCapIsLive) {
  RampOptions options;
  options.ramp = false;
  Start(options);
  Open();
  options.cap = 3;
  ramp_->SetOptions(options);
  EXPECT_EQ(ramp_->surplus(now_), 5u);
  Deliver(8);
  Finish(5);
  EXPECT_EQ(ramp_->surplus(now_), 0u);
  EXPECT_EQ(Open(), 0u);
  options.cap = 5;
  ramp_->SetOptions(options);
  EXPECT_EQ(Open(), 2u);
}

TEST_F(RampTest, AFurtherConnectionMustSaveMoreThanItCosts) {
  Start();
  EXPECT_TRUE(ramp_->IsWorthIt(now_, 1, 0)) << "the first is no further one";
  Open();
  Deliver(1, milliseconds(50));
  // 10 x 50 ms is half a second; a second connection saves half of what is left.
  EXPECT_FALSE(ramp_->IsWorthIt(now_, 900'000, 1e6));
  EXPECT_TRUE(ramp_->IsWorthIt(now_, 1'100'000, 1e6));
  EXPECT_FALSE(ramp_->IsWorthIt(now_, 1'100'000, 0)) << "nothing is measured yet";
}

TEST_F(RampTest, PoliteOriginsGetFurtherConnectionsForLongWorkOnly) {
  RampOptions options;
  options.polite = true;
  Start(options);
  Open();
  Deliver(1);
  EXPECT_FALSE(ramp_->IsWorthIt(now_, 1'000'000'000, 1e6)) << "not before 15 s";
  now_ = now_ + seconds(15);
  EXPECT_TRUE(ramp_->IsWorthIt(now_, 1'000'000'000, 1e6));
  EXPECT_FALSE(ramp_->IsWorthIt(now_, 59'000'000, 1e6)) << "not when it ends within 60 s";
}

TEST(RateTest, CountsTheLastOneAndAHalfSeconds) {
  Rate rate;
  Instant now = Instant::FromNanos(5'000'000'000);
  EXPECT_EQ(rate.PerSecond(now), 0);
  for (int i = 0; i < 80; ++i) {
    rate.Add(now, 1000);
    now = now + milliseconds(50);
  }
  EXPECT_NEAR(rate.PerSecond(now), 20'000, 2'000);
  now = now + seconds(2);
  EXPECT_EQ(rate.PerSecond(now), 0);
  rate.Add(now, 1000);
  EXPECT_EQ(rate.PerSecond(now + milliseconds(500)), 2000);
}

}  // namespace
}  // namespace blobd::http
