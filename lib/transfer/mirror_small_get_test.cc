#include "transfer/mirror_small_get.h"

#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::BlobState;
using store::kGroupSize;
using Kind = http::FetchEnd::Kind;
using Verdict = MirrorSmallGet::Verdict;

class MirrorSmallGetTest : public testing::Test {
 protected:
  ~MirrorSmallGetTest() override {
    mirror_->get = nullptr;
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
  void Serve(Bytes content) { mirror_->content = std::move(content); }
  void Start(const Hash& hash) {
    ended_ = false;
    get_ = std::make_shared<MirrorSmallGet>(
        store_.store(), std::shared_ptr<Executor>(&store_.inbox(), [](Executor*) {}), hash,
        [this] { ++fetched_; },
        [this](Verdict verdict, const GetEnd& end) {
          EXPECT_FALSE(ended_) << "one end";
          ended_ = true;
          progress_ = get_->progress();
          verdict_ = verdict;
          end_.reset();
          if (verdict == Verdict::kEnded) end_ = end;
        });
    mirror_->get = get_;
    get_->Start(mirror_, uint64_t{1} << 40);
  }
  void RunToEnd() {
    while (!ended_) store_.inbox().RunOne();
  }
  void Get(const Hash& hash) {
    Start(hash);
    RunToEnd();
  }

  store::TestDirectory directory_;
  store::StoreUnderTest store_{directory_.path()};
  std::shared_ptr<FakeMirror> mirror_ = std::make_shared<FakeMirror>(store_.inbox(), Bytes());
  std::shared_ptr<MirrorSmallGet> get_;
  size_t fetched_ = 0;
  bool ended_ = false;
  MirrorGetProgress progress_;
  Verdict verdict_ = Verdict::kEnded;
  std::optional<GetEnd> end_;
};

TEST_F(MirrorSmallGetTest, AllSizesWithAndWithoutRangesAndLength) {
  for (const uint64_t size : {0ul, 1ul, 4096ul, kGroupSize - 1, kGroupSize}) {
    for (const bool ranges : {true, false}) {
      for (const bool length : {true, false}) {
        SCOPED_TRACE(testing::Message() << size << " ranges " << ranges << " length " << length);
        const TestBlob blob(size, size + ranges * 2 + length);
        Serve(blob.content);
        mirror_->ranges = ranges;
        mirror_->length = length;
        mirror_->piece = 1000;
        Get(blob.hash);
        ASSERT_TRUE(end_);
        EXPECT_EQ(end_->outcome, Outcome::kDone) << end_->reason;
        store_.ExpectComplete(blob);
        EXPECT_EQ(progress_.received_bytes, size);
        EXPECT_EQ(progress_.verified_bytes, size);
        EXPECT_EQ(progress_.total_bytes, size);
        EXPECT_EQ(progress_.arrived, RangeSet(Range{0, 1}));
      }
    }
  }
  EXPECT_EQ(mirror_->consumed, mirror_->sent);
  EXPECT_EQ(fetched_, 20u);
}

// Of the larger one no more than a group is on its way, and where there are parts its connection is
// read to the end.
TEST_F(MirrorSmallGetTest, ALargerFileIsLeftToOthers) {
  const TestBlob blob(kGroupSize + 1, 1);
  for (const bool ranges : {true, false}) {
    for (const bool length : {true, false}) {
      SCOPED_TRACE(testing::Message() << "ranges " << ranges << " length " << length);
      Serve(blob.content);
      mirror_->ranges = ranges;
      mirror_->length = length;
      mirror_->sent = 0;
      Get(blob.hash);
      EXPECT_EQ(verdict_, Verdict::kWrong);
      EXPECT_LE(mirror_->sent, kGroupSize);
      EXPECT_EQ(mirror_->taken_back, 0u);
      EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
    }
  }
}

TEST_F(MirrorSmallGetTest, WrongBytesAreNotStoredAndLeftToOthers) {
  const TestBlob blob(4096, 1);
  for (const uint64_t size : {0ul, 4095ul, 4096ul, 4097ul}) {
    Bytes wrong = blob.content;
    wrong.resize(size);
    if (size == blob.size()) wrong[7] ^= 1;
    Serve(wrong);
    Get(blob.hash);
    EXPECT_EQ(verdict_, Verdict::kWrong) << size;
    EXPECT_EQ(progress_.verified_bytes, 0u);
    EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  }
}

TEST_F(MirrorSmallGetTest, WhatAMirrorRefusesIsAskedOnce) {
  const TestBlob blob(4096, 1);
  http::FetchEnd end;
  for (const Kind kind : {Kind::kNotHere, Kind::kBusy, Kind::kStalled, Kind::kLocalFault}) {
    end.kind = kind;
    end.reason = "so";
    end.retry_after = seconds(7);
    mirror_->refusal = end;
    Get(blob.hash);
    ASSERT_TRUE(end_);
    EXPECT_EQ(end_->outcome, http::OutcomeOf(end));
    EXPECT_EQ(end_->reason, "so");
    EXPECT_EQ(end_->wait, seconds(7));
    EXPECT_EQ(end_->own_fault, schedule::OwnFault::kNetwork);
  }
  for (const Kind kind : {Kind::kNoRanges, Kind::kShort, Kind::kChanged, Kind::kFailed}) {
    mirror_->refusal->kind = kind;
    Get(blob.hash);
    EXPECT_EQ(verdict_, Verdict::kWrong) << "it may be got in another way";
  }
  mirror_->refusal->kind = Kind::kSurplus;
  Get(blob.hash);
  EXPECT_EQ(verdict_, Verdict::kOther);
}

// What has come is not thrown away.
TEST_F(MirrorSmallGetTest, StoppedAtAnyMomentItEndsOnce) {
  Serve(TestBlob(4096, 1).content);
  size_t stopped = 0;
  size_t stored = 0;
  for (int steps = 0; steps < 40; ++steps) {
    const TestBlob blob(4096, 100 + static_cast<uint64_t>(steps));
    Serve(blob.content);
    fetched_ = 0;
    Start(blob.hash);
    for (int i = 0; i < steps && !ended_ && store_.inbox().waiting() > 0; ++i)
      store_.inbox().RunOne();
    get_->Stop();
    RunToEnd();
    ASSERT_TRUE(end_);
    const bool is_stored = store_.Lookup(blob.hash).state == BlobState::kComplete;
    EXPECT_EQ(end_->outcome, is_stored ? Outcome::kDone : Outcome::kStopped) << end_->reason;
    EXPECT_EQ(fetched_ > 0, is_stored);
    EXPECT_EQ(progress_.verified_bytes, is_stored ? blob.size() : 0);
    ++(is_stored ? stored : stopped);
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
  EXPECT_GT(stopped, 0u);
  EXPECT_GT(stored, 0u);
}

TEST_F(MirrorSmallGetTest, ADiskThatFailsIsOurOwnFault) {
  const TestBlob blob(4096, 1);
  Serve(blob.content);
  store_.files.SetSpace(uint64_t{100} << 30, uint64_t{1} << 20);
  store_.clock.Advance(seconds(1));
  Get(blob.hash);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->outcome, Outcome::kLocalFault) << end_->reason;
  EXPECT_EQ(progress_.verified_bytes, 0u);
}

}  // namespace
}  // namespace blobd::transfer
