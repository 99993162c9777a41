#include "transfer/mirror_claims.h"

#include <gtest/gtest.h>

#include <cstring>

namespace blobd::transfer {
namespace {

constexpr Hash kA{{1}};
constexpr Hash kB{{2}};
constexpr MirrorGetKey kOne{TransferId{1}, 1};
constexpr MirrorGetKey kTwo{TransferId{1}, 2};
constexpr MirrorGetKey kThree{TransferId{2}, 1};

TEST(MirrorClaimsTest, OneHasABlobAndOthersWaitInOrder) {
  MirrorClaims claims;
  std::vector<int> ran;
  EXPECT_FALSE(claims.IsTaken(kA));
  EXPECT_TRUE(claims.Take(kOne, kA));
  EXPECT_FALSE(claims.Take(kTwo, kA));
  EXPECT_TRUE(claims.Take(kTwo, kB));
  EXPECT_TRUE(claims.IsTaken(kA));
  claims.WaitFor(kA, kThree, [&] { ran.push_back(3); });
  claims.WaitFor(kA, kTwo, [&] { ran.push_back(2); });
  claims.Release(kTwo);
  EXPECT_FALSE(claims.IsTaken(kB));
  EXPECT_TRUE(ran.empty());
  claims.Release(kOne);
  EXPECT_EQ(ran, (std::vector{3, 2}));
  EXPECT_FALSE(claims.IsTaken(kA));
  claims.Release(kOne);
  EXPECT_EQ(ran.size(), 2u);
}

TEST(MirrorClaimsTest, WhoStopsWaitingIsNotCalled) {
  MirrorClaims claims;
  int ran = 0;
  ASSERT_TRUE(claims.Take(kOne, kA));
  claims.WaitFor(kA, kTwo, [&] { ++ran; });
  claims.WaitFor(kA, kThree, [&] { ++ran; });
  EXPECT_TRUE(claims.StopWaiting(kTwo));
  EXPECT_FALSE(claims.StopWaiting(kTwo));
  EXPECT_FALSE(claims.StopWaiting(kOne)) << "it has it";
  claims.Release(kOne);
  EXPECT_EQ(ran, 1);
}

TEST(MirrorClaimsTest, WhatEndedAMomentAgoIsNotTakenAgain) {
  MirrorClaims claims;
  ASSERT_TRUE(claims.Take(kOne, kA));
  claims.Release(kOne);
  EXPECT_FALSE(claims.Take(kTwo, kA));
  for (uint64_t i = 0; i < MirrorClaims::kRemembered; ++i) {
    Hash other;
    std::memcpy(other.bytes.data(), &i, sizeof i);
    other.bytes[31] = 1;
    ASSERT_TRUE(claims.Take({TransferId{3}, i}, other));
    claims.Release({TransferId{3}, i});
  }
  EXPECT_TRUE(claims.Take(kTwo, kA)) << "it is forgotten";
}

}  // namespace
}  // namespace blobd::transfer
