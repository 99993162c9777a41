// What stands between an error of the disk and a lie: copies, swaps, salvage, syncs that fail, full
// disks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "base/test_directory_for_test.h"
#include "sqlite/copy.h"
#include "sqlite/database_for_test.h"
#include "sqlite/failing_vfs_for_test.h"
#include "sqlite/files.h"
#include "sqlite/open.h"
#include "sqlite/row.h"
#include "sqlite/salvage.h"
#include "sqlite/swap.h"

namespace blobd::sqlite {
namespace {

using testing::HasSubstr;

constexpr std::array<std::string_view, 3> kMigrations = {
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB) STRICT;"
    "CREATE TABLE w(k BLOB, n INTEGER, b BLOB, PRIMARY KEY(k, n)) STRICT, WITHOUT ROWID",
    "ALTER TABLE t ADD COLUMN c TEXT", "ALTER TABLE t ADD COLUMN d TEXT"};

Schema SchemaOf(size_t version) {
  return {.what = "a test database",
          .application_id = 0x626c7401,
          .migrations = std::span(kMigrations).first(version)};
}

class RecoveryTest : public testing::Test {
 protected:
  StatusOr<Database> Open(size_t version = 1, const OpenOptions& options = {}) {
    return OpenDatabase(path_, SchemaOf(version), options);
  }
  // Rows of a fifth of a page, in order.
  void Fill(int rows) {
    auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    auto transaction = Transaction::Begin(*database);
    auto insert = database->Prepare("INSERT INTO t(b) VALUES(?1)");
    auto insert_blob = database->Prepare("INSERT INTO w VALUES(?1, 1, ?2)");
    for (int i = 0; i < rows; ++i) {
      const Bytes content(800, 7);
      ASSERT_TRUE(insert->Bind(ByteView(content)).Run().ok());
      Bytes key(32, static_cast<uint8_t>(i));
      key[0] = static_cast<uint8_t>(i >> 8);
      key[1] = static_cast<uint8_t>(i);
      ASSERT_TRUE(insert_blob->Bind(ByteView(key), ByteView(content)).Run().ok());
    }
    ASSERT_TRUE(transaction->Commit().ok());
  }
  int64_t Rows(const std::string& path) {
    auto database = OpenUnchecked(path, {});
    EXPECT_TRUE(database.ok()) << database.status();
    return *database->QueryInteger("SELECT count(*) FROM t");
  }

  TestDirectory directory_;
  const std::string path_ = directory_.File("test.db");
};

TEST_F(RecoveryTest, ACopyIsKeptBeforeEachMigration) {
  Fill(3);
  ASSERT_TRUE(Open(2).ok());
  const std::string copy = path_ + ".v1";
  struct stat facts {};
  ASSERT_EQ(stat(copy.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777u, 0600u);
  EXPECT_EQ(*CheckCopy(copy, SchemaOf(1)), 1);
  EXPECT_EQ(Rows(copy), 3);
  EXPECT_FALSE(std::filesystem::exists(copy + ".new"));
  ASSERT_TRUE(Open(3).ok());
  EXPECT_TRUE(std::filesystem::exists(path_ + ".v2"));
  // The refusal names the newest copy that the old program could open.
  EXPECT_THAT(Message(Open(2).status()), HasSubstr(path_ + ".v2 is what it was"));
  EXPECT_THAT(Message(Open(1).status()), HasSubstr(path_ + ".v1 is what it was"));
  std::filesystem::remove(copy);
  EXPECT_THAT(Message(Open(1).status()), testing::Not(HasSubstr(".v1")));
  // A database that is made anew has nothing to keep.
  const std::string other = directory_.File("new.db");
  ASSERT_TRUE(OpenDatabase(other, SchemaOf(3), {}).ok());
  EXPECT_FALSE(std::filesystem::exists(other + ".v1"));
}

TEST_F(RecoveryTest, WithoutRoomForTheCopyNothingMigrates) {
  Fill(3);
  std::filesystem::create_directory(path_ + ".v1.new");
  EXPECT_FALSE(Open(2).ok());
  std::filesystem::remove(path_ + ".v1.new");
  EXPECT_TRUE(Open(1).ok()) << "still the old version";
}

TEST_F(RecoveryTest, ACopyIsWholeOrNotThere) {
  Fill(100);
  auto database = Open();
  const std::string copy = directory_.File("copy.db");
  ASSERT_TRUE(CopyDatabase(*database, copy, true).ok());
  EXPECT_EQ(CopyDatabase(*database, copy, true).code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(CopyDatabase(*database, copy, false).ok());
  EXPECT_EQ(*CheckCopy(copy, SchemaOf(1)), 1);
  FlipBit(copy, 4096 * 10 + 5);
  EXPECT_EQ(CheckCopy(copy, SchemaOf(1)).status().code(), StatusCode::kDataLoss);
  std::filesystem::resize_file(copy, 4096 * 5);
  EXPECT_EQ(CheckCopy(copy, SchemaOf(1)).status().code(), StatusCode::kDataLoss);
  WriteFile(copy, "");
  EXPECT_EQ(CheckCopy(copy, SchemaOf(1)).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(CheckCopy(directory_.File("none"), SchemaOf(1)).status().code(), StatusCode::kNotFound);
}

// A crash after each step of a swap: the next opening sees the new database, and the old one is
// kept with its log.
TEST_F(RecoveryTest, ASwapIsFinishedWhereverItStopped) {
  Fill(2);
  auto writer = OpenDatabase(directory_.File("ready.db"), SchemaOf(1), {});
  ASSERT_TRUE(writer->Execute("INSERT INTO t(b) VALUES(x'00')").ok());
  ASSERT_TRUE(CopyDatabase(*writer, directory_.File("ready.copy"), true).ok());
  const std::string old = ReadFile(path_);
  const std::string ready = ReadFile(directory_.File("ready.copy"));
  for (int steps = 0; steps <= 3; ++steps) {
    SCOPED_TRACE(steps);
    for (const char* suffix : {"", "-wal", "-shm", ".aside", ".aside-wal", ".incoming.aside"}) {
      std::filesystem::remove(path_ + suffix);
    }
    WriteFile(path_, old);
    WriteFile(path_ + "-wal", "the old log");
    WriteFile(path_ + ".incoming.aside", ready);
    if (steps >= 1) std::filesystem::rename(path_ + "-wal", path_ + ".aside-wal");
    if (steps >= 2) std::filesystem::rename(path_, path_ + ".aside");
    if (steps >= 3) std::filesystem::rename(path_ + ".incoming.aside", path_);
    auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    EXPECT_EQ(*database->QueryInteger("SELECT count(*) FROM t"), 1);
    EXPECT_EQ(ReadFile(path_ + ".aside"), old);
    EXPECT_EQ(ReadFile(path_ + ".aside-wal"), "the old log");
    EXPECT_FALSE(std::filesystem::exists(path_ + ".incoming.aside"));
  }
  WriteFile(directory_.File("again"), ready);
  EXPECT_EQ(Swap(path_, directory_.File("again"), "aside").code(), StatusCode::kAlreadyExists);
}

TEST_F(RecoveryTest, SalvageReadsAroundDamagedPages) {
  Fill(1000);
  const std::string good = ReadFile(path_);
  const size_t pages = good.size() / 4096;
  for (const char* table : {"t", "w"}) {
    SCOPED_TRACE(table);
    // Every tenth page but the first, with the table of contents.
    std::string bad = good;
    for (size_t page = 10; page < pages; page += 10) {
      for (size_t i = 0; i < 4096; ++i) bad[page * 4096 + i] = '\xa5';
    }
    const std::string copy = directory_.File("bad.db");
    WriteFile(copy, bad);
    auto database = OpenUnchecked(copy, {});
    ASSERT_TRUE(database.ok());
    const bool has_rowid = table[0] == 't';
    const SalvageSource source{table, has_rowid ? "a" : "k", has_rowid ? "a" : "k",
                               has_rowid ? KeyType::kRowId : KeyType::kBlob};
    std::set<std::string> rows;
    auto result = SalvageTable(*database, source, [&](Statement& row) {
      RowReader reader(row);
      rows.insert(has_rowid ? std::to_string(reader.Integer())
                            : std::string(AsText(reader.Blob(100))));
      return OkStatus();
    });
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->complete());
    // A page holds four or five rows. In the table without rowids every sixth page is one above
    // them, and leads to as many.
    EXPECT_GT(rows.size(), has_rowid ? 850u : 600u);
    EXPECT_LT(rows.size(), 1000u);
    if (!has_rowid) continue;
    // What is said to be lost is what is missing, but for the unbounded end.
    uint64_t missing = 0;
    for (const Hole& hole : result->holes) {
      for (uint64_t id = hole.first; id <= std::min<uint64_t>(hole.last, 1000); ++id) {
        EXPECT_EQ(rows.count(std::to_string(id)), 0u) << id;
        ++missing;
      }
    }
    EXPECT_EQ(missing + rows.size(), 1000u);
  }
}

TEST_F(RecoveryTest, AHeaderIsMended) {
  Fill(100);
  const std::string copy = directory_.File("bad.db");
  const std::string pattern = directory_.File("pattern.db");
  ASSERT_TRUE(OpenDatabase(pattern, SchemaOf(1), {}).ok());
  WriteFile(copy, std::string(100, 'x') + ReadFile(path_).substr(100));
  ASSERT_TRUE(MendHeader(copy, pattern).ok());
  EXPECT_EQ(Rows(copy), 100);
  // Of a file that was cut off the pages that are there are readable then.
  WriteFile(copy, ReadFile(path_).substr(0, 4096 * 12));
  EXPECT_FALSE(OpenUnchecked(copy, {})->QueryInteger("SELECT min(a) FROM t").ok());
  ASSERT_TRUE(MendHeader(copy, pattern).ok());
  EXPECT_TRUE(OpenUnchecked(copy, {})->QueryInteger("SELECT min(a) FROM t").ok());
}

TEST_F(RecoveryTest, AfterAFailedSyncNothingIsWrittenUntilReopened) {
  bool fails = false;
  FailingVfs vfs([&](FailingVfs::Call call, bool is_log) {
    if (call != FailingVfs::Call::kSync || !is_log || !fails) return SQLITE_OK;
    fails = false;  // the kernel says it once only
    return SQLITE_IOERR_FSYNC;
  });
  {
    auto database = Open(1, {.vfs = FailingVfs::kName});
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE(database->Execute("INSERT INTO t VALUES(1, x'00')").ok());
    auto insert = database->Prepare("INSERT INTO t VALUES(?1, x'00')");
    fails = true;
    EXPECT_EQ(insert->Bind(int64_t{2}).Run().code(), StatusCode::kUnavailable);
    EXPECT_TRUE(database->sync_failed());
    EXPECT_EQ(insert->Bind(int64_t{3}).Run().code(), StatusCode::kUnavailable);
    EXPECT_EQ(database->Execute("INSERT INTO t VALUES(4, x'00')").code(), StatusCode::kUnavailable);
    EXPECT_EQ(Transaction::Begin(*database).status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(*database->QueryInteger("SELECT count(*) FROM t"), 1) << "reading goes on";
  }
  auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(*database->QueryInteger("SELECT count(*) FROM t WHERE a=1"), 1);
  EXPECT_TRUE(database->Execute("INSERT INTO t VALUES(3, x'00')").ok());
}

// The kernel dropped what it could not write: SQLite would read on in what is there instead.
TEST_F(RecoveryTest, ALogThatLostFramesIsNotReadOn) {
  bool fails = false;
  FailingVfs vfs([&](FailingVfs::Call call, bool is_log) {
    if (!fails || call != FailingVfs::Call::kSync || !is_log) return SQLITE_OK;
    const std::string log = ReadFile(path_ + "-wal");
    WriteFile(path_ + "-wal", log.substr(0, 32) + std::string(log.size() - 32, '\0'));
    return SQLITE_IOERR_FSYNC;
  });
  auto database = Open(1, {.vfs = FailingVfs::kName});
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(database->Execute("INSERT INTO t VALUES(1, x'00')").ok());
  EXPECT_TRUE(database->CheckLog().ok());
  auto count = database->Prepare("SELECT count(*) FROM t");
  EXPECT_TRUE(*count->Bind().Step());
  count->Reset();
  fails = true;
  EXPECT_EQ(database->Execute("INSERT INTO t VALUES(2, x'00')").code(), StatusCode::kUnavailable);
  EXPECT_EQ(count->Bind().Step().status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(database->CheckLog().code(), StatusCode::kUnavailable);
}

TEST_F(RecoveryTest, ASyncThatFailsInACheckpointIsNotOverlooked) {
  bool fails = false;
  FailingVfs vfs([&](FailingVfs::Call call, bool is_log) {
    return fails && call == FailingVfs::Call::kSync && !is_log ? SQLITE_IOERR_FSYNC : SQLITE_OK;
  });
  auto database = Open(1, {.vfs = FailingVfs::kName});
  ASSERT_TRUE(database.ok()) << database.status();
  fails = true;
  // One commit fills the log; it is in there, synced, so it is acknowledged. Then nothing more is.
  EXPECT_TRUE(database->Execute("INSERT INTO t VALUES(1, zeroblob(5000000))").ok());
  EXPECT_TRUE(database->sync_failed());
  EXPECT_EQ(database->Execute("INSERT INTO t VALUES(2, x'00')").code(), StatusCode::kUnavailable);
  fails = false;
}

TEST_F(RecoveryTest, AFullDiskChangesNothingAndPasses) {
  bool full = false;
  FailingVfs vfs([&](FailingVfs::Call call, bool) {
    return full && call == FailingVfs::Call::kWrite ? SQLITE_FULL : SQLITE_OK;
  });
  auto database = Open(1, {.vfs = FailingVfs::kName});
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(database->Execute("INSERT INTO t VALUES(1, x'00')").ok());
  full = true;
  EXPECT_EQ(database->Execute("INSERT INTO t VALUES(2, x'00')").code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(*database->QueryInteger("SELECT count(*) FROM t"), 1);
  full = false;
  EXPECT_TRUE(database->Execute("INSERT INTO t VALUES(2, x'00')").ok());
}

}  // namespace
}  // namespace blobd::sqlite
