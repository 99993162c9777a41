#include "store/disk_store.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "blake3/hasher.h"
#include "store/disk_store_for_test.h"
#include "store/store_db.h"

namespace blobd::store {
namespace {

class DiskStoreTest : public testing::Test {
 protected:
  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(DiskStoreTest, TwoWritersInRandomOrder) {
  const TestBlob blob(200 * kGroupSize + 1234, 1);
  std::vector<uint64_t> order;
  for (uint64_t group = 0; group < blob.group_count(); ++group) order.push_back(group);
  Rng rng(2);
  for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[rng.Below(i + 1)]);
  const std::shared_ptr<BlobWriter> writers[] = {store_.Writer(blob.hash),
                                                 store_.Writer(blob.hash)};
  for (size_t i = 0; i < order.size(); ++i) {
    BlobWriter& writer = *writers[rng.Below(2)];
    ASSERT_TRUE(blob.WriteTo(writer, order[i]).ok());
    if (order[i] == blob.group_count() - 1) writer.ProveSize(blob.size());
    if (rng.Chance(0.2)) writer.Publish();
  }
  writers[0]->Publish();
  EXPECT_TRUE(store_.Finish(*writers[1]).ok());
  EXPECT_TRUE(store_.Finish(*writers[0]).ok());  // again: it is done
  store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
  store_.Reopen();
  store_.ExpectComplete(blob);
  EXPECT_EQ(store_.Stats().complete_bytes, blob.size());
  EXPECT_EQ(store_.Stats().partial_blobs, 0u);
  EXPECT_EQ(store_.TryWriter(blob.hash).status().code(), StatusCode::kAlreadyExists);
}

TEST_F(DiskStoreTest, AdjacentGroupsInOneCall) {
  const TestBlob blob(64 * kGroupSize, 3);
  std::vector<VerifiedGroup> groups;
  std::vector<OutboardPair> pairs;
  for (uint64_t group = 0; group < blob.group_count(); ++group) {
    groups.push_back(blob.Group(group));
    for (const OutboardPair& pair : blob.Path(group)) {
      // In pre-order, each with the first group beneath it.
      if (pairs.empty() || pair.index > pairs.back().index) pairs.push_back(pair);
    }
  }
  const auto writer = store_.Writer(blob.hash);
  store_.files.Fail(FaultyFileSystem::Kind::kWrite, 1000000, 1000000, 0);  // none: counts only
  ASSERT_TRUE(writer->Write(groups, pairs).ok());
  EXPECT_EQ(store_.files.calls(), 2);
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
}

// So that a sync, and the commits behind it, need not wait for hundreds of MiB.
TEST_F(DiskStoreTest, TheDiskBeginsLongBeforeTheSync) {
  const TestBlob blob(600 * kGroupSize, 5);
  const auto writer = store_.Writer(blob.hash);
  for (uint64_t group = 0; group < 600; ++group) {
    EXPECT_EQ(store_.files.written_back(), group / 256 * 256 * kGroupSize) << group;
    ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
  }
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreTest, APartialBlobIsReadableAndResumes) {
  const TestBlob blob(100 * kGroupSize + 1, 4);
  store_.Write(blob, RangeSet(Range{10, 20}));
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kPartial);
  EXPECT_EQ(store_.Stats().partial_bytes, 10 * kGroupSize);
  const auto reader = store_.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  Bytes bytes(2 * kGroupSize);
  EXPECT_TRUE((*reader)->ReadAt(12 * kGroupSize + 5, bytes).ok());
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), blob.content.begin() + 12 * kGroupSize + 5));
  EXPECT_EQ((*reader)->ReadAt(18 * kGroupSize + 1, bytes).code(), StatusCode::kOutOfRange);
  EXPECT_EQ((*reader)->ReadAt(9 * kGroupSize, bytes).code(), StatusCode::kOutOfRange);
  EXPECT_EQ((*reader)->ReadAt(~uint64_t{0} - 5, bytes).code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(store_.Flush().ok());
  store_.Reopen();
  const BlobInfo info = store_.Lookup(blob.hash);
  EXPECT_EQ(info.groups, RangeSet(Range{10, 20}));
  EXPECT_EQ(info.size, blob.size());
  EXPECT_FALSE(info.size_proven);
  RangeSet rest = info.groups.Missing({0, blob.group_count()});
  store_.Write(blob, rest);
  EXPECT_TRUE(store_.Finish(*store_.Writer(blob.hash)).ok());
  store_.ExpectComplete(blob);
  // Opened when the blob was partial, it still reads what it could then.
  EXPECT_TRUE((*reader)->ReadAt(12 * kGroupSize, bytes).ok());
}

TEST_F(DiskStoreTest, FinishWantsAllGroups) {
  const TestBlob blob(10 * kGroupSize, 5);
  store_.Write(blob, RangeSet(Range{0, 9}));
  const auto writer = store_.Writer(blob.hash);
  EXPECT_EQ(store_.Finish(*writer).code(), StatusCode::kFailedPrecondition);
  // All groups, but nobody said that they are all.
  ASSERT_TRUE(blob.WriteTo(*writer, 9).ok());
  EXPECT_EQ(store_.Finish(*writer).code(), StatusCode::kFailedPrecondition);
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
}

TEST_F(DiskStoreTest, SmallBlobsAreRows) {
  std::vector<TestBlob> blobs;
  for (const size_t size : {0u, 1u, 1024u, 16383u, 16384u}) {
    blobs.emplace_back(size, size);
    EXPECT_TRUE(store_.PutSmall(blobs.back().hash, blobs.back().content).ok());
    EXPECT_TRUE(store_.PutSmall(blobs.back().hash, blobs.back().content).ok());
    blobs.emplace_back(size, size + 100);
    if (size == 0) blobs.pop_back();  // there is only one empty blob
    const TestBlob& blob = blobs.back();
    if (size == 0) continue;
    const auto writer = store_.Writer(blob.hash);
    writer->ClaimSize(size);
    ASSERT_TRUE(blob.WriteTo(*writer, 0).ok());
    writer->ProveSize(size);
    writer->Publish();
    EXPECT_TRUE(store_.Finish(*writer).ok());
  }
  for (const TestBlob& blob : blobs) store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
  EXPECT_TRUE(std::filesystem::is_empty(store_.layout().blobs()));
  store_.Reopen();
  for (const TestBlob& blob : blobs) store_.ExpectComplete(blob);
  EXPECT_EQ(store_.Stats().complete_blobs, blobs.size());
  EXPECT_EQ(store_.PutSmall(Hash{}, Bytes(kGroupSize + 1)).code(), StatusCode::kInvalidArgument);
}

TEST_F(DiskStoreTest, AnEmptyBlobThroughAWriter) {
  const TestBlob blob(0, 0);
  const auto writer = store_.Writer(blob.hash);
  ASSERT_TRUE(blob.WriteTo(*writer, 0).ok());
  writer->ProveSize(0);
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreTest, AFirstGroupAloneMayBelongToALargeBlob) {
  const TestBlob blob(2 * kGroupSize, 6);
  const auto writer = store_.Writer(blob.hash);
  const VerifiedGroup first[] = {blob.Group(0)};
  ASSERT_TRUE(writer->Write(first, {}).ok());  // its pairs come later
  writer->Publish();
  EXPECT_EQ(store_.Lookup(blob.hash).verified_bytes, kGroupSize);
  ASSERT_TRUE(blob.WriteTo(*writer, 1).ok());
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreTest, DamagedSmallContentIsNotRead) {
  const TestBlob blob(1000, 7);
  ASSERT_TRUE(store_.PutSmall(blob.hash, blob.content).ok());
  store_.Close();
  {
    auto db = StoreDb::Open(store_.layout().database(), "", true);
    Bytes other = blob.content;
    other[500] ^= 1;
    ASSERT_TRUE(db->PutContent(blob.hash, other).ok());
  }
  store_.Reopen();
  EXPECT_EQ(store_.Reader(blob.hash).status().code(), StatusCode::kDataLoss);
}

TEST_F(DiskStoreTest, Imports) {
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{16384}, size_t{16385}, size_t{300000}, size_t{3000000}}) {
    SCOPED_TRACE(size);
    const TestBlob blob(size, size + 9);
    for (const bool was_there : {false, true}) {
      const auto import = store_.StartImport();
      ByteView rest = blob.content;
      while (!rest.empty()) {
        const size_t piece = std::min<size_t>(rest.size(), 10007);
        ASSERT_TRUE(import->Append(rest.first(piece)).ok());
        rest = rest.subspan(piece);
      }
      const auto result = store_.Finish(*import);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->hash, blob.hash);
      EXPECT_EQ(result->size, size);
      EXPECT_EQ(result->was_there, was_there);
      EXPECT_FALSE(import->Append(Bytes(1)).ok());
      EXPECT_FALSE(store_.Finish(*import).ok());
    }
    store_.ExpectComplete(blob);
    store_.ExpectNoPartialFiles();
  }
}

TEST_F(DiskStoreTest, AnImportCompletesAPartialBlob) {
  const TestBlob blob(50 * kGroupSize, 8);
  store_.Write(blob, RangeSet(Range{0, 20}));
  const auto writer = store_.Writer(blob.hash);
  const auto import = store_.StartImport();
  ASSERT_TRUE(import->Append(blob.content).ok());
  EXPECT_FALSE(store_.Finish(*import)->was_there);
  ASSERT_TRUE(blob.WriteTo(*writer, 30).ok());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
}

TEST_F(DiskStoreTest, AnAbandonedImportLeavesNothing) {
  {
    const auto import = store_.StartImport();
    ASSERT_TRUE(import->Append(Bytes(100000, 1)).ok());
    EXPECT_FALSE(std::filesystem::is_empty(store_.layout().partial()));
  }
  store_.ExpectNoPartialFiles();
  std::ofstream(store_.layout().Import(77).data) << "left by kill -9";
  store_.Reopen();
  store_.ExpectNoPartialFiles();
}

TEST_F(DiskStoreTest, ListsInPagesByHash) {
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < 25; ++i) {
    const TestBlob blob(100 + i, 1000 + i);
    ASSERT_TRUE(store_.PutSmall(blob.hash, blob.content).ok());
    hashes.push_back(blob.hash);
  }
  const TestBlob partial(10 * kGroupSize, 9);
  store_.Write(partial, RangeSet(Range{3, 4}));
  hashes.push_back(partial.hash);
  // Begun, but nothing verified: not listed.
  const TestBlob nothing(10 * kGroupSize, 10);
  const auto writer = store_.Writer(nothing.hash);
  writer->ClaimSize(nothing.size());
  std::sort(hashes.begin(), hashes.end());
  std::vector<Hash> listed;
  std::optional<Hash> after;
  for (;;) {
    const std::vector<BlobInfo> page = store_.List(after, 7);
    if (page.empty()) break;
    for (const BlobInfo& info : page) {
      listed.push_back(info.hash);
      EXPECT_EQ(info.state, info.hash == partial.hash ? BlobState::kPartial : BlobState::kComplete);
    }
    after = listed.back();
  }
  EXPECT_EQ(listed, hashes);
  EXPECT_TRUE(store_.List(std::nullopt, 0).empty());
}

TEST_F(DiskStoreTest, AClaimWithoutBytesLeavesNothing) {
  const TestBlob blob(10 * kGroupSize, 11);
  {
    const auto writer = store_.Writer(blob.hash);
    writer->ClaimSize(uint64_t{1} << 60);
    writer->ClaimSize(~uint64_t{0});
  }
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  EXPECT_EQ(store_.Reader(blob.hash).status().code(), StatusCode::kNotFound);
  store_.Close();
  auto db = StoreDb::Open(store_.layout().database(), "", true);
  EXPECT_TRUE(db->ListPartial()->empty());
}

TEST_F(DiskStoreTest, AnImpossiblePlaceIsRefused) {
  const auto writer = store_.Writer(Hash{});
  const VerifiedGroup far[] = {{uint64_t{1} << 60, {}}};
  EXPECT_EQ(writer->Write(far, {}).code(), StatusCode::kInvalidArgument);
  const Bytes long_data(kGroupSize + 1);
  const VerifiedGroup too_long[] = {{0, long_data}};
  EXPECT_EQ(writer->Write(too_long, {}).code(), StatusCode::kInvalidArgument);
  const OutboardPair far_pair[] = {{~uint64_t{0}, {}}};
  EXPECT_EQ(writer->Write({}, far_pair).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace blobd::store
