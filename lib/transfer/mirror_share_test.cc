// Several mirrors, and nodes, bring one blob together.
#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGroupsPerMiB = kMiB / kGroupSize;

class MirrorShareTest : public MirrorGetTest {
 protected:
  // Groups of these mebibytes.
  static MirrorShare Share(uint64_t begin, uint64_t end, uint64_t size) {
    return {{begin * kGroupsPerMiB, end * kGroupsPerMiB}, size, true};
  }
  static MirrorShare All() { return {{0, RangeSet::kOpenEnd}, {}, true}; }
  // A node sends what would prove the share; returns which groups these are.
  RangeSet ProofFor(const std::shared_ptr<MirrorBlob>& blobs, const TestBlob& blob,
                    const MirrorShare& share) {
    const auto mirror = Serving(blob.content);
    const Running get = Start(blobs, mirror, "http://other/f", share);
    RunUntil([&] { return !get.observer->progress.proof_wanted.empty(); });
    RangeSet wanted = get.observer->progress.proof_wanted;
    get.get->Stop();
    EndOf(get);
    store_.Write(blob, wanted);
    while (!blobs->ProofWanted(share.groups).empty()) store_.Lookup(blob.hash);
    return wanted;
  }
  void RunUntil(const std::function<bool()>& is_so) {
    while (!is_so()) store_.inbox().RunOne();
  }
};

TEST_F(MirrorShareTest, TwoMirrorsShareABlobAndNothingComesTwice) {
  const TestBlob blob(16 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto left = Serving(blob.content);
  const auto right = Serving(blob.content);
  const Running a = Start(blobs, left, "http://a/f", Share(0, 8, blob.size()));
  const Running b = Start(blobs, right, "http://b/f", Share(8, 16, blob.size()));
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  store_.ExpectComplete(blob);
  EXPECT_EQ(left->sent, 8 * kMiB);
  EXPECT_EQ(right->sent, 8 * kMiB);
  EXPECT_EQ(a.observer->progress.moved_bytes, 8 * kMiB);
  EXPECT_EQ(b.observer->progress.verified_bytes, 8 * kMiB);
}

// It did not wait for proof, which came while nothing ran: that is told with the next one of it.
TEST_F(MirrorShareTest, WhatVerifiesBetweenTwoGetsIsToldWithTheSecond) {
  const TestBlob blob(16 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const Running first = Start(blobs, Serving(blob.content), "http://a/f", Share(0, 8, blob.size()));
  EXPECT_EQ(EndOf(first).outcome, Outcome::kDone) << EndOf(first).reason;
  EXPECT_EQ(first.observer->progress.verified_bytes, 0u);
  store_.Write(blob, RangeSet(Range{8 * kGroupsPerMiB, 15 * kGroupsPerMiB}));
  RunUntil([&] { return blobs->Verified().ContainsAll({0, 15 * kGroupsPerMiB}); });
  const Running second =
      Start(blobs, Serving(blob.content), "http://a/f", Share(15, 16, blob.size()));
  EXPECT_EQ(EndOf(second).outcome, Outcome::kDone) << EndOf(second).reason;
  EXPECT_EQ(second.observer->progress.verified_bytes, 9 * kMiB);
  store_.ExpectComplete(blob);
}

TEST_F(MirrorShareTest, AnEndIsLoweredWhileItRuns) {
  const TestBlob blob(32 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto left = Serving(blob.content);
  const Running a = Start(blobs, left, "http://a/f", All());
  RunUntil([&] { return left->sent >= kMiB; });
  EXPECT_TRUE(a.observer->progress.takes_parts);
  a.get->LowerEnd(20 * kGroupsPerMiB + 3);
  ASSERT_EQ(a.observer->boundaries.size(), 1u);
  const uint64_t end = a.observer->boundaries[0];
  EXPECT_EQ(end, 20 * kGroupsPerMiB + 3);
  // Behind what it has already nothing is given away.
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
  EXPECT_EQ(a.observer->progress.position, end);
  EXPECT_LE(left->sent, end * kGroupSize + 8 * left->piece);
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet()) << "nobody has proof yet";
  const auto right = Serving(blob.content);
  const MirrorShare rest{{end, 32 * kGroupsPerMiB}, blob.size(), true};
  const Running b = Start(blobs, right, "http://b/f", rest);
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  store_.ExpectComplete(blob);
  EXPECT_LE(right->sent, blob.size() - end * kGroupSize);
}

// What was on its way when an end was lowered comes all the same, and means nothing.
TEST_F(MirrorShareTest, WhatComesBehindALoweredEndIsNoRun) {
  const TestBlob blob(32 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->deaf = true;
  const Running get = Start(BlobOf(blob.hash), mirror, "http://a/f", All());
  RunUntil([&] { return mirror->sent >= 4 * kMiB; });
  const size_t asked = mirror->asks.size();
  get.get->LowerEnd(20 * kGroupsPerMiB + 3);
  ASSERT_EQ(get.observer->boundaries.size(), 1u);
  const uint64_t end = get.observer->boundaries[0] * kGroupSize;
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
  EXPECT_GT(mirror->sent, end);
  for (size_t i = asked; i < mirror->asks.size(); ++i) {
    EXPECT_LT(mirror->asks[i].begin, end);
    EXPECT_LE(mirror->asks[i].end.value_or(end), end);
  }
}

// The connection of a lane that has ended takes over what the next one waits for. The others keep
// their place.
TEST_F(MirrorShareTest, ALaneThatEndsTakesBackOneOfThoseThatWait) {
  const TestBlob blob(24 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->connections = 2;
  const Running get = Start(BlobOf(blob.hash), mirror, "http://a/f", All());
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
  EXPECT_EQ(mirror->sent, blob.size());
  const size_t came = mirror->asks.size() - mirror->taken_back;
  EXPECT_GE(came, 6u);
  EXPECT_LE(mirror->taken_back, came);
  store_.ExpectComplete(blob);
}

TEST_F(MirrorShareTest, WhatHasComeIsNotGivenAway) {
  const TestBlob blob(16 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  const Running get = Start(BlobOf(blob.hash), mirror, "http://a/f", All());
  RunUntil([&] { return mirror->sent >= kMiB; });
  get.get->LowerEnd(1);
  ASSERT_EQ(get.observer->boundaries.size(), 1u);
  EXPECT_GE(get.observer->boundaries[0], mirror->piece / kGroupSize);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
  get.get->LowerEnd(0);
  EXPECT_EQ(get.observer->boundaries.size(), 1u) << "no answer after the end";
}

// A node is asked for one group next to each end of a part: that proves the part.
TEST_F(MirrorShareTest, AProofAtItsEndsVerifiesAPart) {
  const TestBlob blob(16 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const MirrorShare share = Share(4, 8, blob.size());
  const RangeSet wanted = ProofFor(blobs, blob, share);
  EXPECT_TRUE(wanted.Contains(4 * kGroupsPerMiB));
  EXPECT_TRUE(wanted.Contains(8 * kGroupsPerMiB));
  EXPECT_TRUE(wanted.Contains(16 * kGroupsPerMiB - 1)) << "that proves the size";
  EXPECT_LE(wanted.Count(), 3u);
  const Running get = Start(blobs, Serving(blob.content), "http://a/f", share);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << EndOf(get).reason;
  EXPECT_TRUE(get.observer->arrived.ContainsAll(share.groups));
  EXPECT_TRUE(store_.Lookup(blob.hash).groups.ContainsAll(share.groups));
}

TEST_F(MirrorShareTest, AWrongByteCostsOnePartAndNamesItsMirror) {
  const TestBlob blob(48 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const MirrorShare share = Share(0, 40, blob.size());
  ProofFor(blobs, blob, share);
  const auto liar = Serving(blob.content);
  liar->content[20 * kMiB] ^= 1;
  const Running get = Start(blobs, liar, "http://liar/f", share);
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDropProvider) << EndOf(get).reason;
  EXPECT_TRUE(blamed_.empty()) << "its own end says so";
  // What is right of it stays.
  const auto honest = Serving(blob.content);
  const Running rest = Start(blobs, honest, "http://honest/f", Share(0, 48, blob.size()));
  EXPECT_EQ(EndOf(rest).outcome, Outcome::kDone) << EndOf(rest).reason;
  EXPECT_LE(honest->sent, 32 * kMiB);
  store_.ExpectComplete(blob);
}

// Found out when its transfer is over: that is told, too.
TEST_F(MirrorShareTest, WhoHasEndedIsBlamedAllTheSame) {
  const TestBlob blob(16 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto liar = Serving(blob.content);
  liar->content[5 * kMiB] ^= 1;
  const Running get = Start(blobs, liar, "http://liar/f", Share(4, 8, blob.size()));
  EXPECT_EQ(EndOf(get).outcome, Outcome::kDone) << "nobody can tell yet";
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet());
  // The end first: while the size is not proven, the liar may be who claimed it.
  store_.Write(blob, RangeSet(Range{8 * kGroupsPerMiB, 16 * kGroupsPerMiB}));
  store_.Write(blob, RangeSet(Range{0, 4 * kGroupsPerMiB}));
  RunUntil([&] { return !blamed_.empty(); });
  EXPECT_EQ(blamed_, std::vector<std::string>{"http://liar/f"});
}

// Nobody has proof: who of the two it was is found out by fetching again.
TEST_F(MirrorShareTest, BlameThatIsNotClearIsFoundOutByFetchingAgain) {
  for (const bool liar_is_last : {false, true}) {
    SCOPED_TRACE(liar_is_last);
    const TestBlob blob(16 * kMiB, liar_is_last);
    const auto blobs = BlobOf(blob.hash);
    const auto honest = Serving(blob.content);
    const auto liar = Serving(blob.content);
    for (uint64_t i = 0; i < 16; ++i) liar->content[i * kMiB] ^= 1;
    const auto& first = liar_is_last ? honest : liar;
    const auto& second = liar_is_last ? liar : honest;
    const Running a = Start(blobs, first, "http://a/f", Share(0, 8, blob.size()));
    EXPECT_EQ(EndOf(a).outcome, Outcome::kDone);
    const Running b = Start(blobs, second, "http://b/f", Share(8, 16, blob.size()));
    if (liar_is_last) {
      EXPECT_EQ(EndOf(b).outcome, Outcome::kWrongContent);
      EXPECT_TRUE(EndOf(b).line_is_void) << "the size may be wrong, too";
      EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet()) << "nothing is readable";
      const Running again = Start(blobs, Serving(blob.content), "http://a/f", All());
      EXPECT_EQ(EndOf(again).outcome, Outcome::kDone) << EndOf(again).reason;
    } else {
      EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
      EXPECT_EQ(blamed_, std::vector<std::string>{"http://a/f"});
    }
    store_.ExpectComplete(blob);
  }
}

TEST_F(MirrorShareTest, WhoSaysAnotherSizeIsPutOff) {
  const TestBlob blob(16 * kMiB, 1);
  const TestBlob other(15 * kMiB, 2);
  const auto blobs = BlobOf(blob.hash);
  const Running get = Start(blobs, Serving(other.content), "http://b/f", Share(8, 16, blob.size()));
  EXPECT_EQ(EndOf(get).outcome, Outcome::kNotHere) << EndOf(get).reason;
}

// Whoever claims a size may lie: what is asked for by it may be behind the end of the true file.
TEST_F(MirrorShareTest, WhoHasNothingWhereAClaimSaysIsPutOff) {
  const TestBlob blob(16 * kMiB, 1);
  const Running get =
      Start(BlobOf(blob.hash), Serving(blob.content), "http://b/f", Share(20, 32, 32 * kMiB));
  EXPECT_EQ(EndOf(get).outcome, Outcome::kNotHere) << EndOf(get).reason;
  EXPECT_FALSE(EndOf(get).line_is_void);
}

TEST_F(MirrorShareTest, AShareCutByAFalseSizeIsVoid) {
  const TestBlob blob(16 * kMiB, 1);
  store_.Write(blob, RangeSet(Range{16 * kGroupsPerMiB - 1, 16 * kGroupsPerMiB}));
  const Running get =
      Start(BlobOf(blob.hash), Serving(blob.content), "http://b/f", Share(8, 15, 15 * kMiB));
  EXPECT_EQ(EndOf(get).outcome, Outcome::kStopped) << EndOf(get).reason;
  EXPECT_TRUE(EndOf(get).line_is_void);
}

TEST_F(MirrorShareTest, WhoHasNoSidecarKeepsNobodyFromTheirs) {
  const TestBlob blob(24 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto without = Serving(blob.content);
  const auto with = Serving(blob.content);
  with->sidecar = blob.outboard;
  const Running a = Start(blobs, without, "http://a/f", Share(0, 8, blob.size()));
  RunUntil([&] { return without->sidecars_asked > 0; });
  const Running b = Start(blobs, with, "http://b/f", Share(8, 24, blob.size()));
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  EXPECT_EQ(without->sidecars_asked, 1u);
  EXPECT_EQ(with->sidecars_asked, 1u);
  store_.ExpectComplete(blob);
}

TEST_F(MirrorShareTest, OneWithoutPartsIsNotUsedForTheMiddle) {
  const TestBlob blob(16 * kMiB, 1);
  const auto mirror = Serving(blob.content);
  mirror->ranges = false;
  const Running get = Start(BlobOf(blob.hash), mirror, "http://a/f", Share(8, 16, blob.size()));
  EXPECT_EQ(EndOf(get).outcome, Outcome::kNotHere) << EndOf(get).reason;
  EXPECT_EQ(mirror->sent, 0u);
}

}  // namespace
}  // namespace blobd::transfer
