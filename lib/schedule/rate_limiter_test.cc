#include "schedule/rate_limiter.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/rng.h"
#include "base/units.h"

namespace blobd::schedule {
namespace {

// Owners that ask again as soon as they are granted, in virtual time that jumps to deadlines.
class RateLimiterTest : public testing::Test {
 protected:
  void Want(uint64_t owner, uint64_t bytes) { wants_[limiter_.Ask(owner, bytes)] = {owner, bytes}; }
  void StopOwner(uint64_t owner) {
    for (auto at = wants_.begin(); at != wants_.end();) {
      if (at->second.first != owner) {
        ++at;
        continue;
      }
      limiter_.Cancel(at->first);
      at = wants_.erase(at);
    }
  }
  void RunFor(Duration duration) {
    const Instant end = now_ + duration;
    while (true) {
      Step();
      const auto next = limiter_.NextDeadline();
      if (!next || *next > end) break;
      ASSERT_GT(*next, now_) << "a deadline that is not over yet";
      now_ = *next;
    }
    now_ = end;
    Step();
  }
  void Step() {
    std::vector<Grant> grants;
    limiter_.Step(now_, grants);
    limiter_.CheckInvariants();
    for (const Grant& grant : grants) {
      const auto [owner, bytes] = wants_.at(grant.ask);
      got_[owner] += grant.bytes;
      if (!grant.complete) continue;
      wants_.erase(grant.ask);
      if (again_) Want(owner, bytes);
    }
    if (again_ && !grants.empty() && limiter_.rate()) Step();
  }
  uint64_t Total() const {
    uint64_t total = 0;
    for (const auto& [owner, bytes] : got_) total += bytes;
    return total;
  }

  RateLimiter limiter_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  bool again_ = true;
  std::map<AskId, std::pair<uint64_t, uint64_t>> wants_;
  std::map<uint64_t, uint64_t> got_;
};

TEST_F(RateLimiterTest, WithoutALimitEverythingIsGrantedAtOnce) {
  again_ = false;
  Want(1, 5 * kGiB);
  Step();
  EXPECT_EQ(got_[1], 5 * kGiB);
  EXPECT_EQ(limiter_.waiting(), 0u);
  EXPECT_FALSE(limiter_.NextDeadline());
}

TEST_F(RateLimiterTest, KeepsRatesFromSlowToFast) {
  for (const uint64_t rate : {64 * kKiB, 1'000'000ul, 12'500'000ul, 1'250'000'000ul}) {
    SCOPED_TRACE(rate);
    limiter_ = {};
    wants_.clear();
    got_.clear();
    ASSERT_TRUE(limiter_.SetRate(now_, rate).ok());
    for (uint64_t owner = 1; owner <= 3; ++owner) Want(owner, 256 * kKiB);
    RunFor(milliseconds(250));
    const uint64_t before = Total();
    RunFor(seconds(10));
    const double measured = static_cast<double>(Total() - before) / 10;
    const double allowed = rate < 1'000'000 ? 0.1 * static_cast<double>(rate) + 1.7 * kKiB
                                            : 0.01 * static_cast<double>(rate);
    EXPECT_NEAR(measured, static_cast<double>(rate), allowed);
  }
}

TEST_F(RateLimiterTest, NeverMoreThanTheBucketAtOnce) {
  ASSERT_TRUE(limiter_.SetRate(now_, 10'000'000).ok());
  RunFor(seconds(60));  // idle: nothing is saved beyond the bucket
  Want(1, kGiB);
  Step();
  EXPECT_LE(got_[1], 500'000u);
  EXPECT_GE(got_[1], 400'000u);
}

TEST_F(RateLimiterTest, IsFairAmongEight) {
  ASSERT_TRUE(limiter_.SetRate(now_, 8'000'000).ok());
  // They ask for very different amounts at a time.
  for (uint64_t owner = 1; owner <= 8; ++owner) Want(owner, 2048ul << owner);
  RunFor(seconds(10));
  for (uint64_t owner = 1; owner <= 8; ++owner) {
    EXPECT_NEAR(static_cast<double>(got_[owner]), 1e7, 1e6) << owner;
  }
}

TEST_F(RateLimiterTest, ManyAsksOfOneOwnerAreOneOwner) {
  ASSERT_TRUE(limiter_.SetRate(now_, 1'000'000).ok());
  for (int i = 0; i < 50; ++i) Want(1, 64 * kKiB);
  Want(2, 64 * kKiB);
  RunFor(seconds(10));
  EXPECT_NEAR(static_cast<double>(got_[1]), static_cast<double>(got_[2]), 5e5);
}

TEST_F(RateLimiterTest, ANewcomerHasNothingSavedUpAndIsNotPunished) {
  ASSERT_TRUE(limiter_.SetRate(now_, 1'000'000).ok());
  Want(1, 64 * kKiB);
  RunFor(seconds(100));
  Want(2, 64 * kKiB);
  got_.clear();
  RunFor(seconds(1));
  EXPECT_NEAR(static_cast<double>(got_[2]), 5e5, 1e5);
  EXPECT_NEAR(static_cast<double>(got_[1]), 5e5, 1e5);
}

TEST_F(RateLimiterTest, AWaiterCancelledWhileFirstInLineBlocksNobody) {
  ASSERT_TRUE(limiter_.SetRate(now_, 1'000'000).ok());
  again_ = false;
  const AskId first = limiter_.Ask(1, kGiB);
  wants_[first] = {1, kGiB};
  Want(2, 100'000);
  RunFor(milliseconds(20));
  limiter_.Cancel(first);
  limiter_.Cancel(first);
  limiter_.CheckInvariants();
  const uint64_t before = got_[2];
  RunFor(milliseconds(100));
  EXPECT_EQ(got_[2], 100'000u) << before;
  EXPECT_EQ(limiter_.waiting(), 0u);
  EXPECT_EQ(limiter_.owners(), 0u) << "it leaves no trace";
}

TEST_F(RateLimiterTest, IsChangedSetAndRemovedLive) {
  again_ = true;
  ASSERT_TRUE(limiter_.SetRate(now_, 1'000'000).ok());
  Want(1, 64 * kKiB);
  RunFor(seconds(2));
  ASSERT_TRUE(limiter_.SetRate(now_, 20'000'000).ok());
  got_.clear();
  RunFor(seconds(1));
  EXPECT_NEAR(static_cast<double>(Total()), 2e7, 1e6);
  ASSERT_TRUE(limiter_.SetRate(now_, 100'000).ok());
  got_.clear();
  RunFor(seconds(10));
  EXPECT_NEAR(static_cast<double>(Total()), 1e6, 1e5) << "what was saved at the old rate is cut";
  again_ = false;
  Want(2, kGiB);
  RunFor(milliseconds(10));
  ASSERT_TRUE(limiter_.SetRate(now_, std::nullopt).ok());
  Step();
  EXPECT_EQ(got_[2], kGiB) << "who waited goes at once";
  EXPECT_EQ(limiter_.waiting(), 0u);
}

TEST_F(RateLimiterTest, ZeroIsRefusedAndChangesNothing) {
  ASSERT_TRUE(limiter_.SetRate(now_, 5).ok());
  EXPECT_EQ(limiter_.SetRate(now_, 0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(limiter_.rate(), 5u);
}

TEST_F(RateLimiterTest, ALargeAskDoesNotHoldSmallOnes) {
  ASSERT_TRUE(limiter_.SetRate(now_, 1'000'000).ok());
  again_ = false;
  Want(1, kGiB);
  RunFor(seconds(5));
  Want(2, 16 * kKiB);
  RunFor(milliseconds(100));
  EXPECT_EQ(got_[2], 16 * kKiB);
}

TEST_F(RateLimiterTest, RandomHistoriesKeepItsInvariants) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    RateLimiter limiter;
    Instant now = now_;
    std::map<AskId, uint64_t> left;
    for (int i = 0; i < 400; ++i) {
      now = now + Duration(rng.Below(20'000'000));
      switch (rng.Below(5)) {
        case 0:
        case 1: {
          const uint64_t bytes = 1 + rng.Below(1 << 20);
          left[limiter.Ask(rng.Below(10), bytes)] = bytes;
          break;
        }
        case 2:
          if (!left.empty()) {
            auto at = left.begin();
            std::advance(at, static_cast<ptrdiff_t>(rng.Below(left.size())));
            limiter.Cancel(at->first);
            left.erase(at);
          }
          break;
        case 3: {
          std::optional<uint64_t> rate;
          if (!rng.Chance(0.2)) rate = 1 + rng.Below(50'000'000);
          ASSERT_TRUE(limiter.SetRate(now, rate).ok());
          break;
        }
        default:
          break;
      }
      std::vector<Grant> grants;
      limiter.Step(now, grants);
      limiter.CheckInvariants();
      for (const Grant& grant : grants) {
        ASSERT_TRUE(left.contains(grant.ask)) << "granted twice, or after it was cancelled";
        ASSERT_LE(grant.bytes, left[grant.ask]);
        left[grant.ask] -= grant.bytes;
        ASSERT_EQ(grant.complete, left[grant.ask] == 0);
        if (grant.complete) left.erase(grant.ask);
      }
      ASSERT_EQ(limiter.waiting(), left.size());
    }
  }
}

}  // namespace
}  // namespace blobd::schedule
