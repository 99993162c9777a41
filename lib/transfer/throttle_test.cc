#include "transfer/throttle.h"

#include <gtest/gtest.h>

#include <map>

#include "base/units.h"
#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

constexpr uint64_t kGroup = 16 * kKiB;

class ThrottleTest : public testing::Test {
 protected:
  void Want(uint64_t owner, uint64_t bytes) {
    throttle_.Ask(owner, bytes, [this, owner, bytes](uint64_t granted) {
      got_[owner] += granted;
      if (again_ && got_[owner] % bytes == 0) Want(owner, bytes);
    });
  }
  void Pass(Duration duration) {
    const Instant end = time_.Now() + duration;
    while (time_.Step(end)) {
    }
  }

  VirtualTime time_;
  Throttle throttle_{time_};
  std::map<uint64_t, uint64_t> got_;
  bool again_ = false;
};

TEST_F(ThrottleTest, NothingIsAskedWhereNothingIsLimited) {
  EXPECT_FALSE(throttle_.limits());
  throttle_.SetRate(1'000'000);
  EXPECT_TRUE(throttle_.limits());
  throttle_.SetRate(std::nullopt);
  EXPECT_FALSE(throttle_.limits());
  EXPECT_EQ(time_.size(), 0u);
}

TEST_F(ThrottleTest, KeepsTheRateLessTheHeadersOfPackets) {
  throttle_.SetRate(3'300'000);
  again_ = true;
  for (uint64_t owner = 1; owner <= 3; ++owner) Want(owner, 64 * kKiB);
  Pass(seconds(10));
  uint64_t total = 0;
  for (const auto& [owner, bytes] : got_) {
    EXPECT_NEAR(static_cast<double>(bytes), 32e6 / 3, 3e5);
    total += bytes;
  }
  EXPECT_NEAR(static_cast<double>(total), 32e6, 3e5);
}

TEST_F(ThrottleTest, SaysWhatItHoldsBackAndForHowLong) {
  throttle_.SetRate(33 * kGroup);  // less headers 32 a second
  Pass(seconds(5));
  EXPECT_EQ(throttle_.effect().limited, Duration::zero()) << "nobody wanted anything";
  Want(1, 64 * kGroup);
  EXPECT_EQ(throttle_.effect().held_back_bytes, 64 * kGroup);
  Pass(seconds(1));
  EXPECT_NEAR(static_cast<double>(throttle_.effect().held_back_bytes), 32.0 * kGroup, 4.0 * kGroup);
  EXPECT_EQ(throttle_.effect().limited, seconds(1));
  Pass(seconds(10));
  EXPECT_EQ(throttle_.effect().held_back_bytes, 0u);
  const Duration limited = throttle_.effect().limited;
  EXPECT_GT(limited, milliseconds(1800));
  EXPECT_LT(limited, milliseconds(2200));
  const auto ask = throttle_.Ask(2, 64 * kGroup, [](uint64_t) {});
  Pass(milliseconds(500));
  throttle_.Cancel(ask);
  Pass(seconds(5));
  EXPECT_EQ(throttle_.effect().limited, limited + milliseconds(500));
}

TEST_F(ThrottleTest, KnowsWhomItHoldsBack) {
  throttle_.SetRate(33 * kGroup);
  Want(1, 8 * kGroup);
  Want(2, 20 * kGroup);
  EXPECT_TRUE(throttle_.HoldsBack(1));
  EXPECT_TRUE(throttle_.HoldsBack(2));
  EXPECT_FALSE(throttle_.HoldsBack(3));
  Pass(milliseconds(600));
  EXPECT_FALSE(throttle_.HoldsBack(1));
  EXPECT_TRUE(throttle_.HoldsBack(2));
  throttle_.SetRate(std::nullopt);
  Pass(milliseconds(1));
  EXPECT_FALSE(throttle_.HoldsBack(2));
}

TEST_F(ThrottleTest, ChangesAtOnceAndTellsOfIt) {
  int changes = 0;
  throttle_.OnChange([&] { ++changes; });
  throttle_.SetRate(64 * kKiB);
  EXPECT_EQ(throttle_.window(), 64 * kKiB);
  Want(1, 100 * kMiB);
  Pass(seconds(1));
  EXPECT_LT(got_[1], 80 * kKiB);
  throttle_.SetRate(8'000'000);
  throttle_.SetRate(8'000'000);
  EXPECT_EQ(throttle_.window(), 2'000'000u);
  Pass(seconds(1));
  EXPECT_NEAR(static_cast<double>(got_[1]), 7.8e6, 5e5);
  throttle_.SetRate(std::nullopt);
  Pass(milliseconds(1));
  EXPECT_EQ(got_[1], 100 * kMiB) << "who waited goes on at once";
  EXPECT_FALSE(throttle_.limits());
  EXPECT_EQ(changes, 3);
  throttle_.SetRate(1'000'000'000);
  EXPECT_EQ(throttle_.window(), Throttle::kMostWindow);
}

TEST_F(ThrottleTest, WhoLeavesWhileFirstInLineBlocksNobody) {
  throttle_.SetRate(64 * kKiB);
  const auto first = throttle_.Ask(1, 100 * kMiB, [](uint64_t) {});
  Want(2, 32 * kKiB);
  throttle_.Cancel(first);
  throttle_.Cancel(first);
  Pass(seconds(1));
  EXPECT_EQ(got_[2], 32 * kKiB);
  EXPECT_EQ(throttle_.waiting(), 0u);
  EXPECT_EQ(time_.size(), 0u) << "it leaves no trace";
}

TEST_F(ThrottleTest, WhatAnOwnerThatGoesWaitedForIsGivenAtOnce) {
  throttle_.SetRate(64 * kKiB);
  Want(1, 100 * kMiB);
  Want(1, 5);
  Want(2, 32 * kKiB);
  throttle_.Release(1);
  EXPECT_EQ(got_[1], 100 * kMiB + 5);
  Pass(seconds(1));
  EXPECT_EQ(got_[2], 32 * kKiB) << "and nobody pays for it";
  EXPECT_EQ(throttle_.waiting(), 0u);
}

TEST_F(ThrottleTest, CallbacksMayTakeTheOthersAway) {
  throttle_.SetRate(1'000'000'000);
  schedule::AskId second;
  bool called = false;
  throttle_.Ask(1, 10, [&](uint64_t) {
    throttle_.Cancel(second);
    throttle_.Release(3);
  });
  second = throttle_.Ask(2, 10, [&](uint64_t) { called = true; });
  Want(3, 10);
  Pass(seconds(1));
  EXPECT_FALSE(called);
  EXPECT_EQ(got_[3], 10u);
  EXPECT_EQ(throttle_.waiting(), 0u);
}

}  // namespace
}  // namespace blobd::transfer
