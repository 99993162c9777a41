#include "bao/unproven.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "bao/unproven_for_test.h"
#include "base/overloaded.h"
#include "base/rng.h"
#include "base/units.h"

namespace blobd::bao {
namespace {

// Ten blocks of 64 groups and a bit.
const ValuedBlob& Blob() {
  static const ValuedBlob blob(10 * kMiB + 5 * kGroupSize + 77);
  return blob;
}

// Mirrors that send what Unproven wants of them, and wrong groups where they lie.
class UnprovenTest : public testing::Test {
 protected:
  void Make(const Hash& hash, uint64_t size) {
    unproven_ = std::make_unique<Unproven>(hash, size);
    groups_ = GroupCount(size);
    disk_.clear();
  }
  void SetUp() override { Make(Blob().hash, Blob().size); }

  void Add(SourceId source, RangeSet lies = {}) {
    lies_[source] = std::move(lies);
    unproven_->OnSource(source);
  }
  ChainingValue Says(SourceId source, uint64_t group) {
    const ChainingValue& right = Blob().values.at(static_cast<size_t>(group));
    return lies_.at(source).Contains(group) ? WrongValue(right, source) : right;
  }
  void Send(SourceId source, uint64_t begin, uint64_t end) {
    sent_[source] += end - begin;
    while (begin < end) {
      // A run is written before any of its groups is told.
      std::vector<ChainingValue> values;
      const uint64_t first = begin;
      for (; begin < end && unproven_->Takes(source, begin); ++begin) {
        values.push_back(disk_[begin] = Says(source, begin));
      }
      unproven_->OnGroups(source, first, values, findings_);
      if (values.empty()) ++begin;
    }
    Note();
  }
  void SendVerified(uint64_t begin, uint64_t end) {
    for (uint64_t group = begin; group < end; ++group) disk_[group] = Blob().values.at(group);
    unproven_->OnVerified(begin, std::span(Blob().values).subspan(begin, end - begin), findings_);
    Note();
  }
  // All pairs, as from a sidecar, or those of the paths to some groups.
  void TellPairs(const std::function<bool(const Subtree&)>& which) {
    std::vector<Subtree> stack = {Subtree::Root(ChunkCount(Blob().size))};
    while (!stack.empty()) {
      const Subtree here = stack.back();
      stack.pop_back();
      if (!here.has_outboard_pair() || !which(here)) continue;
      EXPECT_TRUE(unproven_->OnPair(here.pair_index, Blob().PairOf(here), findings_));
      stack.push_back(here.Right());
      stack.push_back(here.Left());
    }
    Note();
  }
  void TellAllPairs() {
    TellPairs([](const Subtree&) { return true; });
  }
  void TellPairsAround(const std::vector<uint64_t>& cuts) {
    TellPairs([&](const Subtree& subtree) {
      return std::any_of(cuts.begin(), cuts.end(), [&](uint64_t group) {
        const uint64_t chunk = group * kGroupChunks;
        return subtree.begin <= chunk && chunk < subtree.end;
      });
    });
  }
  // Writes the findings down, and answers requests to fetch again.
  void Note() {
    unproven_->CheckInvariants();
    while (!findings_.empty()) {
      const Findings findings = std::exchange(findings_, {});
      for (const Finding& finding : findings) {
        std::visit(Overloaded{
                       [&](const Pairs& f) {
                         for (const PathPair& pair : f.pairs) pairs_[pair.index] = pair.hashes;
                       },
                       [&](const Verified& f) {
                         verified_.Insert(f.groups);
                         ExpectOnDisk(f.groups);
                         ExpectPairsAbove(f.groups);
                       },
                       [&](const Discard& f) { discarded_.Insert(f.groups); },
                       [&](const Blame& f) {
                         (f.proven ? proven_blame_ : blame_).insert(f.source);
                         unproven_->OnSourceGone(f.source, findings_);
                       },
                       [&](const Unclear& f) { unclear_.push_back(f); },
                       [&](const FetchAgain& f) { again_.push_back(f); },
                       [&](const Exhausted&) { ++exhausted_; },
                   },
                   finding);
      }
      unproven_->CheckInvariants();
    }
  }
  void ExpectOnDisk(Range groups) {
    for (uint64_t group = groups.begin; group < groups.end; ++group)
      EXPECT_EQ(disk_.at(group), Blob().values.at(group)) << "group " << group;
  }
  // What is claimed must be provable: all pairs on its paths were told, as they are.
  void ExpectPairsAbove(Range groups) {
    std::vector<Subtree> stack = {Subtree::Root(ChunkCount(Blob().size))};
    while (!stack.empty()) {
      const Subtree here = stack.back();
      stack.pop_back();
      const Range below = ProvenValues::GroupsOf(here);
      if (!here.has_outboard_pair() || below.end <= groups.begin || below.begin >= groups.end)
        continue;
      const auto told = pairs_.find(here.pair_index);
      ASSERT_NE(told, pairs_.end()) << "pair " << here.pair_index << " was not told";
      EXPECT_EQ(Bytes(told->second.begin(), told->second.end()),
                Bytes(Blob().PairOf(here).begin(), Blob().PairOf(here).end()));
      stack.push_back(here.Right());
      stack.push_back(here.Left());
    }
  }
  void Compare() {
    unproven_->Compare(findings_);
    Note();
    while (!again_.empty()) {
      const FetchAgain again = again_.front();
      again_.erase(again_.begin());
      for (const Range& range : again.groups.ranges()) Send(again.source, range.begin, range.end);
      unproven_->Compare(findings_);
      Note();
    }
  }
  RangeSet All() const { return RangeSet(Range{0, groups_}); }

  std::unique_ptr<Unproven> unproven_;
  uint64_t groups_ = 0;
  Findings findings_;
  std::map<uint64_t, std::array<uint8_t, kPairSize>> pairs_;
  std::map<SourceId, RangeSet> lies_;
  std::map<SourceId, uint64_t> sent_;
  std::map<uint64_t, ChainingValue> disk_;  // of the bytes of each group
  RangeSet verified_;
  RangeSet discarded_;
  std::set<SourceId> blame_;
  std::set<SourceId> proven_blame_;
  std::vector<Unclear> unclear_;
  std::vector<FetchAgain> again_;
  int exhausted_ = 0;
};

TEST_F(UnprovenTest, WithNothingKnownTheWholeIsCheckedAtTheEnd) {
  Add(1);
  Send(1, 0, groups_ - 1);
  EXPECT_TRUE(verified_.empty());
  Send(1, groups_ - 1, groups_);
  EXPECT_EQ(verified_, All());
  EXPECT_TRUE(unproven_->complete());
  EXPECT_TRUE(blame_.empty());
}

TEST_F(UnprovenTest, SmallBlobsToo) {
  for (const uint64_t size :
       {0ul, 1ul, kGroupSize, kGroupSize + 1, 64 * kGroupSize, 65 * kGroupSize}) {
    const ValuedBlob blob(size);
    Unproven unproven(blob.hash, size);
    unproven.OnSource(1);
    unproven.OnGroups(1, 0, blob.values, findings_);
    EXPECT_TRUE(unproven.complete()) << size;
    findings_.clear();
  }
}

TEST_F(UnprovenTest, WithASidecarEachBlockIsCheckedAsItComes) {
  TellAllPairs();
  unproven_->OnSizeProven();
  Add(1, RangeSet(Range{200, 201}));
  Send(1, 0, 64);
  EXPECT_EQ(verified_, RangeSet(Range{0, 64}));
  Send(1, 64, 256);
  EXPECT_EQ(proven_blame_, std::set<SourceId>{1});
  EXPECT_EQ(discarded_, RangeSet(Range{192, 256})) << "one block, nothing else";
  EXPECT_EQ(verified_, RangeSet(Range{0, 192}));
  EXPECT_FALSE(unproven_->Takes(1, 300));
  // The rest comes from another.
  Add(2);
  Send(2, 192, groups_);
  EXPECT_TRUE(unproven_->complete());
}

TEST_F(UnprovenTest, ProofsAtPartBoundariesNameTheLiar) {
  unproven_->OnSizeProven();
  // A node is asked for the first chunk after each part.
  const std::vector<uint64_t> cuts = {192, 448};
  TellPairsAround(cuts);
  Add(1);
  Add(2, RangeSet(Range{300, 301}));
  Add(3);
  Send(1, 0, 192);
  Send(3, 448, groups_);
  Send(2, 192, 448);
  EXPECT_EQ(proven_blame_, std::set<SourceId>{2});
  EXPECT_TRUE(blame_.empty());
  EXPECT_TRUE(RangeSet(discarded_).Missing({192, 448}).Count() < 256) << "of its part only";
  EXPECT_FALSE(discarded_.Intersects({0, 192}));
  EXPECT_FALSE(discarded_.Intersects({448, groups_}));
  EXPECT_TRUE(verified_.ContainsAll({0, 192}));
  EXPECT_TRUE(verified_.ContainsAll({448, groups_}));
}

TEST_F(UnprovenTest, WhatIsUnclearIsClearedByPairsThatComeLater) {
  unproven_->OnSizeProven();
  Add(1);
  Add(2, RangeSet(Range{400, 401}));
  Send(1, 0, 320);
  Send(2, 320, groups_);
  ASSERT_EQ(unclear_.size(), 1u);
  EXPECT_EQ(unclear_[0].groups, (Range{0, groups_}));
  EXPECT_EQ(unclear_[0].cuts, (std::vector<uint64_t>{320}));
  TellPairsAround(unclear_[0].cuts);
  EXPECT_EQ(proven_blame_, std::set<SourceId>{2});
  EXPECT_TRUE(verified_.ContainsAll({0, 320}));
  EXPECT_FALSE(discarded_.Intersects({0, 320}));
}

TEST_F(UnprovenTest, WithoutAnyProofPartsAreComparedUntilTheRootMatches) {
  for (const SourceId liar : {1u, 2u, 3u}) {
    SCOPED_TRACE(liar);
    Make(Blob().hash, Blob().size);
    verified_ = {};
    blame_.clear();
    proven_blame_.clear();
    unclear_.clear();
    sent_.clear();
    for (SourceId source = 1; source <= 3; ++source) {
      Add(source, source == liar ? RangeSet(Range{0, groups_}) : RangeSet());
    }
    Send(1, 0, 192);
    Send(2, 192, 448);
    Send(3, 448, groups_);
    ASSERT_EQ(unclear_.size(), 1u);
    Compare();
    EXPECT_TRUE(unproven_->complete());
    EXPECT_EQ(proven_blame_, std::set<SourceId>{liar});
    for (const auto& [source, count] : sent_) EXPECT_LE(count, 2 * groups_);
  }
}

TEST_F(UnprovenTest, OneSourceThatDoesNotFitIsNotProvenWrong) {
  // It may be the caller who named a wrong hash.
  Hash wrong = Blob().hash;
  wrong.bytes[0] ^= 1;
  Make(wrong, Blob().size);
  Add(1);
  Send(1, 0, groups_);
  EXPECT_EQ(blame_, std::set<SourceId>{1});
  EXPECT_TRUE(proven_blame_.empty());
  EXPECT_EQ(discarded_, All());
  EXPECT_EQ(exhausted_, 1);
  EXPECT_TRUE(verified_.empty());
}

TEST_F(UnprovenTest, SeveralHonestSourcesOfAWrongHashAreNotProvenWrong) {
  Hash wrong = Blob().hash;
  wrong.bytes[0] ^= 1;
  Make(wrong, Blob().size);
  for (SourceId source = 1; source <= 3; ++source) Add(source);
  Send(1, 0, 100);
  Send(2, 100, 500);
  Send(3, 500, groups_);
  Compare();
  EXPECT_TRUE(proven_blame_.empty());
  EXPECT_EQ(blame_, (std::set<SourceId>{1, 2, 3}));
  EXPECT_EQ(exhausted_, 1);
  EXPECT_TRUE(verified_.empty());
}

TEST_F(UnprovenTest, AnAccusationIsProvenOnceTheBlobVerifies) {
  Add(1, RangeSet(Range{5, 6}));
  Add(2);
  Send(1, 0, groups_);
  EXPECT_EQ(blame_, std::set<SourceId>{1});
  EXPECT_TRUE(proven_blame_.empty());
  EXPECT_EQ(exhausted_, 0) << "another is left";
  Send(2, 0, groups_);
  EXPECT_TRUE(unproven_->complete());
  EXPECT_EQ(proven_blame_, std::set<SourceId>{1});
}

TEST_F(UnprovenTest, GroupsFromNodesAreComparedOneByOne) {
  unproven_->OnSizeProven();
  Add(1, RangeSet(Range{10, 11}));
  Send(1, 0, 40);
  SendVerified(0, 20);
  EXPECT_EQ(proven_blame_, std::set<SourceId>{1});
  Add(2);
  Send(2, 0, groups_);
  EXPECT_TRUE(unproven_->complete()) << "what it sent and what was proven beside it fits";
}

TEST_F(UnprovenTest, AClaimedSizeThatIsWrongBlamesNobodyForSure) {
  Make(Blob().hash, Blob().size - 3 * kMiB);
  for (SourceId source = 1; source <= 2; ++source) Add(source);
  Send(1, 0, 100);
  Send(2, 100, groups_);
  Compare();
  EXPECT_TRUE(proven_blame_.empty());
  EXPECT_EQ(exhausted_, 1);
}

TEST_F(UnprovenTest, WrongPairsAreRefused) {
  const Subtree root = Subtree::Root(ChunkCount(Blob().size));
  Bytes pair(Blob().PairOf(root).begin(), Blob().PairOf(root).end());
  pair[3] ^= 1;
  EXPECT_FALSE(unproven_->OnPair(root, pair, findings_));
  EXPECT_TRUE(unproven_->OnPair(root, Blob().PairOf(root), findings_));
  EXPECT_TRUE(unproven_->OnPair(root, Blob().PairOf(root), findings_)) << "again is harmless";
}

TEST_F(UnprovenTest, ASourceThatGoesWhileItIsComparedMakesRoomForTheNext) {
  for (SourceId source = 1; source <= 3; ++source) {
    Add(source, source == 1 ? RangeSet(Range{0, 700}) : RangeSet());
  }
  Send(1, 0, 448);
  Send(2, 448, groups_);
  unproven_->Compare(findings_);
  Note();
  ASSERT_EQ(again_.size(), 1u);
  const SourceId asked = again_[0].source;
  again_.clear();
  unproven_->OnSourceGone(asked, findings_);
  Note();
  ASSERT_EQ(again_.size(), 1u);
  EXPECT_NE(again_[0].source, asked);
  Compare();
  EXPECT_TRUE(unproven_->complete());
}

TEST_F(UnprovenTest, WhatOthersSendMeanwhileIsNotTakenForItsOwn) {
  unproven_->OnSizeProven();
  TellPairs([](const Subtree& subtree) { return subtree.begin == 0; });
  Add(1);
  Add(2, RangeSet(Range{0, groups_}));
  Send(1, 0, 448);
  Send(2, 448, 512);
  unproven_->Compare(findings_);
  Note();
  ASSERT_EQ(again_.size(), 1u);
  ASSERT_EQ(again_[0].source, 1u);
  const uint64_t at = again_[0].groups.ranges().front().begin;
  EXPECT_FALSE(unproven_->Takes(2, at));
  EXPECT_TRUE(unproven_->Takes(1, at));
  Send(2, at, at + 64);  // it was on its way
  Compare();
  EXPECT_EQ(proven_blame_, std::set<SourceId>{2});
  EXPECT_TRUE(verified_.ContainsAll({0, 512}));
}

// Random histories: whoever is honest is never proven wrong, nothing wrong is ever verified, and
// with one honest source left everything is complete in the end.
TEST_F(UnprovenTest, RandomHistories) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Rng rng(seed);
    Make(Blob().hash, Blob().size);
    findings_.clear();
    pairs_.clear();
    verified_ = {};
    blame_.clear();
    proven_blame_.clear();
    again_.clear();
    const SourceId sources = 1 + static_cast<SourceId>(rng.Below(4));
    std::set<SourceId> honest;
    for (SourceId source = 1; source <= sources; ++source) {
      RangeSet lies;
      if (source > 1 && rng.Chance(0.6)) {
        const uint64_t at = rng.Below(groups_);
        lies.Insert({at, std::min(groups_, at + 1 + rng.Below(300))});
      } else {
        honest.insert(source);
      }
      Add(source, std::move(lies));
    }
    if (rng.Chance(0.5)) unproven_->OnSizeProven();
    for (int i = 0; i < 4000 && !unproven_->complete(); ++i) {
      const uint64_t action = rng.Below(40);
      if (action == 0) {
        TellPairsAround({1 + rng.Below(groups_ - 1)});
      } else if (action == 1) {
        const uint64_t at = rng.Below(groups_);
        SendVerified(at, std::min(groups_, at + rng.Below(20)));
      } else if (action == 2) {
        Compare();
      } else if (action == 3) {
        // Asked again, but it takes its time.
        unproven_->Compare(findings_);
        Note();
      } else {
        const SourceId source = 1 + static_cast<SourceId>(rng.Below(sources));
        const uint64_t at = rng.Below(groups_);
        Send(source, at, std::min(groups_, at + rng.Below(100)));
      }
    }
    // Whoever is left sends what is missing.
    for (int i = 0; i < 20 && !unproven_->complete(); ++i) {
      Compare();
      for (SourceId source = 1; source <= sources; ++source) Send(source, 0, groups_);
    }
    EXPECT_TRUE(unproven_->complete());
    for (const SourceId source : proven_blame_) EXPECT_FALSE(honest.contains(source)) << source;
    EXPECT_EQ(unproven_->VerifiedGroups(), All());
  }
}

}  // namespace
}  // namespace blobd::bao
