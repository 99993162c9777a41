#include "transfer/mirror_blob.h"

#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

constexpr uint64_t kMiB = 1 << 20;

struct Bystander final : MirrorBlobUser {
  void OnBlobChanged() override {}
  void OnBlobComplete() override { is_complete = true; }
  void OnBlobFailed(const GetEnd& how) override { end = how; }
  bool is_complete = false;
  std::optional<GetEnd> end;
};

class MirrorBlobTest : public MirrorGetTest {
 protected:
  std::shared_ptr<MirrorBlob> Opened(const TestBlob& blob) {
    auto mirrors = BlobOf(blob.hash);
    bool is_open = false;
    mirrors->Open([&is_open](const Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      is_open = true;
    });
    while (!is_open) store_.inbox().RunOne();
    return mirrors;
  }
  static ByteView Groups(const Bytes& content, uint64_t begin, uint64_t end) {
    const uint64_t from = begin * kGroupSize;
    return ByteView(content).subspan(from, std::min(end * kGroupSize, content.size()) - from);
  }

  std::shared_ptr<Bystander> user_ = std::make_shared<Bystander>();
  std::shared_ptr<Bystander> other_user_ = std::make_shared<Bystander>();
};

// Posts to the test's thread, and dies with the blob.
class MortalStrand final : public Executor {
 public:
  explicit MortalStrand(store::Inbox& inbox) : inbox_(&inbox) {}
  void Post(Task task) override { inbox_->Post(std::move(task)); }

 private:
  store::Inbox* inbox_;
};

TEST_F(MirrorBlobTest, MayGoWhileTheStoreOwesItAnAnswer) {
  const TestBlob blob(100, 1);
  for (int i = 0; i < 20; ++i) {
    auto mirrors = std::make_shared<MirrorBlob>(store_.store(), &store_.store(),
                                                std::make_shared<MortalStrand>(store_.inbox()),
                                                blob.hash, 100);
    mirrors->Open([](const Status&) {});
    mirrors.reset();
    store_.Stats();  // the answer was given before this one
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
}

// What a failed write left nobody knows: another's bytes may lie where an honest one's were.
TEST_F(MirrorBlobTest, BelievesNothingAfterAWriteThatFailed) {
  const TestBlob blob(3 * kMiB, 1);
  const TestBlob wrong(3 * kMiB, 2);
  const auto mirrors = Opened(blob);
  const auto honest = mirrors->Join(user_, "http://honest");
  const auto liar = mirrors->Join(other_user_, "http://liar");
  ASSERT_TRUE(mirrors->ClaimSize(blob.size()).ok());
  ASSERT_TRUE(mirrors->Write(honest, 0, Groups(blob.content, 0, 1)).ok());
  store_.files.Fail(store::FaultyFileSystem::Kind::kWrite, 1, 1, ENOSPC);
  EXPECT_FALSE(mirrors->Write(liar, 0, Groups(wrong.content, 0, 2)).ok());
  store_.HealDisk();
  (void)mirrors->Write(honest, kGroupSize, Groups(blob.content, 1, 192));
  while (!user_->end && !user_->is_complete) store_.inbox().RunOne();
  ASSERT_TRUE(user_->end);
  EXPECT_EQ(user_->end->outcome, Outcome::kLocalFault);
  EXPECT_TRUE(mirrors->over());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet());
}

// One run of a source that is written at once completes a block, and goes on over what another has
// brought: that stays, on the disk too.
TEST_F(MirrorBlobTest, WhatIsThereIsNotWrittenOver) {
  const TestBlob blob(3 * kMiB, 1);
  const uint64_t groups = blob.group_count();
  for (const uint64_t from : {1ul, 10ul, 50ul, 63ul}) {
    SCOPED_TRACE(from);
    const auto mirrors = Opened(blob);
    const auto honest = mirrors->Join(user_, "http://honest");
    const auto liar = mirrors->Join(other_user_, "http://liar");
    ASSERT_TRUE(mirrors->ClaimSize(blob.size()).ok());
    ASSERT_TRUE(mirrors->Write(honest, from * kGroupSize, Groups(blob.content, from, groups)).ok());
    Bytes content = blob.content;
    for (size_t at = from * kGroupSize; at < content.size(); at += kGroupSize) content[at] ^= 1;
    ASSERT_TRUE(mirrors->Write(liar, 0, Groups(content, 0, groups)).ok());
    while (!user_->end && !user_->is_complete) store_.inbox().RunOne();
    ASSERT_TRUE(user_->is_complete);
    store_.ExpectComplete(blob);
    user_ = std::make_shared<Bystander>();
    ASSERT_TRUE(store_.Remove(blob.hash).ok());
  }
}

// A node is writing a group while a file comes of which nobody says the size.
TEST_F(MirrorBlobTest, DoesNotClaimWhatItCouldNotWrite) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirrors = Opened(blob);
  const auto source = mirrors->Join(user_, "http://one");
  const auto node = store_.Writer(blob.hash);
  ASSERT_TRUE(blob.WriteTo(*node, 3).ok());
  ASSERT_TRUE(mirrors->BeginUnsized(user_.get()));
  ASSERT_TRUE(mirrors->Write(source, 0, blob.content).ok());
  ASSERT_TRUE(mirrors->EndOfFile(user_.get(), blob.size()).ok());
  EXPECT_TRUE(mirrors->waits_for_others());
  node->Publish();
  while (!user_->end && !user_->is_complete) store_.inbox().RunOne();
  EXPECT_TRUE(user_->is_complete);
  store_.ExpectComplete(blob);
}

// Two sources, of which one says no size: its bytes may have been written over meanwhile.
TEST_F(MirrorBlobTest, BelievesNoStreamThatOthersWroteOver) {
  const TestBlob blob(3 * kMiB, 1);
  const TestBlob wrong(3 * kMiB, 2);
  const auto mirrors = Opened(blob);
  const auto honest = mirrors->Join(user_, "http://honest");
  const auto liar = mirrors->Join(other_user_, "http://liar");
  ASSERT_TRUE(mirrors->BeginUnsized(user_.get()));
  ASSERT_TRUE(mirrors->Write(honest, 0, blob.content).ok());
  ASSERT_TRUE(mirrors->ClaimSize(blob.size()).ok());
  ASSERT_TRUE(mirrors->Write(liar, 0, Groups(wrong.content, 0, 1)).ok());
  EXPECT_EQ(mirrors->EndOfFile(user_.get(), blob.size()).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(mirrors->WantedFrom(honest).Contains(1)) << "it has to come again";
  EXPECT_FALSE(mirrors->over());
}

TEST_F(MirrorBlobTest, AStreamHasOneOwner) {
  const TestBlob blob(3 * kMiB, 1);
  const auto mirrors = Opened(blob);
  const auto first = mirrors->Join(user_, "http://first");
  const auto second = mirrors->Join(other_user_, "http://second");
  EXPECT_EQ(mirrors->stream(), 0u);
  ASSERT_TRUE(mirrors->BeginUnsized(user_.get()));
  EXPECT_FALSE(mirrors->BeginUnsized(other_user_.get()));
  ASSERT_TRUE(mirrors->Write(first, 0, Groups(blob.content, 0, 8)).ok());
  ASSERT_TRUE(mirrors->Write(second, 0, Groups(blob.content, 0, 8)).ok());
  EXPECT_EQ(mirrors->unproven_bytes(), 8 * kGroupSize) << "the other's counts for nothing";
  const uint64_t slow = mirrors->stream();
  EXPECT_FALSE(mirrors->BeginUnsized(other_user_.get(), slow + 1));
  ASSERT_TRUE(mirrors->BeginUnsized(other_user_.get(), slow));
  EXPECT_FALSE(mirrors->BeginUnsized(user_.get(), mirrors->stream())) << "it would go on for ever";
  ASSERT_TRUE(mirrors->Write(first, 8 * kGroupSize, Groups(blob.content, 8, 192)).ok());
  EXPECT_EQ(mirrors->EndOfFile(user_.get(), blob.size()).code(), StatusCode::kUnavailable);
  mirrors->Leave(other_user_.get());
  EXPECT_EQ(mirrors->stream(), 0u);
  ASSERT_TRUE(mirrors->BeginUnsized(user_.get()));
  ASSERT_TRUE(mirrors->Write(first, 0, blob.content).ok());
  ASSERT_TRUE(mirrors->EndOfFile(user_.get(), blob.size()).ok());
  while (!user_->end && !user_->is_complete) store_.inbox().RunOne();
  store_.ExpectComplete(blob);
}

TEST_F(MirrorBlobTest, SaysOfTwoSizesThatNeitherIsKnownToBeWrong) {
  const TestBlob blob(100, 1);
  const auto mirrors = Opened(blob);
  mirrors->Join(user_, "http://one");
  mirrors->Join(other_user_, "http://other");
  ASSERT_TRUE(mirrors->ClaimSize(100).ok());
  EXPECT_EQ(mirrors->ClaimSize(101).code(), StatusCode::kUnavailable);
}

// What is restored is written once more, and so it fails where that cannot be done.
TEST_F(MirrorBlobTest, TheNextLifeWritesAgainWhatItFinds) {
  const TestBlob blob(3 * kMiB, 1);
  const auto first = Serving(blob.content);
  first->ranges = false;
  first->break_after = 2 * kMiB;
  Get(BlobOf(blob.hash), first, "http://first");
  NextLife();
  store_.files.Fail(store::FaultyFileSystem::Kind::kWrite, 1, 1000, EIO);
  const auto second = Serving(blob.content);
  const Running get = Get(BlobOf(blob.hash), second, "http://second");
  EXPECT_EQ(get.observer->end->outcome, Outcome::kLocalFault);
  EXPECT_TRUE(second->asks.empty());
  store_.HealDisk();
  const Running again = Get(BlobOf(blob.hash), second, "http://second");
  EXPECT_EQ(again.observer->end->outcome, Outcome::kDone) << again.observer->end->reason;
  EXPECT_EQ(second->sent, kMiB);
  store_.ExpectComplete(blob);
}

// A node has brought what proves it.
TEST_F(MirrorBlobTest, WhatAnEarlierLifeBroughtCountsForNoGet) {
  const TestBlob blob(4 * kMiB, 1);
  const auto first = Serving(blob.content);
  first->ranges = false;
  first->break_after = 2 * kMiB;
  Get(BlobOf(blob.hash), first);
  NextLife();
  store_.Write(blob, RangeSet(Range{2 * kMiB / kGroupSize, 3 * kMiB / kGroupSize}));
  const Running again = Get(BlobOf(blob.hash), Serving(blob.content));
  EXPECT_EQ(again.observer->end->outcome, Outcome::kDone) << again.observer->end->reason;
  EXPECT_EQ(again.observer->progress.verified_bytes, kMiB);
  store_.ExpectComplete(blob);
}

}  // namespace
}  // namespace blobd::transfer
