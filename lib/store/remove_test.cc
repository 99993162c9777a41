// Removing blobs, and the order in which garbage collection sees them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

class RemoveTest : public testing::Test {
 protected:
  void ExpectNothingOf(const Hash& hash) {
    EXPECT_EQ(store_.Lookup(hash).state, BlobState::kAbsent);
    for (const FilePair& pair : {store_.layout().Complete(hash), store_.layout().Partial(hash)}) {
      EXPECT_FALSE(std::filesystem::exists(pair.data));
      EXPECT_FALSE(std::filesystem::exists(pair.outboard));
    }
    EXPECT_EQ(store_.Remove(hash).status().code(), StatusCode::kNotFound);
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(RemoveTest, CompleteBlob) {
  const TestBlob blob(20 * kGroupSize + 5, 1);
  const TestBlob other(20 * kGroupSize, 2);
  store_.Put(blob);
  store_.Put(other);
  const auto reader = store_.Reader(blob.hash);
  const auto descriptor = store_.OpenDescriptor(blob.hash);
  ASSERT_TRUE(descriptor.ok()) << descriptor.status();
  const auto freed = store_.Remove(blob.hash);
  ASSERT_TRUE(freed.ok()) << freed.status();
  EXPECT_GE(*freed, blob.size());
  EXPECT_LE(*freed, blob.size() + blob.size() / 100);
  ExpectNothingOf(blob.hash);
  EXPECT_EQ(store_.Stats().complete_blobs, 1u);
  EXPECT_EQ(store_.Stats().complete_bytes, other.size());
  // Those who have it open keep it.
  Bytes content(blob.size());
  EXPECT_TRUE((*reader)->ReadAt(0, content).ok());
  EXPECT_TRUE(content == blob.content);
  EXPECT_EQ(pread(descriptor->file.fd(), content.data(), content.size(), 0),
            static_cast<ssize_t>(blob.size()));
  EXPECT_TRUE(content == blob.content);

  store_.Reopen();
  ExpectNothingOf(blob.hash);
  store_.ExpectComplete(other);
  store_.Put(blob);
  store_.ExpectComplete(blob);
}

TEST_F(RemoveTest, SmallBlob) {
  const TestBlob blob(100, 1);
  store_.Put(blob);
  const auto freed = store_.Remove(blob.hash);
  ASSERT_TRUE(freed.ok()) << freed.status();
  EXPECT_EQ(*freed, 100u);
  ExpectNothingOf(blob.hash);
  EXPECT_EQ(store_.Stats().complete_blobs, 0u);
  store_.Reopen();
  ExpectNothingOf(blob.hash);
}

TEST_F(RemoveTest, PartialBlobOnceNobodyWritesIt) {
  const TestBlob blob(20 * kGroupSize, 1);
  auto writer = store_.Writer(blob.hash);
  writer->ClaimSize(blob.size());
  ASSERT_TRUE(blob.WriteTo(*writer, 3).ok());
  writer->Publish();
  EXPECT_TRUE(store_.ListByUse(std::nullopt, 10)[0].is_pinned);
  EXPECT_EQ(store_.Remove(blob.hash).status().code(), StatusCode::kFailedPrecondition);
  writer = nullptr;
  EXPECT_FALSE(store_.ListByUse(std::nullopt, 10)[0].is_pinned);
  const auto freed = store_.Remove(blob.hash);
  ASSERT_TRUE(freed.ok()) << freed.status();
  EXPECT_EQ(*freed, kGroupSize);
  ExpectNothingOf(blob.hash);
  store_.ExpectNoPartialFiles();
  store_.Repair(blob);
}

TEST_F(RemoveTest, AWriterFromBeforeDoesNotFinishWhatWasRemoved) {
  for (const uint64_t size : {uint64_t{100}, 20 * kGroupSize}) {
    const TestBlob blob(size, 1);
    auto writer = store_.Writer(blob.hash);
    writer->ClaimSize(size);
    for (uint64_t group = 0; group < blob.group_count(); ++group)
      ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
    writer->ProveSize(size);
    EXPECT_TRUE(store_.Finish(*writer).ok());
    EXPECT_TRUE(store_.Finish(*writer).ok());
    ASSERT_TRUE(store_.Remove(blob.hash).ok());
    EXPECT_EQ(store_.Finish(*writer).code(), StatusCode::kUnavailable);
    ExpectNothingOf(blob.hash);
  }
}

TEST_F(RemoveTest, WithdrawnBlobHasItsFilesInBlobs) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  FlipByte(store_.layout().Complete(blob.hash).data, 5 * kGroupSize);
  ASSERT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{5, 6})).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kPartial);
  EXPECT_TRUE(store_.Remove(blob.hash).ok());
  ExpectNothingOf(blob.hash);
}

// Found by blobd_power_loss --seed 268: nobody is left to remove it, so its files went without a
// sync, and came back with power loss as those of a blob whose row is lost: hidden.
TEST_F(RemoveTest, FilesOfWhatRottedWholeAreGoneForGood) {
  const TestBlob blob(2 * kGroupSize, 1);
  store_.Put(blob);
  FlipByte(store_.layout().Complete(blob.hash).data, 0);
  FlipByte(store_.layout().Complete(blob.hash).data, kGroupSize);
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1000, 1000, EIO);  // none, but they are counted
  ASSERT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  EXPECT_TRUE(store_.Lookup(blob.hash).was_complete);
  ExpectNothingOf(blob.hash);
  EXPECT_GE(store_.files.calls(), 2);  // both directories
  store_.Put(blob);
  store_.ExpectComplete(blob);
}

// Whoever waits while a blob is loaded of which nothing is left waits for its files to go, too.
TEST_F(RemoveTest, WhatIsImportedWhileNothingIsFoundOfItStays) {
  const TestBlob blob(2 * kGroupSize, 1);
  store_.Put(blob);
  const FilePair paths = store_.layout().Complete(blob.hash);
  FlipByte(paths.data, 0);
  ASSERT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  store_.Close();
  ASSERT_EQ(unlink(paths.data.c_str()), 0);
  ASSERT_EQ(unlink(paths.outboard.c_str()), 0);
  store_.files.BeforeEachChange([](FaultyFileSystem::Kind kind) {
    if (kind == FaultyFileSystem::Kind::kSync) std::this_thread::sleep_for(milliseconds(50));
  });
  store_.Reopen();
  store_.Put(blob);
  store_.files.BeforeEachChange(nullptr);
  store_.ExpectComplete(blob);
  store_.Reopen();
  store_.ExpectComplete(blob);
}

TEST_F(RemoveTest, PrivateBlobComesBackPrivate) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  ASSERT_TRUE(store_.SetPrivate(blob.hash, true).ok());
  ASSERT_TRUE(store_.Remove(blob.hash).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  store_.Reopen();
  store_.Put(blob);
  EXPECT_TRUE(store_.Lookup(blob.hash).is_private);
}

TEST_F(RemoveTest, WatchersHear) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  std::vector<BlobState> states;
  const auto watch = store_.store().Watch(
      blob.hash, store_.inbox(), [&](const BlobInfo& info) { states.push_back(info.state); });
  while (states.empty()) store_.inbox().RunOne();
  ASSERT_TRUE(store_.Remove(blob.hash).ok());
  while (states.size() < 2) store_.inbox().RunOne();
  EXPECT_EQ(states, (std::vector<BlobState>{BlobState::kComplete, BlobState::kAbsent}));
}

TEST_F(RemoveTest, WhatCannotBeUnlinkedIsRemovedLater) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1, 1000, EIO);
  EXPECT_FALSE(store_.Remove(blob.hash).ok());
  EXPECT_EQ(store_.List(std::nullopt, 10).size(), 0u);
  EXPECT_EQ(store_.ListByUse(std::nullopt, 10).size(), 0u);
  store_.files.Heal();
  ExpectNothingOf(blob.hash);
  store_.Put(blob);
  store_.ExpectComplete(blob);
}

TEST_F(RemoveTest, OpeningTakesUpARemoval) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1, 1000, EIO);
  EXPECT_FALSE(store_.Remove(blob.hash).ok());
  store_.files.Heal();
  store_.Reopen();
  ExpectNothingOf(blob.hash);
  EXPECT_EQ(store_.Stats().complete_blobs, 0u);
}

// Found by blobd_power_loss --seed 23: what was unlinked and not synced came back with power loss,
// after a kill and a life that found no files and took that for the end of it.
TEST_F(RemoveTest, WhatWasUnlinkedBeforeIsSyncedAllTheSame) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1, 1000, EIO);
  EXPECT_FALSE(store_.Remove(blob.hash).ok());
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1000, 1000, EIO);  // none, but they are counted
  ExpectNothingOf(blob.hash);
  EXPECT_EQ(store_.files.calls(), 2);  // both directories
}

// Whatever is called while a removal runs waits for it, or comes before it.
TEST_F(RemoveTest, RacesWithOthers) {
  const TestBlob blob(20 * kGroupSize, 1);
  for (int round = 0; round < 10; ++round) {
    store_.Put(blob);
    Inbox& inbox = store_.inbox();
    int answers = 0;
    store_.store().Remove(blob.hash, inbox, [&](auto freed) {
      EXPECT_TRUE(freed.ok()) << freed.status();
      ++answers;
    });
    store_.store().Remove(blob.hash, inbox, [&](auto freed) {
      EXPECT_EQ(freed.status().code(), StatusCode::kNotFound);
      ++answers;
    });
    std::shared_ptr<BlobWriter> writer;
    store_.store().OpenWriter(blob.hash, inbox, [&](auto opened) {
      ASSERT_TRUE(opened.ok()) << opened.status();
      writer = *std::move(opened);
      ++answers;
    });
    while (answers < 3) inbox.RunOne();
    for (uint64_t group = 0; group < blob.group_count(); ++group)
      ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
    writer->ProveSize(blob.size());
    EXPECT_TRUE(store_.Finish(*writer).ok());
    store_.ExpectComplete(blob);
  }
}

TEST_F(RemoveTest, ListByUseHasTheLeastRecentlyUsedFirst) {
  std::vector<TestBlob> blobs;
  for (uint64_t i = 0; i < 6; ++i) {
    blobs.emplace_back(i % 2 == 0 ? 100 : 3 * kGroupSize, i);
    store_.Put(blobs.back());
    store_.clock.Advance(hours(2));
  }
  ASSERT_TRUE(store_.SetPrivate(blobs[4].hash, true).ok());
  (void)store_.Reader(blobs[1].hash);
  store_.clock.Advance(hours(2));
  (void)store_.OpenDescriptor(blobs[0].hash);
  const TestBlob partial(10 * kGroupSize, 10);
  store_.clock.Advance(hours(2));
  store_.Write(partial, RangeSet(Range{2, 4}));
  (void)store_.Lookup(blobs[2].hash);  // looking is not using

  std::vector<Hash> order;
  std::optional<UseCursor> cursor;
  for (;;) {
    const std::vector<BlobUse> page = store_.ListByUse(cursor, 2);
    if (page.empty()) break;
    for (const BlobUse& use : page) {
      order.push_back(use.hash);
      EXPECT_EQ(use.is_private, use.hash == blobs[4].hash);
      EXPECT_EQ(use.state, use.hash == partial.hash ? BlobState::kPartial : BlobState::kComplete);
      const uint64_t size = use.hash == partial.hash ? 2 * kGroupSize : use.size;
      EXPECT_EQ(use.disk_bytes, size + bao::OutboardSize(size));
    }
    cursor = page.back().cursor();
  }
  EXPECT_EQ(order, (std::vector<Hash>{blobs[2].hash, blobs[3].hash, blobs[4].hash, blobs[5].hash,
                                      blobs[1].hash, blobs[0].hash, partial.hash}));
}

TEST_F(RemoveTest, UseIsNotedOncePerHour) {
  const TestBlob blob(3 * kGroupSize, 1);
  store_.Put(blob);
  const WallTime first = store_.Lookup(blob.hash).last_use;
  store_.clock.Advance(minutes(59));
  (void)store_.Reader(blob.hash);
  EXPECT_EQ(store_.Lookup(blob.hash).last_use, first);
  store_.clock.Advance(minutes(2));
  (void)store_.Reader(blob.hash);
  EXPECT_GT(store_.Lookup(blob.hash).last_use, first);
}

}  // namespace
}  // namespace blobd::store
