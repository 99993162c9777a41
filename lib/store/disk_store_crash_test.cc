// What is left after the process, the power or the disk failed at a bad moment.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <thread>

#include "store/disk_store_for_test.h"
#include "store/store_db.h"

namespace blobd::store {
namespace {

using Kind = FaultyFileSystem::Kind;

class DiskStoreCrashTest : public testing::Test {
 protected:
  // The next life after kill -9 now.
  std::unique_ptr<StoreUnderTest> NextLife() {
    const std::string copy = directory_.path() + "/copy" + std::to_string(copies_++);
    store_.CopyTo(copy);
    return std::make_unique<StoreUnderTest>(copy);
  }
  // What store.db would claim after power loss.
  RangeSet Claimed(const Hash& hash) {
    const std::string copy = directory_.path() + "/claimed" + std::to_string(copies_++);
    store_.CopyTo(copy);
    auto row = StoreDb::Open(copy + "/store.db", "", true)->Find(hash);
    return row->has_value() ? (*row)->groups : RangeSet();
  }

  TestDirectory directory_;
  StoreUnderTest store_{[this] {
    std::filesystem::create_directory(directory_.path() + "/state");
    return directory_.path() + "/state";
  }()};
  int copies_ = 0;
};

TEST_F(DiskStoreCrashTest, KillLosesNothingThatWasPublished) {
  const TestBlob blob(200 * kGroupSize + 10, 1);
  RangeSet groups(Range{0, 50});
  groups.Insert({77, 78});
  groups.Insert({150, 201});
  store_.Write(blob, groups);
  EXPECT_TRUE(Claimed(blob.hash).empty());  // nothing was synced
  const auto next = NextLife();
  const BlobInfo info = next->Lookup(blob.hash);
  EXPECT_EQ(info.groups, groups);
  EXPECT_EQ(info.size, blob.size());
  EXPECT_TRUE(info.size_proven);
  next->Write(blob, groups.Missing({0, blob.group_count()}));
  EXPECT_TRUE(next->Finish(*next->Writer(blob.hash)).ok());
  next->ExpectComplete(blob);
  next->ExpectNoPartialFiles();
}

TEST_F(DiskStoreCrashTest, WhatWasFoundIsClaimedForTheLifeAfter) {
  const TestBlob blob(20 * kGroupSize, 2);
  store_.Write(blob, RangeSet(Range{0, 10}));
  const auto next = NextLife();
  next->Lookup(blob.hash);
  EXPECT_TRUE(next->Flush().ok());
  next->Close();
  auto row = StoreDb::Open(next->layout().database(), "", true)->Find(blob.hash);
  EXPECT_EQ((*row)->groups, RangeSet(Range{0, 10}));
}

TEST_F(DiskStoreCrashTest, WrongBytesAreNotClaimed) {
  const TestBlob blob(64 * kGroupSize, 3);
  store_.Write(blob, RangeSet(Range{0, 64}));
  store_.Stats();
  FlipByte(store_.layout().Partial(blob.hash).data, 5 * kGroupSize + 3);
  // The left child of the root's left child: groups 0 to 15.
  FlipByte(store_.layout().Partial(blob.hash).outboard, 2 * 64 + 1);
  const auto next = NextLife();
  EXPECT_EQ(next->Lookup(blob.hash).groups, RangeSet(Range{16, 64}));
}

TEST_F(DiskStoreCrashTest, FilesWithoutARowAreFoundByTheirLength) {
  const TestBlob blob(30 * kGroupSize + 99, 4);
  RangeSet groups(Range{0, 7});
  groups.Insert({30, 31});
  store_.Write(blob, groups);
  store_.Close();
  ASSERT_TRUE(StoreDb::Open(store_.layout().database(), "", true)->Remove(blob.hash).ok());
  store_.Reopen();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, groups);
}

TEST_F(DiskStoreCrashTest, AnOutboardAloneIsRemoved) {
  std::ofstream(store_.layout().Partial(Hash{{1}}).outboard) << std::string(64, 'x');
  store_.Reopen();
  store_.ExpectNoPartialFiles();
  EXPECT_EQ(store_.Lookup(Hash{{1}}).state, BlobState::kAbsent);
}

TEST_F(DiskStoreCrashTest, ARowWithoutItsFilesIsForgotten) {
  const TestBlob blob(30 * kGroupSize, 5);
  store_.Write(blob, RangeSet(Range{0, 7}));
  ASSERT_TRUE(store_.Flush().ok());
  store_.Close();
  std::filesystem::remove(store_.layout().Partial(blob.hash).data);
  store_.Reopen();
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  store_.Write(blob, RangeSet(Range{0, 30}));
  EXPECT_TRUE(store_.Finish(*store_.Writer(blob.hash)).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreCrashTest, AFileCutShortIsNotBelieved) {
  const TestBlob blob(30 * kGroupSize, 6);
  store_.Write(blob, RangeSet(Range{0, 20}));
  ASSERT_TRUE(store_.Flush().ok());
  store_.Close();
  std::filesystem::resize_file(store_.layout().Partial(blob.hash).data, 10 * kGroupSize + 1);
  store_.Reopen();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 10}));
}

TEST_F(DiskStoreCrashTest, SyncsBehindTheWriterWithinTheBound) {
  const TestBlob blob(40 * kGroupSize, 7);
  store_.Write(blob, RangeSet(Range{0, 10}));
  store_.Stats();  // behind the publication
  store_.clock.Advance(seconds(1));
  store_.Write(blob, RangeSet(Range{10, 15}));
  EXPECT_TRUE(Claimed(blob.hash).empty());
  store_.clock.Advance(seconds(2));
  store_.Write(blob, RangeSet(Range{15, 20}));
  // The sync runs by itself; a second one could only claim more.
  while (Claimed(blob.hash).empty()) std::this_thread::yield();
  EXPECT_TRUE(Claimed(blob.hash).ContainsAll({0, 20}));
  store_.Write(blob, RangeSet(Range{20, 25}));
  EXPECT_TRUE(store_.Flush().ok());
  EXPECT_EQ(Claimed(blob.hash), RangeSet(Range{0, 25}));
}

TEST_F(DiskStoreCrashTest, AFullDiskAtAnyWrite) {
  const TestBlob blob(20 * kGroupSize + 7, 8);
  for (int k = 1;; ++k) {
    SCOPED_TRACE(k);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    const auto writer = store.Writer(blob.hash);
    writer->ClaimSize(blob.size());
    store.files.Fail(Kind::kWrite, k, 1 << 30, ENOSPC);
    RangeSet written;
    bool failed = false;
    for (uint64_t group = 0; group < blob.group_count(); ++group) {
      const Status status = blob.WriteTo(*writer, group);
      if (status.ok()) {
        written.Insert({group, group + 1});
      } else {
        failed = true;
        EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
      }
    }
    if (!failed) break;
    writer->Publish();
    EXPECT_EQ(store.Lookup(blob.hash).groups, written);
    EXPECT_EQ(store.Finish(*writer).code(), StatusCode::kFailedPrecondition);
    // There is room again.
    store.HealDisk();
    store.Write(blob, written.Missing({0, blob.group_count()}));
    writer->ProveSize(blob.size());
    EXPECT_TRUE(store.Finish(*writer).ok());
    store.ExpectComplete(blob);
    store.ExpectNoPartialFiles();
  }
}

TEST_F(DiskStoreCrashTest, AFailureAtAnyStepOfFinishing) {
  const TestBlob blob(20 * kGroupSize + 7, 9);
  for (const int error : {ENOSPC, EIO}) {
    for (int k = 1;; ++k) {
      SCOPED_TRACE(k);
      const TestDirectory directory;
      std::filesystem::create_directory(directory.path() + "/state");
      StoreUnderTest store(directory.path() + "/state");
      store.Write(blob, RangeSet(Range{0, blob.group_count()}));
      const auto writer = store.Writer(blob.hash);
      store.files.Fail(Kind::kAny, k, 1 << 30, error);
      const Status status = store.Finish(*writer);
      store.files.Heal();
      if (status.ok()) {
        EXPECT_GT(k, 5);
        break;
      }
      EXPECT_EQ(status.code(),
                error == ENOSPC ? StatusCode::kResourceExhausted : StatusCode::kInternal);
      {
        // After kill -9 now it completes by itself: every group is on disk.
        store.CopyTo(directory.path() + "/copy");
        StoreUnderTest next(directory.path() + "/copy");
        next.ExpectComplete(blob);
        next.ExpectNoPartialFiles();
      }
      // Or in this life, with what the failure cost written again.
      store.Write(blob, store.Lookup(blob.hash).groups.Missing({0, blob.group_count()}));
      writer->ProveSize(blob.size());
      EXPECT_TRUE(store.Finish(*writer).ok());
      store.ExpectComplete(blob);
      store.ExpectNoPartialFiles();
    }
  }
}

TEST_F(DiskStoreCrashTest, AFailedSyncTakesBackWhatItWasToSync) {
  const TestBlob blob(20 * kGroupSize, 10);
  store_.Write(blob, RangeSet(Range{0, 5}));
  ASSERT_TRUE(store_.Flush().ok());
  const auto writer = store_.Writer(blob.hash);
  store_.Write(blob, RangeSet(Range{5, 10}));
  store_.files.Fail(Kind::kSync, 1, 1, EIO);
  EXPECT_FALSE(store_.Flush().ok());
  // The kernel may have dropped the pages, and a second sync would not tell.
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 5}));
  EXPECT_TRUE(store_.Flush().ok());
  EXPECT_EQ(Claimed(blob.hash), RangeSet(Range{0, 5}));
  store_.Write(blob, RangeSet(Range{5, 20}));
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreCrashTest, AFailureAtAnyStepOfAnImport) {
  const TestBlob blob(200000, 11);
  for (int k = 1;; ++k) {
    SCOPED_TRACE(k);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    store.files.Fail(Kind::kAny, k, 1 << 30, ENOSPC);
    Status status;
    {
      const auto import = store.StartImport();
      status = import->Append(blob.content);
      if (status.ok()) status = store.Finish(*import).status();
    }
    store.HealDisk();
    if (status.ok()) break;
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    const auto again = store.StartImport();
    ASSERT_TRUE(again->Append(blob.content).ok());
    EXPECT_TRUE(store.Finish(*again).ok());
    store.ExpectComplete(blob);
    store.ExpectNoPartialFiles();
  }
}

TEST_F(DiskStoreCrashTest, ALateWriterCannotHarmACompleteBlob) {
  const TestBlob blob(20 * kGroupSize, 12);
  const auto late = store_.Writer(blob.hash);  // has opened nothing yet
  store_.Write(blob, RangeSet(Range{0, 20}));
  EXPECT_TRUE(store_.Finish(*store_.Writer(blob.hash)).ok());
  ASSERT_TRUE(blob.WriteTo(*late, 3).ok());
  EXPECT_TRUE(store_.Finish(*late).ok());
  store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
}

TEST_F(DiskStoreCrashTest, AStaleFileInBlobsDoesNotBecomeTheBlob) {
  const TestBlob blob(20 * kGroupSize, 13);
  for (const bool is_synced_first : {false, true}) {
    SCOPED_TRACE(is_synced_first);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    const FilePair paths = store.layout().Complete(blob.hash);
    std::filesystem::create_directory(store.layout().DirectoryOf(blob.hash));
    std::ofstream(paths.data) << std::string(blob.size(), 'x');
    std::ofstream(paths.outboard) << "stale";
    store.Write(blob, RangeSet(Range{0, 20}));
    if (is_synced_first) {
      // All groups are recorded now, and the next life looks in blobs/ first.
      ASSERT_TRUE(store.Flush().ok());
      store.Reopen();
    } else {
      EXPECT_TRUE(store.Finish(*store.Writer(blob.hash)).ok());
    }
    store.ExpectComplete(blob);
    store.ExpectNoPartialFiles();
  }
}

TEST_F(DiskStoreCrashTest, AWriterAfterAFailedCompletionSeesTheWholeBlob) {
  const TestBlob blob(20 * kGroupSize, 14);
  for (int k = 1; k < 20; ++k) {
    SCOPED_TRACE(k);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    store.Write(blob, RangeSet(Range{0, 20}));
    store.files.Fail(Kind::kAny, k, 1 << 30, EIO);
    const Status status = store.Finish(*store.Writer(blob.hash));
    store.files.Heal();
    if (status.ok()) break;
    if (store.Lookup(blob.hash).state == BlobState::kComplete) {
      store.ExpectComplete(blob);
      continue;
    }
    if (store.Lookup(blob.hash).groups != RangeSet(Range{0, 20})) continue;
    store.Write(blob, RangeSet(Range{3, 4}));
    const auto reader = store.Reader(blob.hash);
    ASSERT_TRUE(reader.ok()) << reader.status();
    Bytes content(blob.size());
    ASSERT_TRUE((*reader)->ReadAt(0, content).ok());
    EXPECT_TRUE(content == blob.content);
    EXPECT_TRUE(store.Finish(*store.Writer(blob.hash)).ok());
    store.ExpectComplete(blob);
    store.ExpectNoPartialFiles();
  }
}

TEST_F(DiskStoreCrashTest, WhatWasWrittenBeforeAFailedSyncIsNotBelieved) {
  const TestBlob blob(20 * kGroupSize, 15);
  const auto writer = store_.Writer(blob.hash);
  ASSERT_TRUE(blob.WriteTo(*writer, 7).ok());  // published only later
  store_.Write(blob, RangeSet(Range{0, 5}));
  store_.files.Fail(Kind::kSync, 1, 1, EIO);
  EXPECT_FALSE(store_.Flush().ok());
  writer->Publish();
  EXPECT_TRUE(store_.Lookup(blob.hash).groups.empty());
  EXPECT_EQ(blob.WriteTo(*writer, 8).code(), StatusCode::kUnavailable);
  EXPECT_EQ(store_.Finish(*writer).code(), StatusCode::kInternal);  // what the sync said
  store_.Write(blob, RangeSet(Range{0, 20}));
  EXPECT_TRUE(store_.Finish(*store_.Writer(blob.hash)).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DiskStoreCrashTest, GroupsWaitForTheSizeUnderWhichTheyAreFound) {
  const TestBlob blob(30 * kGroupSize + 99, 16);
  store_.Write(blob, RangeSet(Range{16, 20}));
  store_.Close();
  // The claim had not reached the database, and the length of the file is not the blob's.
  ASSERT_TRUE(StoreDb::Open(store_.layout().database(), "", true)->Remove(blob.hash).ok());
  store_.Reopen();
  EXPECT_TRUE(store_.Lookup(blob.hash).groups.empty());
  {
    const auto writer = store_.Writer(blob.hash);
    writer->ClaimSize(17 * kGroupSize);  // a lie
  }
  store_.Reopen();
  EXPECT_TRUE(store_.Lookup(blob.hash).groups.empty());
  const auto writer = store_.Writer(blob.hash);
  writer->ClaimSize(blob.size());
  while (store_.Lookup(blob.hash).groups.empty()) std::this_thread::yield();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{16, 20}));
}

TEST_F(DiskStoreCrashTest, FinishTellsWhyASmallBlobIsNotStored) {
  const TestBlob blob(1000, 17);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(store_.layout().database().c_str(), &other), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(other, "DROP TABLE small_blobs", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  const auto writer = store_.Writer(blob.hash);
  ASSERT_TRUE(blob.WriteTo(*writer, 0).ok());
  writer->ProveSize(blob.size());
  writer->Publish();
  // Waits for the failure, and hears of it only if it comes first.
  (void)store_.Flush();
  const Status status = store_.Finish(*writer);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), StatusCode::kFailedPrecondition) << status;
}

TEST_F(DiskStoreCrashTest, OddNamesInPartialStopNobody) {
  std::filesystem::create_directory(store_.layout().Partial(Hash{{1}}).data);
  std::filesystem::create_symlink("/dev/zero", store_.layout().Partial(Hash{{2}}).data);
  ASSERT_EQ(mkfifo(store_.layout().Partial(Hash{{3}}).data.c_str(), 0600), 0);
  std::filesystem::create_directory(store_.layout().Import(5).data);
  store_.Reopen();
  EXPECT_EQ(store_.Lookup(Hash{{3}}).state, BlobState::kAbsent);
}

TEST_F(DiskStoreCrashTest, RefusesADatabaseThatIsNotItsOwn) {
  for (const char* sql : {"PRAGMA application_id=77", "PRAGMA user_version=1000"}) {
    store_.Close();
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(store_.layout().database().c_str(), &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
    EXPECT_EQ(store_.TryReopen().code(), StatusCode::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace blobd::store
