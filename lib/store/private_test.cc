// Private blobs stay private, whatever happens to their bytes.
#include <gtest/gtest.h>

#include "store/disk_store_for_test.h"
#include "store/store_db.h"

namespace blobd::store {
namespace {

class PrivateTest : public testing::Test {
 protected:
  bool IsPrivate(const TestBlob& blob) { return store_.Lookup(blob.hash).is_private; }
  Import::Result ImportIt(const TestBlob& blob, bool make_private) {
    const auto import = store_.StartImport();
    if (make_private) import->MakePrivate();
    EXPECT_TRUE(import->Append(blob.content).ok());
    auto result = store_.Finish(*import);
    EXPECT_TRUE(result.ok()) << result.status();
    return *result;
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  const TestBlob large_{20 * kGroupSize + 5, 1};
  const TestBlob small_{1000, 2};
};

TEST_F(PrivateTest, SetAndTakenBack) {
  for (const TestBlob* blob : {&large_, &small_}) {
    EXPECT_EQ(store_.SetPrivate(blob->hash, true).code(), StatusCode::kNotFound);
    store_.Put(*blob);
    EXPECT_FALSE(IsPrivate(*blob));
    EXPECT_TRUE(store_.SetPrivate(blob->hash, true).ok());
    EXPECT_TRUE(IsPrivate(*blob));
    EXPECT_TRUE((*store_.Reader(blob->hash))->info().is_private);
  }
  store_.Reopen();
  for (const BlobInfo& info : store_.List(std::nullopt, 10)) EXPECT_TRUE(info.is_private);
  EXPECT_TRUE(store_.SetPrivate(large_.hash, false).ok());
  EXPECT_FALSE(IsPrivate(large_));
  store_.Reopen();
  EXPECT_FALSE(IsPrivate(large_));
  EXPECT_TRUE(IsPrivate(small_));
}

TEST_F(PrivateTest, APartialBlob) {
  {
    // A writer alone brings nothing.
    const auto writer = store_.Writer(large_.hash);
    writer->ClaimSize(large_.size());
    EXPECT_EQ(store_.SetPrivate(large_.hash, true).code(), StatusCode::kNotFound);
  }
  store_.Write(large_, RangeSet(Range{0, 5}));
  EXPECT_TRUE(store_.SetPrivate(large_.hash, true).ok());
  EXPECT_TRUE(IsPrivate(large_));
  store_.Write(large_, RangeSet(Range{5, 10}));
  store_.Reopen();
  EXPECT_TRUE(IsPrivate(large_));
  store_.Repair(large_);
  EXPECT_TRUE(IsPrivate(large_));
  store_.Reopen();
  EXPECT_TRUE(IsPrivate(large_));
}

TEST_F(PrivateTest, ImportedPrivately) {
  for (const TestBlob* blob : {&large_, &small_}) {
    EXPECT_FALSE(ImportIt(*blob, true).was_there);
    EXPECT_TRUE(IsPrivate(*blob));
    // Not made known by being imported or put again.
    EXPECT_TRUE(ImportIt(*blob, false).was_there);
    EXPECT_TRUE(IsPrivate(*blob));
  }
  EXPECT_TRUE(store_.PutSmall(small_.hash, small_.content).ok());
  store_.Reopen();
  EXPECT_TRUE(IsPrivate(large_));
  EXPECT_TRUE(IsPrivate(small_));
}

TEST_F(PrivateTest, AnImportMakesWhatIsHerePrivate) {
  const TestBlob partial(20 * kGroupSize + 5, 3);
  store_.Put(large_);
  store_.Put(small_);
  store_.Write(partial, RangeSet(Range{0, 5}));
  for (const TestBlob* blob : {&large_, &small_, &partial}) {
    EXPECT_FALSE(IsPrivate(*blob));
    EXPECT_EQ(ImportIt(*blob, true).was_there, blob != &partial);
    EXPECT_TRUE(IsPrivate(*blob));
  }
  store_.Reopen();
  for (const TestBlob* blob : {&large_, &small_, &partial}) EXPECT_TRUE(IsPrivate(*blob));
}

TEST_F(PrivateTest, SoDoesOneOfADescriptor) {
  for (const TestBlob* blob : {&large_, &small_}) {
    store_.Put(*blob);
    const auto result = store_.ImportFrom(*SealedMemory(blob->content), {true});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->was_there);
    EXPECT_TRUE(IsPrivate(*blob));
  }
}

TEST_F(PrivateTest, AnImportDoesNotMakeAPartialBlobKnown) {
  store_.Write(large_, RangeSet(Range{0, 5}));
  EXPECT_TRUE(store_.SetPrivate(large_.hash, true).ok());
  EXPECT_FALSE(ImportIt(large_, false).was_there);
  EXPECT_TRUE(IsPrivate(large_));
}

TEST_F(PrivateTest, AWithdrawalDoesNotMakeItKnown) {
  store_.Put(large_);
  EXPECT_TRUE(store_.SetPrivate(large_.hash, true).ok());
  FlipByte(store_.layout().Complete(large_.hash).data, 3 * kGroupSize);
  EXPECT_TRUE(store_.Withdraw(large_.hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(large_.hash).state, BlobState::kPartial);
  EXPECT_TRUE(IsPrivate(large_));
  store_.Reopen();
  EXPECT_TRUE(IsPrivate(large_));
  store_.Repair(large_);
  EXPECT_TRUE(IsPrivate(large_));
}

// Or a repair would tell everybody about it.
TEST_F(PrivateTest, NorDoesTheLossOfAllOfIt) {
  const TestBlob partial(20 * kGroupSize + 5, 3);
  const std::vector<const TestBlob*> blobs = {&large_, &small_, &partial};
  store_.Put(large_);
  store_.Put(small_);
  store_.Write(partial, RangeSet(Range{0, 1}));
  for (const TestBlob* blob : blobs) EXPECT_TRUE(store_.SetPrivate(blob->hash, true).ok());
  EXPECT_TRUE(store_.Flush().ok());
  store_.Close();
  for (uint64_t group = 0; group < bao::GroupCount(large_.size()); ++group) {
    FlipByte(store_.layout().Complete(large_.hash).data, group * kGroupSize);
  }
  FlipByte(store_.layout().Partial(partial.hash).outboard, 1);
  ASSERT_TRUE(StoreDb::Open(store_.layout().database(), "", true)
                  ->PutContent(small_.hash, Bytes(1000, 1))
                  .ok());
  store_.Reopen();
  for (const TestBlob* blob : blobs) {
    EXPECT_TRUE(store_.Withdraw(blob->hash, RangeSet::All()).ok());
    EXPECT_EQ(store_.Lookup(blob->hash).state, BlobState::kAbsent);
    EXPECT_EQ(store_.SetPrivate(blob->hash, false).code(), StatusCode::kNotFound);
  }
  EXPECT_TRUE(store_.List(std::nullopt, 10).empty());
  EXPECT_EQ(store_.Stats().partial_blobs, 0u);
  store_.ExpectNoPartialFiles();
  store_.Reopen();
  store_.Repair(large_);
  EXPECT_TRUE(store_.PutSmall(small_.hash, small_.content).ok());
  EXPECT_FALSE(ImportIt(partial, false).was_there);
  for (const TestBlob* blob : blobs) EXPECT_TRUE(IsPrivate(*blob));
  store_.Reopen();
  for (const TestBlob* blob : blobs) EXPECT_TRUE(IsPrivate(*blob));
}

// Kept in the same way: that it was complete. Whoever needs it must know that it is missed.
TEST_F(PrivateTest, WhatRottedIsNotTakenForWhatNeverCame) {
  const TestBlob partial(20 * kGroupSize + 5, 3);
  store_.Put(large_);
  store_.Put(small_);
  store_.Write(partial, RangeSet(Range{0, 1}));
  EXPECT_TRUE(store_.Flush().ok());
  EXPECT_FALSE(store_.Lookup(large_.hash).was_complete) << "it is";
  FlipByte(store_.layout().Complete(large_.hash).data, 3 * kGroupSize);
  EXPECT_TRUE(store_.Withdraw(large_.hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(large_.hash).state, BlobState::kPartial);
  EXPECT_TRUE(store_.Lookup(large_.hash).was_complete);
  store_.Close();
  for (uint64_t group = 0; group < large_.group_count(); ++group)
    FlipByte(store_.layout().Complete(large_.hash).data, group * kGroupSize + 1);
  FlipByte(store_.layout().Partial(partial.hash).outboard, 1);
  ASSERT_TRUE(StoreDb::Open(store_.layout().database(), "", true)
                  ->PutContent(small_.hash, Bytes(1000, 1))
                  .ok());
  store_.Reopen();
  EXPECT_TRUE(store_.Lookup(large_.hash).was_complete);
  for (const TestBlob* blob : {&large_, &small_, &partial})
    EXPECT_TRUE(store_.Withdraw(blob->hash, RangeSet::All()).ok());
  for (const bool is_reopened : {false, true}) {
    if (is_reopened) store_.Reopen();
    for (const TestBlob* blob : {&large_, &small_, &partial}) {
      EXPECT_EQ(store_.Lookup(blob->hash).state, BlobState::kAbsent);
      EXPECT_EQ(store_.Lookup(blob->hash).was_complete, blob != &partial);
    }
  }
  EXPECT_TRUE(store_.List(std::nullopt, 10).empty());
  // A part of it is not enough.
  store_.Write(large_, RangeSet(Range{0, 5}));
  EXPECT_TRUE(store_.Lookup(large_.hash).was_complete);
  store_.Repair(large_);
  EXPECT_FALSE(store_.Lookup(large_.hash).was_complete);
  // Nobody misses what was removed, though nothing of it is left to be removed.
  EXPECT_EQ(store_.Remove(small_.hash).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(store_.Lookup(small_.hash).was_complete);
  EXPECT_TRUE(store_.Remove(large_.hash).ok());
  store_.Reopen();
  EXPECT_FALSE(store_.Lookup(large_.hash).was_complete);
  EXPECT_FALSE(store_.Lookup(small_.hash).was_complete);
}

TEST_F(PrivateTest, WhileItIsFinished) {
  store_.Write(large_, RangeSet(Range{0, large_.group_count()}));
  const auto writer = store_.Writer(large_.hash);
  std::optional<Status> finished;
  std::optional<Status> hidden;
  writer->Finish(store_.inbox(), [&](const Status& status) { finished = status; });
  store_.store().SetPrivate(large_.hash, true, store_.inbox(),
                            [&](const Status& status) { hidden = status; });
  while (!finished || !hidden) store_.inbox().RunOne();
  EXPECT_TRUE(finished->ok());
  EXPECT_TRUE(hidden->ok());
  store_.Reopen();
  EXPECT_TRUE(IsPrivate(large_));
}

}  // namespace
}  // namespace blobd::store
