#include "transfer/mirror_claims.h"

#include <gtest/gtest.h>

#include <cstring>

namespace blobd::transfer {
namespace {

constexpr Instant kNow{seconds(100)};
constexpr Hash kA{{1}};
constexpr Hash kB{{2}};
constexpr MirrorGetKey kOne{TransferId{1}, 1};
constexpr MirrorGetKey kTwo{TransferId{1}, 2};
constexpr MirrorGetKey kThree{TransferId{2}, 1};

TEST(MirrorClaimsTest, OneHasABlobAndOthersWaitInOrder) {
  MirrorClaims claims;
  std::vector<int> ran;
  EXPECT_FALSE(claims.IsTaken(kA));
  EXPECT_TRUE(claims.Take(kOne, kA, kNow));
  EXPECT_FALSE(claims.Take(kTwo, kA, kNow));
  EXPECT_TRUE(claims.Take(kTwo, kB, kNow));
  EXPECT_TRUE(claims.IsTaken(kA));
  claims.WaitFor(kA, kThree, kNow, [&] { ran.push_back(3); });
  claims.WaitFor(kA, kTwo, kNow, [&] { ran.push_back(2); });
  claims.Release(kTwo, kNow);
  EXPECT_FALSE(claims.IsTaken(kB));
  EXPECT_TRUE(ran.empty());
  claims.Release(kOne, kNow);
  EXPECT_EQ(ran, (std::vector{3, 2}));
  EXPECT_FALSE(claims.IsTaken(kA));
  claims.Release(kOne, kNow);
  EXPECT_EQ(ran.size(), 2u);
}

TEST(MirrorClaimsTest, WhoStopsWaitingIsNotCalled) {
  MirrorClaims claims;
  int ran = 0;
  ASSERT_TRUE(claims.Take(kOne, kA, kNow));
  claims.WaitFor(kA, kTwo, kNow, [&] { ++ran; });
  claims.WaitFor(kA, kThree, kNow, [&] { ++ran; });
  EXPECT_TRUE(claims.StopWaiting(kTwo));
  EXPECT_FALSE(claims.StopWaiting(kTwo));
  EXPECT_FALSE(claims.StopWaiting(kOne)) << "it has it";
  claims.Release(kOne, kNow);
  EXPECT_EQ(ran, 1);
}

TEST(MirrorClaimsTest, WhatEndedAMomentAgoIsNotTakenAgain) {
  MirrorClaims claims;
  ASSERT_TRUE(claims.Take(kOne, kA, kNow));
  claims.Release(kOne, kNow);
  EXPECT_FALSE(claims.Take(kTwo, kA, kNow));
  for (uint64_t i = 0; i < MirrorClaims::kRemembered; ++i) {
    Hash other;
    std::memcpy(other.bytes.data(), &i, sizeof i);
    other.bytes[31] = 1;
    ASSERT_TRUE(claims.Take({TransferId{3}, i}, other, kNow));
    claims.Release({TransferId{3}, i}, kNow);
  }
  EXPECT_TRUE(claims.Take(kTwo, kA, kNow)) << "it is forgotten";
  claims.Release(kTwo, kNow);
  EXPECT_FALSE(claims.Take(kTwo, kA, kNow + seconds(1)));
  EXPECT_TRUE(claims.Take(kTwo, kA, kNow + MirrorClaims::kRememberedFor));
}

TEST(MirrorClaimsTest, NobodyWaitsLongForOneThatIsSlow) {
  MirrorClaims claims;
  int ran = 0;
  ASSERT_TRUE(claims.Take(kOne, kA, kNow));
  claims.WaitFor(kA, kTwo, kNow, [&] { ++ran; });
  EXPECT_TRUE(claims.Waits(kTwo));
  EXPECT_FALSE(claims.Waits(kOne));
  claims.Beat(kNow + milliseconds(999));
  EXPECT_EQ(ran, 0);
  claims.Beat(kNow + MirrorClaims::kMostWait);
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(claims.Waits(kTwo));
  claims.Release(kOne, kNow);
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace blobd::transfer
