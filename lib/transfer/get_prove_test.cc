// Nodes beside mirrors: proof for what others bring, and lines that were laid out by a claim.
#include <cstring>

#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr size_t kMiB = 1 << 20;

class GetProveTest : public GetSessionTest {
 protected:
  static GetOrder Claimed(const Kind& kind, uint64_t size, Range range) {
    const auto layout = std::make_shared<const GetLayout>(LayoutOfBlob(size, true));
    return {kind, GetShare{layout, range}, true};
  }
};

TEST_F(GetProveTest, GroupsComeBesidesTheShare) {
  const size_t size = 20 * kMiB + 7;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const auto layout = std::make_shared<const GetLayout>(LayoutOfBlob(size, false));
  bool asked = false;
  provider_->after_piece = [&] {
    if (std::exchange(asked, true)) return;
    provider_->session.lock()->Prove(RangeSet(Range{1000, 1001}));
    // A limit that is lowered does not end that.
    provider_->session.lock()->LowerLimit(4 * kMiB);
  };
  const auto [progress, end] =
      GetOrdered({{hash, BlobFormat::kRaw}, GetShare{layout, {0, 8 * kMiB}}});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  const RangeSet groups = Lookup(hash).groups;
  EXPECT_TRUE(groups.ContainsAll({0, 256})) << groups.ToString();
  EXPECT_TRUE(groups.Contains(1000));
  EXPECT_FALSE(groups.Contains(1001));
}

TEST_F(GetProveTest, WhatAMirrorClaimsIsProvenFirst) {
  const size_t size = 20 * kMiB + 7;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const auto [progress, end] =
      GetOrdered(Claimed({hash, BlobFormat::kRaw}, size, {4 * kMiB, 8 * kMiB}));
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_FALSE(end.line_is_void);
  EXPECT_TRUE(Lookup(hash).size_proven);
  EXPECT_TRUE(Lookup(hash).groups.Contains(1280));
}

TEST_F(GetProveTest, AFalseClaimIsFoundOutAndNobodyIsBlamed) {
  for (const int64_t off : {-5 * int64_t{kMiB}, int64_t{1}, 30 * int64_t{kMiB}}) {
    SCOPED_TRACE(off);
    NewProvider();
    const size_t size = 20 * kMiB + 7;
    const Hash hash = provider_->Add(RandomBytes(size, static_cast<uint64_t>(off) + 100 * kMiB));
    const Kind kind{hash, BlobFormat::kRaw};
    const uint64_t claimed = size + static_cast<uint64_t>(off);
    const auto [progress, end] = GetOrdered(Claimed(kind, claimed, {8 * kMiB, claimed}));
    EXPECT_EQ(end.outcome, Outcome::kStopped) << end.reason;
    EXPECT_TRUE(end.line_is_void);
    EXPECT_TRUE(Lookup(hash).size_proven);
    EXPECT_EQ(Lookup(hash).size, size);
    // Now that the store knows the size it is found out at once.
    const auto again = GetOrdered(Claimed(kind, claimed, {8 * kMiB, claimed})).second;
    EXPECT_TRUE(again.line_is_void);
    EXPECT_EQ(GetOrdered({kind, std::nullopt, true}).second.outcome, Outcome::kDone);
    ExpectComplete(hash);
  }
}

// Two answers contradict each other while the store opens the blob for the first of them. The end
// comes all the same.
TEST_F(GetProveTest, WhatTheStoreOwesToAVoidLineIsWaitedFor) {
  const size_t size = 20 * kMiB + 7;
  const uint64_t claimed = 30 * kMiB;
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    SCOPED_TRACE(seed);
    NewProvider();
    provider_->order = Rng(seed);
    holding_ = std::make_unique<HoldingStore>(*store_);
    const Hash hash = provider_->Add(RandomBytes(size, seed));
    provider_->tamper_request = [&](size_t number, Answer& answer) {
      if (number > 1) return;
      const uint64_t says = claimed + number;
      answer.bytes.resize(sizeof says);
      std::memcpy(answer.bytes.data(), &says, sizeof says);
      answer.end.reset();
    };
    provider_->after_piece = [&, pieces = 0]() mutable {
      if (++pieces >= 2) strand_->Post([&] { holding_->Release(); });
    };
    const GetEnd end = GetOrdered(Claimed({hash, BlobFormat::kRaw}, claimed, {0, claimed})).second;
    EXPECT_EQ(end.outcome, Outcome::kStopped) << end.reason;
    EXPECT_TRUE(end.line_is_void);
    EXPECT_EQ(Lookup(hash).size, size);
  }
}

// What was looked up for a line that is void by then is not asked for by its claim: the true answer
// would look like a lie.
TEST_F(GetProveTest, WhatWasLookedUpForAVoidLineIsNotAskedFor) {
  const size_t size = 20 * kMiB + 7;
  const uint64_t claimed = 30 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const Hash other = provider_->Add(RandomBytes(1, 2));
  shared_claims_ = std::make_shared<Claims>();
  const auto others = shared_claims_->Join({other, BlobFormat::kRaw}, {});
  holding_ = std::make_unique<HoldingStore>(*store_);
  bool looked_up = false;
  provider_->after_piece = [&, pieces = 0]() mutable {
    if (++pieces > 1) return;
    looked_up = holding_->held() > 0;
    strand_->Post([&] { holding_->Release(); });
  };
  const auto [progress, end] = GetOrdered(
      Claimed({hash, BlobFormat::kRaw}, claimed, {0, claimed}), [&](GetSession& /*session*/) {
        holding_->HoldLookups();
        Claims::Turn(*others).Take(other, RangeSet(Range{0, 1}));
        others->Got(other, RangeSet(Range{0, 1}));
      });
  EXPECT_TRUE(looked_up);
  EXPECT_EQ(end.outcome, Outcome::kStopped) << end.reason;
  EXPECT_TRUE(end.line_is_void);
}

}  // namespace
}  // namespace blobd::transfer
