#include "store/bad_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "store/store_for_test.h"

namespace blobd::store {
namespace {

constexpr uint64_t kSize = 5 * kDiskBlock + 100;

class BadBlocksTest : public testing::Test {
 protected:
  BadBlocksTest() {
    const ByteView part = content_;
    EXPECT_TRUE(file_->WriteAt(0, {&part, 1}).ok());
  }
  // What is there, with everything readable.
  Bytes Read() {
    Bytes bytes(kSize + 1);
    const StatusOr<size_t> count = file_->ReadAt(0, bytes);
    EXPECT_TRUE(count.ok()) << count.status();
    bytes.resize(count.value_or(0));
    return bytes;
  }
  bool AllReads() {
    Bytes bytes(kSize);
    return file_->ReadAt(0, bytes).ok();
  }
  Bytes Without(Range bytes) {
    Bytes rest = content_;
    std::fill(rest.begin() + static_cast<ptrdiff_t>(bytes.begin),
              rest.begin() + static_cast<ptrdiff_t>(std::min(bytes.end, kSize)), uint8_t{0});
    return rest;
  }

  const TestDirectory directory_;
  const Bytes content_ = Bytes(kSize, uint8_t{7});
  FaultyFileSystem files_;
  const std::unique_ptr<File> file_ =
      *files_.Open(directory_.path() + "/file", OpenMode::kCreateNew);
};

TEST_F(BadBlocksTest, WhatReadsStays) {
  EXPECT_TRUE(DiscardBadBlocks(*file_, {0, kSize}).ok());
  EXPECT_TRUE(DiscardBadBlocks(*file_, {kSize, 10 * kSize}).ok());
  EXPECT_TRUE(DiscardBadBlocks(*file_, {7, 7}).ok());
  EXPECT_EQ(Read(), content_);
}

TEST_F(BadBlocksTest, OneThatDoesNotIsAHole) {
  files_.SpoilSector("file", {2 * kDiskBlock + 512, 2 * kDiskBlock + 1024});
  EXPECT_FALSE(AllReads());
  const Bytes pair(64, uint8_t{1});
  const ByteView part = pair;
  EXPECT_FALSE(file_->WriteAt(2 * kDiskBlock, {&part, 1}).ok());
  ASSERT_TRUE(DiscardBadBlocks(*file_, {2 * kDiskBlock + 640, kSize}).ok());
  EXPECT_EQ(Read(), Without({2 * kDiskBlock, 3 * kDiskBlock}));
  EXPECT_TRUE(file_->WriteAt(2 * kDiskBlock, {&part, 1}).ok());
}

TEST_F(BadBlocksTest, TheLastOneReachesBeyondTheEnd) {
  files_.SpoilSector("file", {5 * kDiskBlock, 5 * kDiskBlock + 50});
  ASSERT_TRUE(DiscardBadBlocks(*file_, {kSize - 1, kSize}).ok());
  EXPECT_EQ(*file_->Size(), kSize);
  EXPECT_EQ(Read(), Without({5 * kDiskBlock, kSize}));
}

TEST_F(BadBlocksTest, WhatCannotBeDiscardedStaysAsItIs) {
  files_.SpoilSector("file", {2 * kDiskBlock, 2 * kDiskBlock + 1});
  files_.Fail(FaultyFileSystem::Kind::kWrite, 1, 1000, EIO);
  EXPECT_TRUE(DiscardBadBlocks(*file_, {0, kSize}).ok());
  files_.Heal();
  EXPECT_FALSE(AllReads());
}

TEST_F(BadBlocksTest, ThoseThatNobodyAskedAboutStay) {
  files_.SpoilSector("file", {2 * kDiskBlock, 2 * kDiskBlock + 1});
  ASSERT_TRUE(DiscardBadBlocks(*file_, {3 * kDiskBlock, kSize}).ok());
  EXPECT_FALSE(AllReads());
}

}  // namespace
}  // namespace blobd::store
