// What is in the store is known without a look at the disk.
#include <gtest/gtest.h>

#include <future>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class StoreTallyTest : public testing::Test {
 protected:
  // Publishes one group of `blob_`.
  std::shared_ptr<BlobWriter> Begin(StoreUnderTest& store) const {
    const auto writer = store.Writer(blob_.hash);
    writer->ClaimSize(blob_.content.size());
    EXPECT_TRUE(blob_.WriteTo(*writer, 1).ok());
    writer->Publish();
    EXPECT_TRUE(store.Flush().ok());
    return writer;
  }
  const TestBlob blob_{5 * kGroupSize + 77, 1};
  const TestBlob other_{3 * kGroupSize, 2};
  TestDirectory directory_;
};

TEST_F(StoreTallyTest, FollowsABlobFromItsFirstGroupToItsEnd) {
  StoreUnderTest store(directory_.path());
  store.Put(other_);
  const auto expect = [&store](uint64_t complete, uint64_t complete_bytes, uint64_t partial,
                               uint64_t partial_bytes) {
    store.Stats();  // what was called before has been done, and fits
    const StoreCounts counts = store.Counts();
    EXPECT_EQ(counts.complete_blobs, complete);
    EXPECT_EQ(counts.complete_bytes, complete_bytes);
    EXPECT_EQ(counts.partial_blobs, partial);
    EXPECT_EQ(counts.partial_bytes, partial_bytes);
  };
  expect(1, 3 * kGroupSize, 0, 0);
  Begin(store).reset();
  expect(1, 3 * kGroupSize, 1, kGroupSize);
  store.Reopen();
  expect(1, 3 * kGroupSize, 1, kGroupSize);
  store.Put(blob_);
  expect(2, 8 * kGroupSize + 77, 0, 0);
  EXPECT_TRUE(store.Remove(blob_.hash).ok());
  expect(1, 3 * kGroupSize, 0, 0);
  Begin(store).reset();
  EXPECT_TRUE(store.Remove(blob_.hash).ok());
  expect(1, 3 * kGroupSize, 0, 0);
}

TEST_F(StoreTallyTest, CountsABlobOfWhichNothingIsVerified) {
  StoreUnderTest store(directory_.path());
  {
    const auto writer = store.Writer(blob_.hash);
    writer->ClaimSize(blob_.content.size());
    EXPECT_TRUE(writer->WriteUnproven(0, ByteView(blob_.content)).ok());
    EXPECT_TRUE(store.store().OpenUnprovenLog(blob_.hash, true).ok());
  }
  store.Stats();
  EXPECT_EQ(store.Counts().partial_blobs, 1);
  EXPECT_EQ(store.Counts().partial_bytes, 0);
  store.Reopen();
  EXPECT_EQ(store.Counts().partial_blobs, 1);
}

TEST_F(StoreTallyTest, IsThereWhileTheDiskHangs) {
  StoreUnderTest store(directory_.path());
  store.Put(other_);
  Begin(store).reset();
  std::promise<void> hangs;
  std::promise<void> ends;
  const std::shared_future<void> end = ends.get_future().share();
  store.files.BeforeEachChange([&, told = std::make_shared<std::once_flag>()](auto) {
    std::call_once(*told, [&] { hangs.set_value(); });
    end.wait();
  });
  // Nothing was written: it is removed where everything else would be answered.
  store.Writer(TestBlob(kGroupSize, 3).hash).reset();
  hangs.get_future().wait();
  EXPECT_EQ(store.Counts().complete_blobs, 1);
  EXPECT_EQ(store.Counts().partial_blobs, 1);
  EXPECT_EQ(store.Counts().partial_bytes, kGroupSize);
  ends.set_value();
  store.Stats();
  store.files.BeforeEachChange(nullptr);
}

}  // namespace
}  // namespace blobd::store
