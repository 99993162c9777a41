// What a disk that cannot read some of its sectors does to blobs.
#include <gtest/gtest.h>

#include <cerrno>
#include <string_view>

#include "base/error_reason.h"
#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class BadSectorTest : public testing::Test {
 protected:
  void FlipData(const TestBlob& blob, uint64_t group) {
    FlipByte(store_.layout().Complete(blob.hash).data, group * kGroupSize + 5);
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(BadSectorTest, IsDamageThatCanBeRepaired) {
  const TestBlob blob(40 * kGroupSize, 20);
  for (const char* file : {".data", ".obao4"}) {
    SCOPED_TRACE(file);
    store_.Put(blob);
    const bool is_data = std::string_view(file) == ".data";
    const uint64_t begin = is_data ? 7 * kGroupSize + 512 : 0;
    store_.files.SpoilSector(file, {begin, begin + 512});
    const auto verified = store_.Verify(blob.hash);
    ASSERT_TRUE(verified.ok()) << verified.status();
    // From the data its outboard is computed and written anew.
    EXPECT_EQ(verified->rotten, is_data ? RangeSet(Range{7, 8}) : RangeSet());
    is_data ? store_.Repair(blob) : store_.ExpectComplete(blob);
    ASSERT_TRUE(store_.Remove(blob.hash).ok());
  }
}

// The kernel reads a block before it writes a part of it: what is at a pair's place, or at the end
// of the data, could not be written again.
TEST_F(BadSectorTest, IsLeftBehindByWhatIsWrittenInItsPlace) {
  const TestBlob blob(300 * kGroupSize + 5000, 22);
  for (const uint64_t pair : {0u, 100u, 290u}) {
    SCOPED_TRACE(pair);
    for (const bool data_rots_too : {false, true}) {
      store_.Put(blob);
      if (data_rots_too) {
        for (const uint64_t group : {100u, 103u, 291u, 300u}) FlipData(blob, group);
      }
      store_.files.SpoilSector(".obao4", {pair * 64, pair * 64 + 512});
      const auto verified = store_.Verify(blob.hash);
      ASSERT_TRUE(verified.ok()) << verified.status();
      EXPECT_EQ(verified->rotten.empty(), !data_rots_too);
      store_.ExpectClaimsHold(blob);
      if (data_rots_too) store_.Repair(blob);
      store_.ExpectComplete(blob);
      ASSERT_TRUE(store_.Remove(blob.hash).ok());
    }
  }
}

// Whoever reads it believes what it gets.
TEST_F(BadSectorTest, OfTheDataStaysAnErrorForThoseThatReadIt) {
  const TestBlob blob(40 * kGroupSize + 5000, 24);
  store_.Put(blob);
  const auto reader = store_.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  FlipData(blob, 5);
  store_.files.SpoilSector(".data", {blob.content.size() - 700, blob.content.size() - 188});
  ASSERT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  RangeSet left(Range{0, 40});
  left.RemoveAll(RangeSet(Range{5, 6}));
  EXPECT_EQ(store_.Lookup(blob.hash).groups, left);
  Bytes bytes(5000);
  EXPECT_EQ(ReasonOf((*reader)->ReadAt(40 * kGroupSize, bytes)), Reason::kBlobDamaged);
  store_.Repair(blob);
  store_.ExpectComplete(blob);
}

// Without the root's pair nothing of a partial blob can be believed, nor computed from the rest.
TEST_F(BadSectorTest, OfAPartialBlobIsLeftBehindToo) {
  const TestBlob blob(300 * kGroupSize, 23);
  store_.Write(blob, RangeSet(Range{0, 200}));
  store_.files.SpoilSector(".obao4", {0, 512});
  const auto verified = store_.Verify(blob.hash);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->rotten, RangeSet(Range{0, 200}));
  EXPECT_TRUE(store_.Lookup(blob.hash).groups.empty());
  store_.Repair(blob);
}

TEST_F(BadSectorTest, IsNeitherReadNorServed) {
  const TestBlob blob(40 * kGroupSize, 21);
  store_.Put(blob);
  store_.files.SpoilSector(".data", {0, 512});
  const auto reader = store_.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  Bytes bytes(kGroupSize);
  EXPECT_EQ(ReasonOf((*reader)->ReadAt(0, bytes)), Reason::kBlobDamaged);
  EXPECT_TRUE((*reader)->ReadAt(kGroupSize, bytes).ok());
}

TEST_F(BadSectorTest, ADiskThatReadsNothingIsNoReasonToTakeAnythingBack) {
  const TestBlob blob(40 * kGroupSize, 18);
  store_.Put(blob);
  store_.files.Fail(FaultyFileSystem::Kind::kRead, 1, 1 << 30, EIO);
  EXPECT_EQ(store_.Withdraw(blob.hash, RangeSet(Range{0, 5})).code(), StatusCode::kUnavailable);
  store_.files.Heal();
  store_.ExpectComplete(blob);
}

}  // namespace
}  // namespace blobd::store
