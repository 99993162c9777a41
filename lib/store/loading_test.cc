// Loading what an earlier life left: it does not hold up others, and what it finds is to be synced.
#include "store/loading.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "store/disk_store_for_test.h"
#include "store/turns.h"

namespace blobd::store {
namespace {

using Kind = FaultyFileSystem::Kind;

TEST(Turns, OneAfterTheOther) {
  Turns turns;
  std::vector<int> went;
  turns.Ask([&] { went.push_back(1); });
  turns.Ask([&] { went.push_back(2); });
  turns.Ask([&] { went.push_back(3); });
  EXPECT_EQ(went, std::vector<int>({1}));
  turns.End();
  turns.End();
  EXPECT_EQ(went, std::vector<int>({1, 2, 3}));
  turns.End();
  turns.Ask([&] { went.push_back(4); });
  EXPECT_EQ(went.back(), 4);
}

class LoadingTest : public testing::Test {
 protected:
  // Whatever store.db says is forgotten.
  void Doubt() {
    store_.Close();
    std::filesystem::remove(store_.layout().database());
  }
  std::vector<LookedUp> Ask(const std::vector<Hash>& hashes) {
    std::vector<LookedUp> answers;
    store_.store().LookupMany(hashes, store_.inbox(), [&](std::vector<LookedUp> some) {
      ++calls_;
      for (LookedUp& one : some) answers.push_back(std::move(one));
    });
    while (answers.size() < hashes.size()) {
      store_.inbox().RunOne();
      if (after_call_) after_call_(answers);
    }
    return answers;
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  int calls_ = 0;
  std::function<void(const std::vector<LookedUp>&)> after_call_;
};

TEST_F(LoadingTest, OneThatIsLoadedHoldsUpNobodyElse) {
  const TestBlob blob(20 * kGroupSize, 1);
  const Hash absent = TestBlob(100, 3).hash;
  store_.Put(blob);
  Doubt();
  std::filesystem::remove(store_.layout().Complete(blob.hash).outboard);
  // Loading makes that anew first: there it waits for us.
  std::mutex mutex;
  std::condition_variable is_changed;
  bool may_go = false;
  store_.files.BeforeEachChange([&, opener = std::this_thread::get_id()](Kind kind) {
    if (kind != Kind::kAny || std::this_thread::get_id() == opener) return;
    std::unique_lock lock(mutex);
    is_changed.wait(lock, [&] { return may_go; });
  });
  store_.Reopen();
  size_t first = 0;
  after_call_ = [&](const std::vector<LookedUp>& answers) {
    if (calls_ > 1) return;
    first = answers.size();
    const std::lock_guard lock(mutex);
    may_go = true;
    is_changed.notify_all();
  };
  const std::vector<LookedUp> answers = Ask({blob.hash, absent, blob.hash});
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(answers[0].index, 1u);
  EXPECT_EQ(answers[0].info->state, BlobState::kAbsent);
  EXPECT_EQ(calls_, 3);
  EXPECT_EQ(answers[2].info->state, BlobState::kComplete);
  store_.Close();
  store_.files.BeforeEachChange(nullptr);
}

TEST_F(LoadingTest, AnErrorIsToldOfWhatItConcerns) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  Doubt();
  store_.files.Fail(Kind::kRead, 1, 1'000'000, EIO);
  store_.Reopen();
  for (const LookedUp& answer : Ask({TestBlob(100, 3).hash, blob.hash}))
    EXPECT_EQ(answer.info.ok(), answer.index == 0);
  store_.files.Heal();
  store_.ExpectComplete(blob);
}

// Found by blobd_power_loss --seed 3670: what could not be synced now was removed, files and all.
TEST_F(LoadingTest, AFailedSyncRemovesNothing) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  Doubt();
  // Opening may sync; loading may not.
  store_.files.BeforeEachChange([&, opener = std::this_thread::get_id()](Kind kind) {
    if (kind == Kind::kSync && std::this_thread::get_id() != opener)
      store_.files.Fail(Kind::kSync, 1, 1'000'000, ENOSPC);
  });
  store_.Reopen();
  const std::vector<LookedUp> answers = Ask({blob.hash});
  store_.files.BeforeEachChange(nullptr);
  EXPECT_FALSE(answers[0].info.ok() && answers[0].info->state == BlobState::kComplete);
  store_.files.Heal();
  store_.ExpectComplete(blob);
}

// So large that each waits for its turn.
TEST_F(LoadingTest, LargeOnes) {
  const TestBlob one(Bytes(80 << 20, 1));
  const TestBlob two(Bytes((80 << 20) + 77, 2));
  store_.Put(one);
  store_.Put(two);
  Doubt();
  FlipByte(store_.layout().Complete(two.hash).data, 70 << 20);
  store_.Reopen();
  const std::vector<LookedUp> answers = Ask({one.hash, two.hash});
  ASSERT_TRUE(answers[0].info.ok() && answers[1].info.ok());
  store_.ExpectComplete(one);
  EXPECT_EQ(store_.Lookup(two.hash).verified_bytes, two.size() - kGroupSize);
  store_.ExpectClaimsHold(two);
}

TEST_F(LoadingTest, TheStoreMayEndMeanwhile) {
  const TestBlob one(Bytes(80 << 20, 1));
  const TestBlob two(Bytes((80 << 20) + 77, 2));
  store_.Put(one);
  store_.Put(two);
  Doubt();
  store_.Reopen();
  for (const Hash& hash : {one.hash, two.hash})
    store_.store().Lookup(hash, store_.inbox(), [](const StatusOr<BlobInfo>&) {});
  store_.Close();
  store_.Reopen();
  store_.ExpectComplete(one);
}

// A sync may have failed in the life that wrote it.
TEST_F(LoadingTest, WhatWasNotSyncedIsWrittenAgain) {
  const TestBlob blob(40 * kGroupSize, 1);
  store_.Write(blob, RangeSet(Range{0, 9}));
  ASSERT_TRUE(store_.Flush().ok());
  store_.Write(blob, RangeSet(Range{20, 23}));
  const TestDirectory copies;
  store_.CopyTo(copies.path() + "/copy");
  StoreUnderTest store(copies.path() + "/copy");
  int writes = 0;
  int writes_before_sync = -1;
  std::mutex mutex;
  store.files.BeforeEachChange([&](Kind kind) {
    const std::lock_guard lock(mutex);
    writes += kind == Kind::kWrite ? 1 : 0;
    if (kind == Kind::kSync && writes_before_sync < 0) writes_before_sync = writes;
  });
  EXPECT_EQ(store.Lookup(blob.hash).groups.Count(), 12u);
  ASSERT_TRUE(store.Flush().ok());
  store.files.BeforeEachChange(nullptr);
  EXPECT_GE(writes_before_sync, 3 + 4);  // groups, and some of the pairs above them
  EXPECT_LE(writes_before_sync, 3 + 12);
  store.ExpectClaimsHold(blob);
}

TEST_F(LoadingTest, ManyAreReadAtOnceAlsoTheSameTwice) {
  const TestBlob whole(20 * kGroupSize, 1);
  const TestBlob other(3 * kGroupSize, 2);
  store_.Put(whole);
  store_.Put(other);
  const std::vector<Hash> hashes = {whole.hash, TestBlob(100, 3).hash, other.hash, whole.hash};
  std::vector<LookedUp> answers = Ask(hashes);
  ASSERT_EQ(answers.size(), hashes.size());
  EXPECT_EQ(calls_, 1);
  for (const LookedUp& answer : answers) {
    ASSERT_TRUE(answer.info.ok());
    EXPECT_EQ(answer.info->hash, hashes[answer.index]);
    EXPECT_EQ(answer.info->state, answer.index == 1 ? BlobState::kAbsent : BlobState::kComplete);
  }
}

}  // namespace
}  // namespace blobd::store
