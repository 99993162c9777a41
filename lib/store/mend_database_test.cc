// Syncs of store.db that fail: nothing is recorded until it has been opened anew, by itself.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "sqlite/failing_vfs_for_test.h"
#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class MendDatabaseTest : public testing::Test {
 protected:
  void Tick() {
    store_.clock.Advance(seconds(1));
    store_.Tick();
  }

  TestDirectory directory_;
  std::atomic<bool> fails_ = false;
  sqlite::FailingVfs vfs_{[this](sqlite::FailingVfs::Call call, bool) {
    return fails_ && call == sqlite::FailingVfs::Call::kSync ? SQLITE_IOERR_FSYNC : SQLITE_OK;
  }};
  StoreUnderTest store_{directory_.path(), sqlite::FailingVfs::kName};
};

TEST_F(MendDatabaseTest, ItGoesOnByItself) {
  const TestBlob before(1000, 1);
  const TestBlob blob(1000, 2);
  const TestBlob large(20 * kGroupSize, 3);
  ASSERT_TRUE(store_.PutSmall(before.hash, before.content).ok());
  EXPECT_EQ(store_.Stats().trouble, "");
  store_.Write(large, RangeSet(Range{0, 20}));
  fails_ = true;
  EXPECT_EQ(store_.PutSmall(blob.hash, blob.content).code(), StatusCode::kUnavailable);
  EXPECT_EQ(store_.PutSmall(blob.hash, blob.content).code(), StatusCode::kUnavailable);
  Tick();
  Tick();
  EXPECT_NE(store_.Stats().trouble.find("nothing new is recorded"), std::string::npos);
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  store_.ExpectComplete(before);
  fails_ = false;
  // Not before it is opened anew.
  EXPECT_EQ(store_.PutSmall(blob.hash, blob.content).code(), StatusCode::kUnavailable);
  Tick();
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);  // what failed did not happen
  EXPECT_NE(store_.Stats().trouble, "");
  EXPECT_EQ(store_.Stats().trouble.find("nothing new"), std::string::npos);
  EXPECT_TRUE(store_.PutSmall(blob.hash, blob.content).ok());
  EXPECT_TRUE(store_.Finish(*store_.Writer(large.hash)).ok());
  EXPECT_TRUE(store_.SetPrivate(before.hash, true).ok());
  store_.Reopen();
  for (const TestBlob* one : {&before, &blob, &large}) store_.ExpectComplete(*one);
  EXPECT_TRUE(store_.Lookup(before.hash).is_private);
  EXPECT_EQ(store_.Stats().complete_blobs, 3u);
}

}  // namespace
}  // namespace blobd::store
