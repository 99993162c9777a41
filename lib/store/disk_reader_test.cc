#include "store/disk_reader.h"

#include <gtest/gtest.h>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class DiskReaderTest : public testing::Test {
 protected:
  StatusCode ReadPair(BlobReader& reader, uint64_t index) {
    return reader.ReadPair(index, &pair_).code();
  }
  bool IsPair(const TestBlob& blob, uint64_t index) const {
    return std::equal(pair_.begin(), pair_.end(),
                      blob.outboard.begin() + static_cast<ptrdiff_t>(index * 64));
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  std::array<uint8_t, 64> pair_{};
};

TEST_F(DiskReaderTest, PairsOfACompleteBlob) {
  const TestBlob blob(50 * kGroupSize + 1, 1);
  store_.Put(blob);
  const auto reader = store_.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  // The descriptors are open already.
  std::filesystem::remove(store_.layout().Complete(blob.hash).data);
  std::filesystem::remove(store_.layout().Complete(blob.hash).outboard);
  for (uint64_t index = 0; index < 50; ++index) {
    EXPECT_EQ(ReadPair(**reader, index), StatusCode::kOk);
    EXPECT_TRUE(IsPair(blob, index)) << index;
  }
  for (const uint64_t index : {uint64_t{50}, uint64_t{1} << 58, ~uint64_t{0}})
    EXPECT_EQ(ReadPair(**reader, index), StatusCode::kOutOfRange) << index;
}

TEST_F(DiskReaderTest, PairsOfAPartialBlob) {
  const TestBlob blob(50 * kGroupSize + 1, 2);
  store_.Write(blob, RangeSet(Range{10, 12}));
  for (const bool is_idle : {false, true}) {
    SCOPED_TRACE(is_idle);
    if (is_idle) store_.Reopen();
    const auto reader = store_.Reader(blob.hash);
    ASSERT_TRUE(reader.ok()) << reader.status();
    for (const OutboardPair& pair : blob.Path(11)) {
      EXPECT_EQ(ReadPair(**reader, pair.index), StatusCode::kOk);
      EXPECT_EQ(pair_, pair.hashes);
    }
    EXPECT_EQ(ReadPair(**reader, 49), StatusCode::kOutOfRange);
    EXPECT_EQ(ReadPair(**reader, ~uint64_t{0}), StatusCode::kOutOfRange);
  }
  // Once the size is proven, a part of the outboard that was not written yet is as good as a hole.
  store_.Write(blob, RangeSet(Range{50, 51}));
  const auto reader = store_.Reader(blob.hash);
  EXPECT_EQ(ReadPair(**reader, 49), StatusCode::kOk);
  EXPECT_EQ(ReadPair(**reader, 50), StatusCode::kOutOfRange);
}

TEST_F(DiskReaderTest, AnOutboardCutShort) {
  const TestBlob blob(50 * kGroupSize, 3);
  store_.Put(blob);
  std::filesystem::resize_file(store_.layout().Complete(blob.hash).outboard, 100);
  const auto reader = store_.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(ReadPair(**reader, 0), StatusCode::kOk);
  EXPECT_EQ(ReadPair(**reader, 1), StatusCode::kDataLoss);
}

TEST_F(DiskReaderTest, ASmallBlobHasNoPairs) {
  for (const size_t size : {0u, 1u, 16384u}) {
    const TestBlob blob(size, 4);
    store_.Put(blob);
    const auto reader = store_.Reader(blob.hash);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(ReadPair(**reader, 0), StatusCode::kOutOfRange);
  }
}

TEST_F(DiskReaderTest, AHugeSparseBlob) {
  // Two groups at the ends of a blob that claims a tebibyte; nobody checks them here.
  constexpr uint64_t kSize = uint64_t{1} << 40;
  const Hash hash{{7}};
  const auto writer = store_.Writer(hash);
  writer->ClaimSize(kSize);
  const Bytes content = blake3::RandomBytes(kGroupSize, 5);
  const VerifiedGroup groups[] = {{0, content}, {kSize / kGroupSize - 1, content}};
  const OutboardPair pairs[] = {{0, {1}}, {bao::OutboardSize(kSize) / 64 - 1, {2}}};
  ASSERT_TRUE(writer->Write(groups, pairs).ok());
  writer->ProveSize(kSize);
  writer->Publish();
  const auto reader = store_.Reader(hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(ReadPair(**reader, pairs[1].index), StatusCode::kOk);
  EXPECT_EQ(pair_, pairs[1].hashes);
  EXPECT_EQ(ReadPair(**reader, pairs[1].index + 1), StatusCode::kOutOfRange);
  // They do not fit the hash, which is found out without reading what lies between.
  EXPECT_TRUE(store_.Withdraw(hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(hash).state, BlobState::kAbsent);
}

// A file that was in blobs/ before is not ours.
TEST_F(DiskReaderTest, APartialBlobIsNotReadFromAStaleFile) {
  const TestBlob blob(20 * kGroupSize, 6);
  store_.Write(blob, RangeSet(Range{0, 5}));
  EXPECT_TRUE(store_.Flush().ok());
  store_.Stats();  // behind the end of the writer: its files are closed
  std::filesystem::create_directory(store_.layout().DirectoryOf(blob.hash));
  std::ofstream(store_.layout().Complete(blob.hash).data) << std::string(blob.size(), 'x');
  std::ofstream(store_.layout().Complete(blob.hash).outboard) << std::string(2000, 'x');
  store_.ExpectClaimsHold(blob);
}

}  // namespace
}  // namespace blobd::store
