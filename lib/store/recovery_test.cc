#include "store/recovery.h"

#include <gtest/gtest.h>

#include "store/store_for_test.h"

namespace blobd::store {
namespace {

// Counts what is read of it.
class CountingFile final : public File {
 public:
  explicit CountingFile(std::unique_ptr<File> real) : real_(std::move(real)) {}
  StatusOr<size_t> ReadAt(uint64_t offset, MutableBytes out) override {
    read_ += out.size();
    return real_->ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset, std::span<const ByteView> parts) override {
    return real_->WriteAt(offset, parts);
  }
  Status Sync() override { return real_->Sync(); }
  StatusOr<uint64_t> Size() override { return real_->Size(); }
  Status Truncate(uint64_t size) override { return real_->Truncate(size); }
  StatusOr<std::optional<Range>> NextExtent(uint64_t from) override {
    return real_->NextExtent(from);
  }
  StatusOr<bool> CloneFrom(int source) override { return real_->CloneFrom(source); }
  StatusOr<uint64_t> CopyFrom(int source, uint64_t offset, uint64_t size) override {
    return real_->CopyFrom(source, offset, size);
  }
  StatusOr<bool> Discard(Range bytes) override { return real_->Discard(bytes); }
  void StartWriteBack(Range bytes) override { real_->StartWriteBack(bytes); }
  uint64_t read() const { return read_; }

 private:
  std::unique_ptr<File> real_;
  uint64_t read_ = 0;
};

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest()
      : data_(*file_system_.Open(directory_.path() + "/data", OpenMode::kCreate)),
        outboard_(*file_system_.Open(directory_.path() + "/outboard", OpenMode::kCreate)) {}

  void Write(uint64_t group) {
    const ByteView data = blob_.Group(group).data;
    ASSERT_TRUE(data_.WriteAt(group * kGroupSize, {&data, 1}).ok());
    for (const OutboardPair& pair : blob_.Path(group)) {
      const ByteView hashes = pair.hashes;
      ASSERT_TRUE(outboard_.WriteAt(pair.index * 64, {&hashes, 1}).ok());
    }
  }
  RangeSet Recover(uint64_t size, const RangeSet& known = {}) {
    auto recovered = RecoverGroups(blob_.hash, size, known, data_, outboard_);
    EXPECT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_EQ(recovered->has_last, recovered->groups.Contains(bao::GroupCount(size) - 1));
    return recovered->groups;
  }
  static RangeSet Set(std::initializer_list<uint64_t> groups) {
    RangeSet set;
    for (uint64_t group : groups) set.Insert({group, group + 1});
    return set;
  }

  TestDirectory directory_;
  RealFileSystem file_system_;
  const TestBlob blob_{100 * kGroupSize + 5000, 7};
  CountingFile data_;
  CountingFile outboard_;
};

TEST_F(RecoveryTest, FindsWhatWasWritten) {
  for (uint64_t group : {0u, 3u, 50u, 51u, 99u, 100u}) Write(group);
  EXPECT_EQ(Recover(blob_.size()), Set({0, 3, 50, 51, 99, 100}));
}

TEST_F(RecoveryTest, ReadsOnlyWhatIsInDoubt) {
  for (uint64_t group : {0u, 3u, 50u, 51u}) Write(group);
  EXPECT_EQ(Recover(blob_.size(), Set({0, 3, 50})), Set({51}));
  EXPECT_LE(data_.read(), 2 * kGroupSize);
  EXPECT_LE(outboard_.read(), 16 * 64u);
  EXPECT_TRUE(Recover(blob_.size(), Set({0, 3, 50, 51})).empty());
}

TEST_F(RecoveryTest, WrongBytesAreNotClaimed) {
  for (uint64_t group = 0; group <= 100; ++group) Write(group);
  FlipByte(directory_.path() + "/data", 20 * kGroupSize + 77);
  FlipByte(directory_.path() + "/data", blob_.size() - 1);
  RangeSet expected(Range{0, 100});
  expected.Remove({20, 21});
  EXPECT_EQ(Recover(blob_.size()), expected);
}

TEST_F(RecoveryTest, BelowAWrongPairNothingIsClaimed) {
  for (uint64_t group = 0; group <= 100; ++group) Write(group);
  // The root's right child: groups 64 to 100.
  const bao::Subtree right = bao::Subtree::Root(bao::ChunkCount(blob_.size())).Right();
  FlipByte(directory_.path() + "/outboard", right.pair_index * 64 + 40);
  EXPECT_EQ(Recover(blob_.size()), RangeSet(Range{0, 64}));
  FlipByte(directory_.path() + "/outboard", 0);
  EXPECT_TRUE(Recover(blob_.size()).empty());
}

TEST_F(RecoveryTest, AWrongSizeClaimsNothingFalse) {
  for (uint64_t group = 0; group <= 100; ++group) Write(group);
  for (uint64_t size : {blob_.size() - 1, blob_.size() + 1, 90 * kGroupSize, 128 * kGroupSize,
                        uint64_t{1000}, uint64_t{16384}, 1000 * kGroupSize, uint64_t{1} << 62}) {
    SCOPED_TRACE(size);
    const RangeSet found = Recover(size);
    EXPECT_FALSE(found.Contains(bao::GroupCount(size) - 1));
    EXPECT_TRUE(RangeSet(Range{0, 101}).Intersection(found) == found);
  }
  // The same depth, so the left half lies where it should.
  EXPECT_TRUE(Recover(blob_.size() + kGroupSize).ContainsAll({0, 64}));
}

TEST_F(RecoveryTest, FittingGroupsAreOfThoseNamed) {
  for (uint64_t group = 0; group <= 100; ++group) Write(group);
  FlipByte(directory_.path() + "/data", 20 * kGroupSize + 77);
  RangeSet named(Range{19, 22});
  named.Insert({100, 105});
  const auto fitting = FittingGroups(blob_.hash, blob_.size(), named, data_, outboard_);
  ASSERT_TRUE(fitting.ok()) << fitting.status();
  EXPECT_EQ(*fitting, Set({19, 21, 100}));
  EXPECT_LE(data_.read(), 4 * kGroupSize);
}

TEST_F(RecoveryTest, AHoleFitsWhereTheBlobIsZero) {
  const TestBlob zeros(Bytes(3 * kGroupSize));
  const ByteView outboard = zeros.outboard;
  ASSERT_TRUE(outboard_.WriteAt(0, {&outboard, 1}).ok());
  ASSERT_TRUE(data_.Truncate(zeros.size()).ok());
  const auto fitting =
      FittingGroups(zeros.hash, zeros.size(), RangeSet(Range{0, 3}), data_, outboard_);
  ASSERT_TRUE(fitting.ok()) << fitting.status();
  EXPECT_EQ(*fitting, RangeSet(Range{0, 3}));
}

TEST_F(RecoveryTest, EmptyFilesHoldNothing) {
  EXPECT_TRUE(Recover(blob_.size()).empty());
  ASSERT_TRUE(data_.Truncate(blob_.size()).ok());
  EXPECT_TRUE(Recover(blob_.size()).empty());
}

}  // namespace
}  // namespace blobd::store
