// What the keeper does by itself, and verification.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/keeper_for_test.h"

namespace blobd::engine {
namespace {

class KeeperChecksTest : public KeeperTest {
 protected:
  void FillDisk(uint64_t free_bytes) {
    store::DiskState state;
    state.condition = store::DiskCondition::kFull;
    state.free_bytes = free_bytes;
    state.reserve_bytes = 1 << 20;
    state.reason = "no room";
    store_.disk_changed(state);
    loop_.Settle();
  }
};

TEST_F(KeeperChecksTest, HoldsTheStoreUnderItsLimit) {
  MakeKeeper({.max_bytes = 250});
  keeper_->Start();
  for (uint8_t i = 1; i <= 5; ++i) Put(i);
  loop_.Advance(minutes(9));
  EXPECT_EQ(Left().size(), 5u);
  loop_.Advance(minutes(2));
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1), H(2), H(3)}));
  Put(6);
  loop_.Advance(minutes(10));
  EXPECT_EQ(store_.removed.back(), H(4));
}

TEST_F(KeeperChecksTest, ANewLimitGoesFromNowOn) {
  keeper_->Start();
  for (uint8_t i = 1; i <= 5; ++i) Put(i);
  loop_.Advance(minutes(30));
  EXPECT_EQ(Left().size(), 5u);
  KeeperOptions options;
  options.max_bytes = 250;
  options.check_interval = minutes(1);
  keeper_->Reconfigure(options);
  loop_.Advance(minutes(2));
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1), H(2), H(3)}));
}

TEST_F(KeeperChecksTest, WithoutALimitNothingGoesByItself) {
  keeper_->Start();
  Put(1);
  loop_.Advance(hours(100));
  EXPECT_EQ(Left().size(), 1u);
}

TEST_F(KeeperChecksTest, MakesRoomWhenTheDiskBecomesFull) {
  keeper_->Start();
  loop_.Settle();
  for (uint8_t i = 1; i <= 5; ++i) {
    Put(i);
    store_.blobs[H(i)].size = 1 << 20;
  }
  // The reserve and as much again are to be free, and half of the reserve is.
  FillDisk(1 << 19);
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1), H(2)}));
  // It is still full a moment later: more goes.
  loop_.Advance(seconds(6));
  EXPECT_EQ(store_.removed.size(), 4u);
}

// A run that root asked for may stop before there is room.
TEST_F(KeeperChecksTest, LooksAgainSoonWhenARunIsUnderWay) {
  keeper_->Start();
  loop_.Settle();
  Put(1);
  store_.blobs[H(1)].size = 1 << 20;
  // It waits for a list until it is cancelled.
  ASSERT_TRUE(Queue(kAnn, {Item({H(9), BlobFormat::kHashSeq})}).ok());
  Connect();
  const auto job = keeper_->Collect({}, nullptr, [](const Status&, const GcReport&) {});
  loop_.Settle();
  FillDisk(1 << 19);
  job->Cancel();
  loop_.Advance(seconds(1));
  EXPECT_EQ(Left().size(), 1u);
  loop_.Advance(seconds(70));
  EXPECT_TRUE(Left().empty());
}

TEST_F(KeeperChecksTest, SaysOnceThatNothingCanBeRemoved) {
  keeper_->Start();
  loop_.Settle();
  Put(1);
  ASSERT_TRUE(Tag(kAnn, "t", {H(1), BlobFormat::kRaw}).ok());
  FillDisk(0);
  loop_.Advance(hours(1));
  EXPECT_EQ(std::count_if(log_.worries.begin(), log_.worries.end(),
                          [](const std::string& text) {
                            return text.find("everything is protected") != std::string::npos;
                          }),
            1);
  EXPECT_EQ(Left().size(), 1u);
}

TEST_F(KeeperChecksTest, LeavesEverythingWhileItIsNotKnownWhatIsProtected) {
  MakeKeeper({.max_bytes = 50});
  may_remove_ = DataLoss("the registry is damaged");
  keeper_->Start();
  Put(1);
  loop_.Advance(hours(1));
  EXPECT_EQ(Left().size(), 1u);
}

class VerifierTest : public KeeperTest {
 protected:
  Status Verify(std::vector<Hash> hashes) {
    Status ended = Unavailable("no answer");
    Verifier::Listener listener;
    listener.progress = [this](const VerifyReport& report) { report_ = report; };
    listener.finding = [this](const VerifyReport&, VerifyFinding finding) {
      findings_.push_back(std::move(finding));
    };
    listener.done = [&](const Status& status, const VerifyReport& report) {
      ended = status;
      report_ = report;
    };
    keeper_->Verify(std::move(hashes), std::move(listener));
    loop_.Settle();
    return ended;
  }
  VerifyReport report_;
  std::vector<VerifyFinding> findings_;
};

TEST_F(VerifierTest, OfAllBlobs) {
  for (uint8_t i = 1; i <= 3; ++i) Put(i);
  EXPECT_TRUE(Verify({}).ok());
  EXPECT_EQ(report_.blobs, 3u);
  EXPECT_EQ(report_.bytes, 300u);
  EXPECT_EQ(report_.total_bytes, 300u);
  EXPECT_TRUE(findings_.empty());
}

TEST_F(VerifierTest, WhatRottedIsGotAgain) {
  Put(1);
  store_.rotten[H(1)] = RangeSet(Range{0, 2});
  EXPECT_TRUE(Verify({H(1), H(2)}).ok());
  ASSERT_EQ(findings_.size(), 2u);
  EXPECT_EQ(findings_[0].result, VerifyFinding::Result::kRotten);
  EXPECT_EQ(findings_[0].rotten_groups, 2u);
  ASSERT_TRUE(findings_[0].repair.has_value());
  EXPECT_EQ(registry_.intents[*findings_[0].repair].label, "repair");
  EXPECT_EQ(findings_[1].result, VerifyFinding::Result::kAbsent);
  EXPECT_EQ(report_.failed_blobs, 2u);
}

// After a restart the history says who had it.
TEST_F(VerifierTest, WhoHadItIsKnownFromTheHistory) {
  Put(1);
  store_.rotten[H(1)] = RangeSet(Range{0, 1});
  registry::TransferRow row;
  row.id = TransferId{1};
  row.provider = kNode;
  row.kind = {H(1), BlobFormat::kRaw};
  row.verified_bytes = 100;
  registry_.transfers[row.id] = row;
  store_.blobs[H(1)].state = store::BlobState::kPartial;
  EXPECT_TRUE(Verify({H(1)}).ok());
  EXPECT_EQ(registry_.providers.count({H(1), kNode}), 1u);
}

}  // namespace
}  // namespace blobd::engine
