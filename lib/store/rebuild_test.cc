// Every way in which store.db can be damaged: what is right is found again, what is not is never
// served, and what cannot be known is said to be missing or private.
#include "store/rebuild.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <thread>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

constexpr const char* kLeaves =
    "SELECT pageno FROM dbstat WHERE name='small_blobs' AND pagetype='leaf' ORDER BY path";

class RebuildTest : public testing::Test {
 protected:
  RebuildTest() {
    for (uint64_t i = 0; i < 40; ++i) small_.emplace_back(2000 + i, 100 + i);
    for (const TestBlob& blob : small_) store_.Put(blob);
    store_.Put(public_);
    store_.Put(private_);
    EXPECT_TRUE(store_.SetPrivate(private_.hash, true).ok());
    RangeSet groups(Range{0, 7});
    groups.Insert({30, 33});
    store_.Write(partial_, groups);
    EXPECT_TRUE(store_.Flush().ok());
  }

  std::string Database() const { return store_.layout().database(); }
  uint64_t DatabaseSize() const { return std::filesystem::file_size(Database()); }
  // Closed, so that the log is empty.
  template <typename F>
  void Damage(F damage) {
    store_.Close();
    damage();
    store_.Reopen();
  }
  void Execute(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(Database().c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  // Of the closed database: what `sql` gives in its rows.
  std::vector<uint64_t> Numbers(const std::string& sql) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(Database().c_str(), &db), SQLITE_OK);
    std::vector<uint64_t> numbers;
    const auto take = [](void* out, int, char** values, char**) {
      static_cast<std::vector<uint64_t>*>(out)->push_back(std::stoull(values[0]));
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), take, &numbers, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
    return numbers;
  }
  void OverwritePage(uint64_t page) { Overwrite((page - 1) * 4096, std::string(4096, 'x')); }
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }
  void Overwrite(uint64_t offset, const std::string& bytes) {
    std::fstream file(Database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void AwaitCertainty() {
    while (store_.Stats().doubtful_blobs > 0) std::this_thread::yield();
  }
  size_t SmallOnesLeft() {
    size_t left = 0;
    for (const TestBlob& blob : small_) {
      if (store_.Lookup(blob.hash).state != BlobState::kComplete) continue;
      store_.ExpectComplete(blob);
      ++left;
    }
    return left;
  }
  // What is in files is there all the same.
  void ExpectFilesFound() {
    AwaitCertainty();
    store_.ExpectComplete(public_);
    store_.ExpectComplete(private_);
    EXPECT_TRUE(store_.Lookup(private_.hash).is_private);
    // Where its size is not known any more, not all of them are found.
    EXPECT_TRUE(store_.Lookup(partial_.hash).groups.Contains(0));
    store_.ExpectClaimsHold(partial_);
  }
  void ExpectKeptAs(const std::string& suffix) {
    EXPECT_TRUE(std::filesystem::exists(Database() + suffix));
    EXPECT_NE(store_.store().opening_note().find(suffix), std::string::npos)
        << store_.store().opening_note();
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  std::vector<TestBlob> small_;
  const TestBlob public_{30 * kGroupSize + 5, 1};
  const TestBlob private_{25 * kGroupSize, 2};
  const TestBlob partial_{50 * kGroupSize, 3};
};

TEST_F(RebuildTest, AWholeOneIsLeftAlone) {
  store_.Reopen();
  EXPECT_EQ(store_.store().opening_note(), "");
  EXPECT_EQ(store_.Stats().doubtful_blobs, 0u);
  EXPECT_FALSE(store_.Lookup(public_.hash).is_private);
}

TEST_F(RebuildTest, HeaderOverwritten) {
  Damage([&] { Overwrite(0, std::string(100, 'x')); });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-1");
  EXPECT_EQ(SmallOnesLeft(), small_.size());
  EXPECT_FALSE(store_.Lookup(public_.hash).is_private);
  EXPECT_EQ(store_.Lookup(partial_.hash).verified_bytes, 10 * kGroupSize);
  store_.Reopen();
  EXPECT_EQ(store_.store().opening_note(), "");
  ExpectFilesFound();
}

TEST_F(RebuildTest, Truncated) {
  Damage([&] { std::filesystem::resize_file(Database(), DatabaseSize() / 2 / 4096 * 4096); });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-1");
  const size_t left = SmallOnesLeft();
  EXPECT_LT(left, small_.size());
  // Once more: the second one is kept beside the first.
  Damage([&] { std::filesystem::resize_file(Database(), 5000); });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-2");
}

// Only what was on them is lost.
TEST_F(RebuildTest, TwoDamagedPages) {
  size_t pages = 0;
  Damage([&] {
    const std::vector<uint64_t> leaves = Numbers(kLeaves);
    pages = leaves.size();
    OverwritePage(leaves.at(2));
    OverwritePage(leaves.at(pages - 3));
  });
  ASSERT_GT(pages, 10u);
  ExpectFilesFound();
  EXPECT_GE(SmallOnesLeft(), small_.size() - 2 * (small_.size() / pages + 1));
}

TEST_F(RebuildTest, TheFirstPageLost) {
  Damage([&] { OverwritePage(1); });
  ExpectFilesFound();
  EXPECT_EQ(SmallOnesLeft(), small_.size());
  EXPECT_FALSE(store_.Lookup(public_.hash).is_private);
}

TEST_F(RebuildTest, TheEvidenceIsLeftAlone) {
  std::string before;
  Damage([&] {
    Overwrite(0, std::string(100, 'x'));
    before = ReadFile(Database());
  });
  ExpectKeptAs(".damaged-1");
  EXPECT_TRUE(ReadFile(Database() + ".damaged-1") == before);
  EXPECT_FALSE(std::filesystem::exists(Database() + ".salvage"));
  AwaitCertainty();
}

// What was committed last stands in the log.
TEST_F(RebuildTest, AnEmptyOneWithItsLog) {
  const TestDirectory copies;
  {
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    for (const TestBlob& blob : small_) store.Put(blob);
    store.Put(public_);
    store.CopyTo(copies.path() + "/copy");
  }
  const std::string database = copies.path() + "/copy/store.db";
  std::filesystem::resize_file(database, 0);
  const std::string log_before = ReadFile(database + "-wal");
  StoreUnderTest store(copies.path() + "/copy");
  EXPECT_TRUE(ReadFile(database + ".damaged-1-wal") == log_before);
  for (const TestBlob& blob : small_) store.ExpectComplete(blob);
  while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
  store.ExpectComplete(public_);
  EXPECT_FALSE(store.Lookup(public_.hash).is_private);
}

TEST_F(RebuildTest, APageOfNoise) {
  const uint64_t pages = DatabaseSize() / 4096;
  for (uint64_t page = 1; page < pages; page += 3) {
    SCOPED_TRACE(page);
    const TestDirectory directory;
    (void)store_.Flush();
    store_.CopyTo(directory.path() + "/copy");
    StoreUnderTest store(directory.path() + "/copy");
    store.Close();  // empties the log
    {
      std::fstream file(store.layout().database(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(page * 4096));
      const Bytes noise = blake3::RandomBytes(4096, page);
      file.write(reinterpret_cast<const char*>(noise.data()), 4096);
    }
    store.Reopen();
    while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
    store.ExpectComplete(public_);
    store.ExpectComplete(private_);
    EXPECT_TRUE(store.Lookup(private_.hash).is_private);
    EXPECT_TRUE(store.Lookup(partial_.hash).groups.Contains(0));
    store.ExpectClaimsHold(partial_);
    for (const TestBlob& blob : small_) {
      if (store.Lookup(blob.hash).state == BlobState::kComplete) store.ExpectComplete(blob);
    }
  }
}

// Before it could be migrated: its rows are read as they were.
TEST_F(RebuildTest, APageOfNoiseInOneOfVersionThree) {
  store_.Close();
  Execute("ALTER TABLE blobs DROP COLUMN was_complete; PRAGMA user_version=3");
  store_.Reopen();
  ExpectFilesFound();
  store_.Close();
  Execute("ALTER TABLE blobs DROP COLUMN was_complete; PRAGMA user_version=3");
  Damage([&] { Overwrite(DatabaseSize() - 4096, std::string(4096, '\x5a')); });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-1");
  EXPECT_FALSE(store_.Lookup(public_.hash).is_private);
}

TEST_F(RebuildTest, EmptyFile) {
  Damage([&] { std::filesystem::resize_file(Database(), 0); });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-1");
  EXPECT_EQ(SmallOnesLeft(), 0u);
  EXPECT_EQ(store_.Stats().complete_blobs, 2u);
  // It is not known any more which ones were private.
  EXPECT_TRUE(store_.Lookup(public_.hash).is_private);
}

TEST_F(RebuildTest, MissingFile) {
  Damage([&] { std::filesystem::remove(Database()); });
  ExpectFilesFound();
  EXPECT_NE(store_.store().opening_note().find("missing"), std::string::npos);
}

TEST_F(RebuildTest, AnEmptyLogWithoutItsDatabase) {
  Damage([&] {
    std::filesystem::remove(Database());
    std::ofstream(Database() + "-wal").flush();
  });
  ExpectFilesFound();
  EXPECT_NE(store_.store().opening_note().find("missing"), std::string::npos);
}

// Names that somebody chose neither confuse the numbers nor are overwritten.
TEST_F(RebuildTest, PlantedNames) {
  const std::vector<std::string> planted = {"18446744073709551615", "4294967295", "1",  "0",
                                            "99999999999999999999", "x7",         "3y", ""};
  Damage([&] {
    for (const std::string& name : planted) std::ofstream(Database() + ".damaged-" + name) << name;
    Overwrite(0, std::string(100, 'x'));
  });
  ExpectFilesFound();
  ExpectKeptAs(".damaged-2");
  EXPECT_EQ(SmallOnesLeft(), small_.size());
  for (const std::string& name : planted)
    EXPECT_EQ(std::filesystem::file_size(Database() + ".damaged-" + name), name.size());
}

TEST_F(RebuildTest, ALogWithoutItsDatabase) {
  const TestDirectory copies;
  store_.CopyTo(copies.path() + "/copy");
  StoreUnderTest store(copies.path() + "/copy");
  store.Close();
  std::filesystem::remove(store.layout().database());
  std::ofstream(store.layout().database() + "-wal") << std::string(50'000, 'x');
  store.Reopen();
  while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
  store.ExpectComplete(public_);
  EXPECT_TRUE(std::filesystem::exists(store.layout().database() + ".damaged-1-wal"));
}

// Whether what is on its way in was private is not known any more either.
TEST_F(RebuildTest, APartialBlobWhoseRowIsLost) {
  Damage([&] { std::filesystem::resize_file(Database(), 0); });
  EXPECT_TRUE(store_.Lookup(partial_.hash).groups.Contains(0));
  EXPECT_TRUE(store_.Lookup(partial_.hash).is_private);
  AwaitCertainty();
}

TEST_F(RebuildTest, APartialBlobWhoseRowIsLostBesideDamagedOnes) {
  Damage([&] {
    Execute("DELETE FROM blobs WHERE state=1");
    Execute("UPDATE blobs SET row_sum=row_sum+1 WHERE state=2");
  });
  EXPECT_TRUE(store_.Lookup(partial_.hash).groups.Contains(0));
  EXPECT_TRUE(store_.Lookup(partial_.hash).is_private);
  AwaitCertainty();
}

TEST_F(RebuildTest, OnlyAPartialBlobIsLeft) {
  const TestDirectory directory;
  StoreUnderTest store(directory.path());
  RangeSet groups(Range{0, 7});
  groups.Insert({partial_.group_count() - 1, partial_.group_count()});
  store.Write(partial_, groups);
  ASSERT_TRUE(store.SetPrivate(partial_.hash, true).ok());
  store.Close();
  std::filesystem::remove(store.layout().database());
  store.Reopen();
  EXPECT_NE(store.store().opening_note().find("missing"), std::string::npos);
  EXPECT_TRUE(store.Lookup(partial_.hash).groups.Contains(0));
  EXPECT_TRUE(store.Lookup(partial_.hash).is_private);
}

// The process ended before the first row of a download was written: nobody hid that.
TEST_F(RebuildTest, APartialBlobThatNeverHadARow) {
  Damage([&] { Execute("DELETE FROM blobs WHERE state=1"); });
  EXPECT_TRUE(store_.Lookup(partial_.hash).groups.Contains(0));
  EXPECT_FALSE(store_.Lookup(partial_.hash).is_private);
}

// What was kept of an earlier damage does not know what was hidden and removed since.
TEST_F(RebuildTest, AnOldDamagedOneIsNotBelieved) {
  Damage([&] { Overwrite(0, std::string(100, 'x')); });
  ExpectFilesFound();
  EXPECT_FALSE(store_.Lookup(public_.hash).is_private);
  ASSERT_TRUE(store_.SetPrivate(public_.hash, true).ok());
  ASSERT_TRUE(store_.Remove(small_[0].hash).ok());
  Damage([&] { std::filesystem::remove(Database()); });
  ExpectFilesFound();
  EXPECT_TRUE(store_.Lookup(public_.hash).is_private);
  EXPECT_EQ(store_.Lookup(small_[0].hash).state, BlobState::kAbsent);
  EXPECT_TRUE(std::filesystem::exists(Database() + ".damaged-1"));
}

// Wherever making it anew is stopped, it goes on from what was moved aside then.
TEST_F(RebuildTest, StoppedAtAnyCall) {
  store_.Close();
  Overwrite(0, std::string(100, 'x'));
  const auto copy = std::filesystem::copy_options::recursive;
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    const TestDirectory directory;
    std::filesystem::copy(directory_.path(), directory.path() + "/copy", copy);
    StoreUnderTest store(directory.path() + "/copy", "", StoreUnderTest::Start::kClosed);
    store.files.Fail(FaultyFileSystem::Kind::kAny, call, 1'000'000, EIO);
    const bool is_done = store.TryReopen().ok();
    store.files.Heal();
    store.Reopen();
    while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
    EXPECT_FALSE(store.Lookup(public_.hash).is_private);
    EXPECT_TRUE(store.Lookup(private_.hash).is_private);
    for (const TestBlob& blob : {public_, private_, small_[0]}) store.ExpectComplete(blob);
    EXPECT_TRUE(std::filesystem::exists(store.layout().database() + ".damaged-1"));
    EXPECT_FALSE(std::filesystem::exists(store.layout().database() + ".damaged-2"));
    if (is_done) {
      EXPECT_GT(call, 5);
      return;
    }
  }
}

// SQLite sees nothing of these; the sums do.
TEST_F(RebuildTest, BitsFlippedInRows) {
  const std::vector<std::string> cases = {
      "UPDATE blobs SET size=size+1",
      "UPDATE blobs SET state=2, groups=x'', size_proven=1 WHERE state=1",  // claims it is complete
      "UPDATE blobs SET groups=x'0032' WHERE state=1",                      // claims all groups
      "UPDATE blobs SET state=3 WHERE state=2",
      "UPDATE blobs SET is_private=0 WHERE is_private=1",
      "UPDATE blobs SET row_sum=row_sum+1",
  };
  for (const std::string& sql : cases) {
    SCOPED_TRACE(sql);
    Damage([&] { Execute(sql); });
    EXPECT_EQ(store_.store().opening_note(), "");
    ExpectFilesFound();
    EXPECT_EQ(SmallOnesLeft(), small_.size());
  }
}

// One too large for every page to be read at opening.
TEST_F(RebuildTest, ADamagedPageOfALargeOne) {
  Damage([&] {
    OverwritePage(Numbers("SELECT rootpage FROM sqlite_schema WHERE name='blobs'")[0]);
    std::filesystem::resize_file(Database(), 300 << 20);  // sparse
  });
  ExpectKeptAs(".damaged-1");
  ExpectFilesFound();
  EXPECT_EQ(SmallOnesLeft(), small_.size());
}

TEST_F(RebuildTest, ADamagedTableOfContents) {
  Damage([&] {
    Execute(
        "PRAGMA writable_schema=ON;"
        "UPDATE sqlite_schema SET tbl_name='small_blobz', name=replace(name, 'blobs', 'blobz'), "
        "sql=replace(sql, 'small_blobs', 'small_blobz') WHERE tbl_name='small_blobs'");
  });
  ExpectKeptAs(".damaged-1");
  ExpectFilesFound();
}

// Whatever else has the name of a blob is none.
TEST_F(RebuildTest, WhatIsNoFile) {
  const auto make = [&](uint64_t seed) {
    const Hash hash = TestBlob(20 * kGroupSize, seed).hash;
    std::filesystem::create_directories(store_.layout().DirectoryOf(hash));
    return store_.layout().Complete(hash).data;
  };
  std::filesystem::create_symlink(store_.layout().Complete(public_.hash).data, make(60));
  std::filesystem::create_directory(make(61));
  ASSERT_EQ(mkfifo(make(62).c_str(), 0600), 0);
  Damage([&] { std::filesystem::resize_file(Database(), 0); });
  ExpectKeptAs(".damaged-1");
  ExpectFilesFound();
  EXPECT_EQ(store_.Stats().complete_blobs, 2u);
  // The same in the place of one whose row is damaged.
  const std::string path = store_.layout().Complete(public_.hash).data;
  Damage([&] {
    std::filesystem::remove(path);
    std::filesystem::create_symlink("elsewhere", path);
    Execute("UPDATE blobs SET row_sum=row_sum+1");
  });
  AwaitCertainty();
  store_.ExpectComplete(private_);
  EXPECT_NE(store_.Lookup(public_.hash).state, BlobState::kComplete);
}

TEST_F(RebuildTest, AKeyThatFlipped) {
  Damage([&] {
    Execute("UPDATE blobs SET hash=CAST(x'ee' || substr(hash, 2) AS BLOB) WHERE state=2");
  });
  ExpectFilesFound();  // although no row tells of them
}

TEST_F(RebuildTest, ARowThatIsDamagedWhileTheStoreIsOpen) {
  Execute("UPDATE blobs SET size=size+1");
  EXPECT_EQ(store_.Lookup(public_.hash).size, public_.size());
  store_.ExpectComplete(public_);
  store_.ExpectComplete(private_);
  store_.ExpectComplete(small_[3]);
}

// The log's tail is lost without a word: blobs whose rows were in it are found by their files.
TEST_F(RebuildTest, DamagedLog) {
  const TestBlob late(12 * kGroupSize, 50);
  store_.Put(late);
  const TestDirectory copies;
  store_.CopyTo(copies.path() + "/copy");
  const std::string log = copies.path() + "/copy/store.db-wal";
  const uint64_t size = std::filesystem::file_size(log);
  for (const uint64_t at : {uint64_t{40}, size / 4, size / 2, size - 5000}) {
    SCOPED_TRACE(at);
    const TestDirectory directory;
    std::filesystem::copy(copies.path() + "/copy", directory.path() + "/again",
                          std::filesystem::copy_options::recursive);
    FlipByte(directory.path() + "/again/store.db-wal", at);
    StoreUnderTest store(directory.path() + "/again");
    store.Stats();
    while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
    for (const TestBlob* blob : {&public_, &private_, &late}) store.ExpectComplete(*blob);
    EXPECT_TRUE(store.Lookup(private_.hash).is_private);
    store.ExpectClaimsHold(partial_);
  }
}

// The first page in the log is damaged, so SQLite passes over all of it.
constexpr uint64_t kInFirstFrame = 32 + 24 + 100;

TEST_F(RebuildTest, WhatIsHiddenStaysSoWithoutTheLog) {
  const TestBlob late(1000, 50);
  store_.Reopen();
  ASSERT_TRUE(store_.SetPrivate(public_.hash, true).ok());
  ASSERT_TRUE(store_.SetPrivate(partial_.hash, true).ok());
  store_.Put(late);
  const TestDirectory copies;
  store_.CopyTo(copies.path() + "/copy");
  FlipByte(copies.path() + "/copy/store.db-wal", kInFirstFrame);
  StoreUnderTest store(copies.path() + "/copy");
  EXPECT_EQ(store.Lookup(late.hash).state, BlobState::kAbsent);
  EXPECT_TRUE(store.Lookup(public_.hash).is_private);
  EXPECT_TRUE(store.Lookup(partial_.hash).is_private);
  EXPECT_NE(store.store().opening_note().find("log"), std::string::npos);
  while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
  store.Reopen();
  EXPECT_EQ(store.store().opening_note(), "");
}

TEST_F(RebuildTest, WhatCameBackIsNotRemovedAgainWithoutTheLog) {
  const TestDirectory copies;
  store_.Close();
  {
    auto db = StoreDb::Open(Database(), "", true);
    ASSERT_TRUE(db.ok()) << db.status();
    BlobRow row = **db->Find(public_.hash);
    row.state = RowState::kRemoving;
    ASSERT_TRUE(db->Put(row).ok());
    ASSERT_TRUE(*db->Checkpoint());
    ASSERT_TRUE(db->Durably([&] { return db->Remove(row.hash); }).ok());
    row.state = RowState::kInFiles;
    ASSERT_TRUE(db->Durably([&] { return db->Put(row); }).ok());
    std::filesystem::copy(directory_.path(), copies.path() + "/copy",
                          std::filesystem::copy_options::recursive);
    std::filesystem::remove(copies.path() + "/copy/store.db-shm");
  }
  FlipByte(copies.path() + "/copy/store.db-wal", kInFirstFrame);
  StoreUnderTest store(copies.path() + "/copy");
  EXPECT_NE(store.store().opening_note().find("log"), std::string::npos);
  while (store.Stats().doubtful_blobs > 0) std::this_thread::yield();
  store.ExpectComplete(public_);
}

TEST_F(RebuildTest, WhatDoesNotFitIsNotClaimed) {
  FlipByte(store_.layout().Complete(public_.hash).data, 3 * kGroupSize);
  std::filesystem::remove(store_.layout().Complete(private_.hash).outboard);
  Damage([&] { std::filesystem::resize_file(Database(), 0); });
  AwaitCertainty();
  EXPECT_EQ(store_.Lookup(public_.hash).groups, RangeSet(Range{3, 4}).Missing({0, 31}));
  store_.Write(public_, RangeSet(Range{3, 4}));
  EXPECT_TRUE(store_.Finish(*store_.Writer(public_.hash)).ok());
  store_.ExpectComplete(public_);
  store_.ExpectComplete(private_);  // an outboard can be computed
}

}  // namespace
}  // namespace blobd::store
