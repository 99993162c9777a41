#include "transfer/mirror_get.h"

#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

constexpr uint64_t kMiB = 1 << 20;

TEST_F(MirrorGetTest, AFileComesInPartsAndNothingTwice) {
  const TestBlob blob(20 * kMiB + 77, 1);
  const auto mirror = Serving(blob.content);
  const Running get = Get(BlobOf(blob.hash), mirror);
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_TRUE(get.observer->blob_over);
  store_.ExpectComplete(blob);
  EXPECT_EQ(get.observer->progress.verified_bytes, blob.size());
  EXPECT_EQ(get.observer->progress.moved_bytes, blob.size());
  EXPECT_EQ(mirror->sent, blob.size());
  EXPECT_EQ(mirror->consumed, blob.size());
  EXPECT_GE(mirror->asks.size(), 3u);
  EXPECT_FALSE(mirror->patient[0]) << "the probe waits for nobody";
  EXPECT_TRUE(mirror->patient[1]);
}

TEST_F(MirrorGetTest, AllSizesWithAndWithoutRangesAndLength) {
  for (const uint64_t size : {0ul, 1ul, kGroupSize - 1, kGroupSize, kGroupSize + 1, 5 * kGroupSize,
                              64 * kGroupSize, 65 * kGroupSize + 1, 3 * kMiB + 5}) {
    for (const bool ranges : {true, false}) {
      for (const bool length : {true, false}) {
        if (ranges && !length) continue;  // parts come with the length
        SCOPED_TRACE(testing::Message() << size << " ranges " << ranges << " length " << length);
        const TestBlob blob(size, size + ranges * 2 + length);
        const auto mirror = Serving(blob.content);
        mirror->ranges = ranges;
        mirror->length = length;
        const Running get = Get(BlobOf(blob.hash), mirror);
        EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
        store_.ExpectComplete(blob);
        if (!length && size > 0) {
          EXPECT_EQ(mirror->asks.size(), 1u);
        }
      }
    }
  }
}

TEST_F(MirrorGetTest, WrongBytesAreNeverReadableAndBlameIsNotProven) {
  for (const uint64_t size : {100ul, 3 * kMiB}) {
    for (const bool length : {true, false}) {
      SCOPED_TRACE(testing::Message() << size << " length " << length);
      const TestBlob blob(size, size + length);
      const auto mirror = Serving(blob.content);
      mirror->content[size / 2] ^= 1;
      mirror->length = mirror->ranges = length;
      const Running get = Get(BlobOf(blob.hash), mirror);
      EXPECT_EQ(get.observer->end->outcome, Outcome::kWrongContent);
      EXPECT_NE(get.observer->end->reason.find("content does not match"), std::string::npos);
      EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet());
    }
  }
}

TEST_F(MirrorGetTest, AfterAWrongOneAnotherIsTriedWhateverItsSize) {
  for (const uint64_t wrong_size : {3 * kMiB, 2 * kMiB + 1, uint64_t{10}}) {
    SCOPED_TRACE(wrong_size);
    const TestBlob blob(3 * kMiB, wrong_size);
    const TestBlob wrong(wrong_size, 5);
    const auto mirrors = BlobOf(blob.hash);
    EXPECT_EQ(Get(mirrors, Serving(wrong.content), "http://wrong").observer->end->outcome,
              Outcome::kWrongContent);
    EXPECT_EQ(Get(mirrors, Serving(wrong.content), "http://wrong").observer->end->outcome,
              Outcome::kWrongContent)
        << "it is not asked again";
    const Running get = Get(mirrors, Serving(blob.content), "http://right");
    EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
    store_.ExpectComplete(blob);
  }
}

TEST_F(MirrorGetTest, ABodyThatBreaksOffIsContinuedWhereItEnded) {
  const TestBlob blob(3 * kMiB + 5, 1);
  const auto mirror = Serving(blob.content);
  mirror->break_after = 700'000;
  const Running get = Get(BlobOf(blob.hash), mirror);
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  store_.ExpectComplete(blob);
  EXPECT_LT(mirror->sent, blob.size() + 6 * kGroupSize) << "at most what was cut within a group";
}

TEST_F(MirrorGetTest, WhatOneBroughtTheNextDoesNotAskFor) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirrors = BlobOf(blob.hash);
  const auto first = Serving(blob.content);
  first->ranges = false;  // so it is not asked again by itself
  first->break_after = 2 * kMiB;
  const Running broken = Get(mirrors, first, "http://first");
  EXPECT_EQ(broken.observer->end->outcome, Outcome::kRetryLater);
  EXPECT_FALSE(broken.observer->blob_over);
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet()) << "nothing of it is verified";
  const auto second = Serving(blob.content);
  const Running get = Get(mirrors, second, "http://second");
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_EQ(second->sent, blob.size() - 2 * kMiB);
  store_.ExpectComplete(blob);
}

// What an earlier life of the process was sent is not asked for again, if it is still there.
TEST_F(MirrorGetTest, TheNextLifeGoesOnWhereThisOneEnded) {
  const TestBlob blob(3 * kMiB, 1);
  const auto first = Serving(blob.content);
  first->ranges = false;
  first->break_after = 2 * kMiB;
  Get(BlobOf(blob.hash), first, "http://first");
  NextLife();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet()) << "unverified stays unverified";
  store::FlipByte(store_.layout().Partial(blob.hash).data, 5);
  const auto second = Serving(blob.content);
  const Running get = Get(BlobOf(blob.hash), second, "http://second");
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_EQ(second->sent, kMiB + kGroupSize);
  store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
}

TEST_F(MirrorGetTest, WhatNobodyWantsGoes) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->ranges = false;
  mirror->break_after = 2 * kMiB;
  auto mirrors = BlobOf(blob.hash);
  Get(mirrors, mirror);
  store_.store().ForgetUnproven(blob.hash);
  mirrors.reset();
  NextLife();
  store_.ExpectNoPartialFiles();
}

// Parts come, and nobody says of how much. Where they end is no end of the file.
TEST_F(MirrorGetTest, PartsOfAFileWithoutASizeAreAskedForInOnePieceLater) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirrors = BlobOf(blob.hash);
  const auto mirror = Serving(blob.content);
  mirror->length = false;
  mirror->break_after = kMiB;
  EXPECT_EQ(Get(mirrors, mirror).observer->end->outcome, Outcome::kRetryLater);
  ASSERT_EQ(mirror->asks.size(), 1u);
  mirror->ranges = false;
  mirror->break_after = UINT64_MAX;
  const Running get = Get(mirrors, mirror);
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_FALSE(mirror->asks[1].ranged());
  store_.ExpectComplete(blob);
}

TEST_F(MirrorGetTest, ALaneThatFailedIsNotOpenedAgainAtOnce) {
  clock_ = &store_.clock;
  const TestBlob blob(20 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->willing = 1;
  const Running get = Start(BlobOf(blob.hash), mirror);
  while (mirror->asks.size() < 2) store_.inbox().RunOne();
  while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  EXPECT_FALSE(get.observer->end);
  const size_t failed = mirror->asks.size() - 1;
  EXPECT_LE(failed, 7u) << "each of its lanes once";
  mirror->willing = SIZE_MAX;
  store_.clock.Advance(seconds(1));
  get.get->Beat();
  EXPECT_GT(mirror->asks.size(), failed + 1);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << get.observer->end->reason;
  store_.ExpectComplete(blob);
}

// Fewer connections are allowed, and the youngest was a probe: it waits for its turn again.
TEST_F(MirrorGetTest, AProbeThatIsSurplusIsMadeAgain) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->silent = true;
  const Running get = Start(BlobOf(blob.hash), mirror);
  while (mirror->asks.empty()) store_.inbox().RunOne();
  mirror->silent = false;
  mirror->EndAsSurplus(1);
  EXPECT_EQ(mirror->asks.size(), 2u);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
  store_.ExpectComplete(blob);
}

TEST_F(MirrorGetTest, RefusalsAreToldAsTheyAre) {
  using Kind = http::FetchEnd::Kind;
  const std::pair<Kind, Outcome> cases[] = {{Kind::kNotHere, Outcome::kAbortRequest},
                                            {Kind::kBusy, Outcome::kBusy},
                                            {Kind::kFailed, Outcome::kRetryLater},
                                            {Kind::kForbidden, Outcome::kAbortRequest},
                                            {Kind::kLocalFault, Outcome::kLocalFault}};
  const TestBlob blob(100, 1);
  for (const auto& [kind, outcome] : cases) {
    const auto mirror = Serving(blob.content);
    mirror->refusal.emplace();
    mirror->refusal->kind = kind;
    mirror->refusal->reason = "so it is";
    mirror->refusal->retry_after = seconds(7);
    const Running get = Get(BlobOf(blob.hash), mirror);
    EXPECT_EQ(get.observer->end->outcome, outcome);
    EXPECT_EQ(get.observer->end->reason, "so it is");
    EXPECT_EQ(get.observer->end->wait, seconds(7));
    if (outcome == Outcome::kLocalFault) {
      EXPECT_EQ(get.observer->end->own_fault, schedule::OwnFault::kNetwork);
    }
  }
}

// A node brings something of the blob with its proof: what that proves is checked at once.
TEST_F(MirrorGetTest, ProofsOfOthersNameTheLiarAndCostABlock) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirrors = BlobOf(blob.hash);
  store_.Write(blob, RangeSet(Range{64, 65}));
  store_.Write(blob, RangeSet(Range{191, 192}));
  const auto liar = Serving(blob.content);
  liar->content[2 * kMiB + 5] ^= 1;
  const Running wrong = Get(mirrors, liar, "http://liar");
  EXPECT_EQ(wrong.observer->end->outcome, Outcome::kDropProvider) << wrong.observer->end->reason;
  const auto honest = Serving(blob.content);
  const Running get = Get(mirrors, honest, "http://honest");
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_LE(honest->sent, 2 * kMiB);
  store_.ExpectComplete(blob);
}

// Pairs for which there is no memory are made once more of the data.
TEST_F(MirrorGetTest, AllBlobsTogetherKeepABoundedNumberOfPairs) {
  for (const uint64_t most : {uint64_t{0}, uint64_t{100 * sizeof(bao::PathPair)}, 10 * kMiB}) {
    SCOPED_TRACE(most);
    budgets_.pairs = std::make_shared<MemoryBudget>(most);
    const TestBlob blob(6 * kMiB + 5, most);
    const auto mirrors = BlobOf(blob.hash);
    const auto broken = Serving(blob.content);
    broken->ranges = false;
    broken->break_after = 5 * kMiB;
    const Running first = Start(mirrors, broken, "http://first");
    while (broken->sent < 4 * kMiB) store_.inbox().RunOne();
    EXPECT_EQ(budgets_.pairs->used() > 0, most > 0);
    EndOf(first);
    EXPECT_EQ(budgets_.pairs->used(), 0u) << "nobody uses it now";
    const Running get = Get(mirrors, Serving(blob.content), "http://second");
    EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
    EXPECT_EQ(budgets_.pairs->used(), 0u);
    store_.ExpectComplete(blob);
  }
}

TEST_F(MirrorGetTest, ASidecarProvesBlocksAsTheyCome) {
  const TestBlob blob(9 * kMiB, 1);
  const auto mirrors = BlobOf(blob.hash);
  const auto liar = Serving(blob.content);
  liar->sidecar = blob.outboard;
  liar->content[8 * kMiB] ^= 1;
  const Running wrong = Get(mirrors, liar, "http://liar");
  EXPECT_TRUE(wrong.observer->end->outcome == Outcome::kWrongContent ||
              wrong.observer->end->outcome == Outcome::kDropProvider);
  EXPECT_GT(wrong.observer->progress.verified_bytes, 0u) << "what is right stays";
  const auto honest = Serving(blob.content);
  const Running get = Get(mirrors, honest, "http://honest");
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_EQ(honest->sent + wrong.observer->progress.verified_bytes, blob.size());
  store_.ExpectComplete(blob);
}

// Nobody has said the size, or proven it, but the beginning is verified.
TEST_F(MirrorGetTest, WhatIsVerifiedIsNotProbedFor) {
  for (const bool length : {true, false}) {
    SCOPED_TRACE(testing::Message() << "length " << length);
    const TestBlob blob(9 * kMiB, length);
    uint64_t verified = 0;
    {
      const auto liar = Serving(blob.content);
      liar->sidecar = blob.outboard;
      liar->content[6 * kMiB] ^= 1;
      verified = Get(BlobOf(blob.hash), liar, "http://liar").observer->progress.verified_bytes;
    }
    ASSERT_GT(verified, 0u);
    const auto honest = Serving(blob.content);
    honest->length = length;
    const Running get = Get(BlobOf(blob.hash), honest);
    EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
    EXPECT_GT(honest->asks[0].begin, 0u);
    if (length) {
      EXPECT_LE(honest->sent, blob.size() - verified);
    }
    store_.ExpectComplete(blob);
  }
}

TEST_F(MirrorGetTest, AWrongSidecarIsOfNoUseAndNoHarm) {
  const TestBlob blob(9 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->sidecar = blob.outboard;
  mirror->sidecar[64] ^= 1;
  const Running get = Get(BlobOf(blob.hash), mirror);
  EXPECT_EQ(get.observer->end->outcome, Outcome::kDone) << get.observer->end->reason;
  EXPECT_EQ(mirror->sent, blob.size());
  store_.ExpectComplete(blob);
}

TEST_F(MirrorGetTest, OthersMayCompleteItMeanwhile) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->silent = true;
  const Running get = Start(BlobOf(blob.hash), mirror);
  store_.Put(blob);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
}

TEST_F(MirrorGetTest, StoppedItLeavesNothingBehind) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  const Running get = Start(BlobOf(blob.hash), mirror);
  while (mirror->sent < kMiB) store_.inbox().RunOne();
  get.get->Stop();
  EXPECT_EQ(EndOf(get).outcome, Outcome::kStopped);
  const uint64_t sent = mirror->sent;
  while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  EXPECT_EQ(mirror->sent, sent);
}

}  // namespace
}  // namespace blobd::transfer
