// What the next life finds if this one ends at any moment of a withdrawal and the repair after it.
#include <gtest/gtest.h>

#include "store/disk_store_for_test.h"
#include "store/moments_for_test.h"
#include "store/vfs_for_test.h"

namespace blobd::store {
namespace {

struct Case {
  const char* name;
  RangeSet held;
  RangeSet rotten;
};

class WithdrawCrashTest : public testing::Test {
 protected:
  void Sweep(const Case& c) {
    SCOPED_TRACE(c.name);
    const TestDirectory directory;
    const std::string state = directory.path() + "/state";
    const std::string copies = directory.path() + "/copies";
    std::filesystem::create_directory(state);
    std::filesystem::create_directory(copies);
    Moments moments(state, copies);
    WatchedVfs vfs([&] { moments.Take(); });
    {
      StoreUnderTest store(state, WatchedVfs::kName);
      store.files.BeforeEachChange([&](FaultyFileSystem::Kind) { moments.Take(); });
      const bool is_complete = c.held.ContainsAll({0, kGroups});
      if (is_complete) {
        store.Put(blob_);
      } else {
        store.Write(blob_, c.held);
        ASSERT_TRUE(store.Flush().ok());
        store.Stats();
      }
      const FilePair paths =
          is_complete ? store.layout().Complete(blob_.hash) : store.layout().Partial(blob_.hash);
      for (const Range& range : c.rotten.ranges()) {
        for (uint64_t group = range.begin; group < range.end; ++group)
          FlipByte(paths.data, group * kGroupSize);
      }
      moments.Start();
      const int writes_before = vfs.last_log_write();
      ASSERT_TRUE(store.Withdraw(blob_.hash, RangeSet::All()).ok());
      moments.SetAnswered();
      if (c.rotten != c.held) {
        // Not only the process may end now.
        EXPECT_GT(vfs.last_log_write(), writes_before);
        EXPECT_GT(vfs.last_log_sync(), vfs.last_log_write());
      }
      moments.Take();
      store.Repair(blob_);
      moments.Stop();
    }
    ASSERT_GT(moments.taken().size(), 20u);
    for (size_t i = 0; i < moments.taken().size(); ++i) {
      SCOPED_TRACE(i);
      ExpectGoodLife(moments.taken()[i], c);
      if (HasFailure()) return;
    }
  }

  void ExpectGoodLife(const Moments::Moment& moment, const Case& c) {
    StoreUnderTest store(moment.directory);
    RangeSet good = c.held;
    good.RemoveAll(c.rotten);
    const RangeSet groups = store.Lookup(blob_.hash).groups;
    EXPECT_EQ(groups.Intersection(good), good);
    if (moment.is_answered) store.ExpectClaimsHold(blob_);
    ASSERT_TRUE(store.Withdraw(blob_.hash, RangeSet::All()).ok());
    store.ExpectClaimsHold(blob_);
    if (store.Lookup(blob_.hash).state == BlobState::kComplete) {
      store.ExpectComplete(blob_);
    } else {
      store.Repair(blob_);
    }
    store.ExpectNoPartialFiles();
  }

  static constexpr uint64_t kGroups = 12;
  const TestBlob blob_{(kGroups - 1) * kGroupSize + 77, 1};
};

TEST_F(WithdrawCrashTest, OfACompleteBlob) {
  RangeSet rotten(Range{2, 4});
  rotten.Insert({11, 12});
  Sweep({"some groups", RangeSet(Range{0, kGroups}), rotten});
}

TEST_F(WithdrawCrashTest, OfAllThereIs) {
  Sweep({"complete", RangeSet(Range{0, kGroups}), RangeSet(Range{0, kGroups})});
  Sweep({"partial", RangeSet(Range{3, 6}), RangeSet(Range{3, 6})});
}

TEST_F(WithdrawCrashTest, OfAPartialBlob) {
  Sweep({"some groups", RangeSet(Range{0, 9}), RangeSet(Range{2, 4})});
}

}  // namespace
}  // namespace blobd::store
