#include "store/verification.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class VerificationTest : public testing::Test {
 protected:
  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(VerificationTest, WhatIsRightStays) {
  const TestBlob small(1000, 1);
  const TestBlob large(1100 * kGroupSize + 7, 2);  // several slices
  const TestBlob partial(100 * kGroupSize, 3);
  store_.Put(small);
  store_.Put(large);
  RangeSet groups(Range{0, 10});
  groups.Insert({50, 51});
  store_.Write(partial, groups);
  const std::pair<Hash, uint64_t> expected[] = {
      {small.hash, 1000}, {large.hash, large.size()}, {partial.hash, 11 * kGroupSize}};
  for (const auto& [hash, bytes] : expected) {
    const auto verified = store_.Verify(hash);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->checked_bytes, bytes);
    EXPECT_TRUE(verified->rotten.empty());
  }
  store_.ExpectComplete(small);
  store_.ExpectComplete(large);
  EXPECT_EQ(store_.Lookup(partial.hash).groups, groups);
  EXPECT_EQ(store_.Verify(TestBlob(5, 5).hash).status().code(), StatusCode::kNotFound);
}

TEST_F(VerificationTest, WhatIsRottenGoes) {
  const TestBlob blob(1100 * kGroupSize, 1);
  store_.Put(blob);
  FlipByte(store_.layout().Complete(blob.hash).data, 5 * kGroupSize);
  FlipByte(store_.layout().Complete(blob.hash).data, 1050 * kGroupSize + 3);
  RangeSet rotten(Range{5, 6});
  rotten.Insert({1050, 1051});
  const auto verified = store_.Verify(blob.hash);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->rotten, rotten);
  EXPECT_EQ(store_.Lookup(blob.hash).groups, rotten.Missing({0, 1100}));
  store_.Repair(blob);
  EXPECT_TRUE(store_.Verify(blob.hash)->rotten.empty());
}

TEST_F(VerificationTest, PartialBlobThatRots) {
  const TestBlob blob(100 * kGroupSize, 1);
  store_.Write(blob, RangeSet(Range{10, 20}));
  ASSERT_TRUE(store_.Flush().ok());
  FlipByte(store_.layout().Partial(blob.hash).data, 12 * kGroupSize);
  EXPECT_EQ(store_.Verify(blob.hash)->rotten, RangeSet(Range{12, 13}));
  store_.Repair(blob);
}

TEST_F(VerificationTest, MissingFilesAndDamagedRows) {
  const TestBlob large(20 * kGroupSize, 1);
  const TestBlob small(500, 2);
  store_.Put(large);
  store_.Put(small);
  std::filesystem::remove(store_.layout().Complete(large.hash).data);
  store_.Close();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(store_.layout().database().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(db, "UPDATE small_blobs SET content = zeroblob(500)", nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(db);
  store_.Reopen();
  EXPECT_EQ(store_.Verify(large.hash)->rotten, RangeSet(Range{0, 20}));
  EXPECT_EQ(store_.Verify(small.hash)->rotten, RangeSet(Range{0, 1}));
  EXPECT_EQ(store_.Lookup(large.hash).state, BlobState::kAbsent);
  EXPECT_EQ(store_.Lookup(small.hash).state, BlobState::kAbsent);
}

TEST_F(VerificationTest, CancelledItWithdrawsNothing) {
  const TestBlob blob(1100 * kGroupSize, 1);
  store_.Put(blob);
  FlipByte(store_.layout().Complete(blob.hash).data, 5 * kGroupSize);
  std::optional<StatusOr<Verified>> verified;
  std::unique_ptr<StoreJob> job = store_.store().Verify(
      blob.hash, store_.inbox(),
      [&](uint64_t bytes) {
        EXPECT_GT(bytes, 0u);
        job = nullptr;
      },
      [&](StatusOr<Verified> outcome) { verified = std::move(outcome); });
  while (!verified) store_.inbox().RunOne();
  // The last slice may have been read before it heard of that.
  if (verified->ok()) return;
  EXPECT_EQ(verified->status().code(), StatusCode::kCancelled);
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kComplete);
}

}  // namespace
}  // namespace blobd::store
