// What the next life finds if this one ends at any moment of a removal, of an import of somebody's
// file, or of making store.db anew.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>

#include "store/disk_store_for_test.h"
#include "store/moments_for_test.h"
#include "store/vfs_for_test.h"

namespace blobd::store {
namespace {

class CrashSweep : public testing::Test {
 protected:
  CrashSweep() {
    std::filesystem::create_directory(state_);
    std::filesystem::create_directory(directory_.path() + "/copies");
    store_ = std::make_unique<StoreUnderTest>(state_, WatchedVfs::kName);
    store_->files.BeforeEachChange([this](FaultyFileSystem::Kind) { moments_.Take(); });
  }
  template <typename Check>
  void ForEachLife(size_t at_least, Check check) {
    moments_.Stop();
    store_->Close();
    const size_t count = moments_.taken().size();
    ASSERT_GT(count, at_least);
    // Of many that are much alike some are enough.
    for (size_t i = 0; i < count && !HasFailure(); i += 1 + count / kMostLives) {
      SCOPED_TRACE(i);
      StoreUnderTest life(moments_.taken()[i].directory);
      check(life, moments_.taken()[i].is_answered);
    }
  }
  static void AwaitCertainty(StoreUnderTest& store) {
    while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
  }

  static constexpr size_t kMostLives = 40;
  TestDirectory directory_;
  const std::string state_ = directory_.path() + "/state";
  Moments moments_{state_, directory_.path() + "/copies"};
  WatchedVfs vfs_{[this] { moments_.Take(); }};
  std::unique_ptr<StoreUnderTest> store_;
  const TestBlob blob_{11 * kGroupSize + 77, 1};
  const TestBlob other_{5 * kGroupSize, 2};
};

TEST_F(CrashSweep, Removal) {
  store_->Put(blob_);
  store_->Put(other_);
  moments_.Start();
  ASSERT_TRUE(store_->Remove(blob_.hash).ok());
  moments_.SetAnswered();
  moments_.Take();
  ForEachLife(5, [&](StoreUnderTest& store, bool is_answered) {
    const BlobState state = store.Lookup(blob_.hash).state;
    if (is_answered) {
      EXPECT_EQ(state, BlobState::kAbsent);
    }
    if (state == BlobState::kComplete) {
      store.ExpectComplete(blob_);
    } else {
      EXPECT_EQ(state, BlobState::kAbsent);
      EXPECT_FALSE(std::filesystem::exists(store.layout().Complete(blob_.hash).data));
      EXPECT_FALSE(std::filesystem::exists(store.layout().Complete(blob_.hash).outboard));
      store.Repair(blob_);
    }
    store.ExpectComplete(other_);
  });
}

TEST_F(CrashSweep, RemovalOfAPartialBlob) {
  store_->Write(blob_, RangeSet(Range{2, 9}));
  ASSERT_TRUE(store_->Flush().ok());
  moments_.Start();
  ASSERT_TRUE(store_->Remove(blob_.hash).ok());
  moments_.SetAnswered();
  moments_.Take();
  ForEachLife(5, [&](StoreUnderTest& store, bool is_answered) {
    const RangeSet groups = store.Lookup(blob_.hash).groups;
    if (is_answered) {
      EXPECT_TRUE(groups.empty());
    }
    EXPECT_TRUE(groups.empty() || groups == RangeSet(Range{2, 9}));
    store.ExpectClaimsHold(blob_);
    store.Repair(blob_);
  });
}

TEST_F(CrashSweep, ImportOfADescriptor) {
  const std::string path = directory_.path() + "/source";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(blob_.content.data()),
             static_cast<std::streamsize>(blob_.size()));
  moments_.Start();
  const auto result = store_->ImportFrom(Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)),
                                         {.is_private = true});
  ASSERT_TRUE(result.ok()) << result.status();
  moments_.SetAnswered();
  moments_.Take();
  ForEachLife(10, [&](StoreUnderTest& store, bool is_answered) {
    const BlobInfo info = store.Lookup(blob_.hash);
    if (is_answered) {
      EXPECT_EQ(info.state, BlobState::kComplete);
    }
    if (info.state != BlobState::kAbsent) {
      EXPECT_TRUE(info.is_private);
    }
    store.ExpectClaimsHold(blob_);
    if (info.state == BlobState::kComplete) store.ExpectComplete(blob_);
    if (info.state != BlobState::kComplete) store.Repair(blob_);
    store.ExpectNoPartialFiles();
  });
}

// Each life damaged store.db again, or was about to make it anew: nothing is lost by dying in the
// middle.
TEST_F(CrashSweep, Rebuild) {
  const TestBlob small(600, 3);
  const TestBlob partial(20 * kGroupSize, 4);
  store_->Put(blob_);
  store_->Put(other_);
  store_->Put(small);
  ASSERT_TRUE(store_->SetPrivate(blob_.hash, true).ok());
  store_->Write(partial, RangeSet(Range{3, 7}));
  ASSERT_TRUE(store_->Flush().ok());
  store_->Close();
  std::filesystem::resize_file(store_->layout().database(),
                               std::filesystem::file_size(store_->layout().database()) - 4096);
  moments_.Start();
  store_->Reopen();
  moments_.Take();
  AwaitCertainty(*store_);
  ForEachLife(10, [&](StoreUnderTest& store, bool) {
    AwaitCertainty(store);
    store.ExpectComplete(blob_);
    store.ExpectComplete(other_);
    EXPECT_TRUE(store.Lookup(blob_.hash).is_private);
    store.ExpectClaimsHold(partial);
    // Its page may be the one that was cut off.
    if (store.Lookup(small.hash).state == BlobState::kComplete) store.ExpectComplete(small);
  });
}

}  // namespace
}  // namespace blobd::store
