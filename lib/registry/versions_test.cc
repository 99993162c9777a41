// Backups, copies that migrations keep, files of version 1, and what other programs read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/backup.h"
#include "registry/damage_for_test.h"
#include "registry/schema.h"
#include "sqlite/copy.h"

namespace blobd::registry {
namespace {

using sqlite::ReadFile;
using sqlite::WriteFile;
using testing::HasSubstr;

using BackupTest = DamageTest;
using ViewsTest = DamageTest;

TEST_F(BackupTest, ABackupIsWholeAndComesBack) {
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 10).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(1)}, PutTag{Tag("t")}}).ok());
  const std::string backup = directory_.File("backup.db");
  ASSERT_TRUE(Backup(backup).ok());
  EXPECT_EQ(Backup(backup).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Backup("backup.db").code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(backup + ".unchecked"));
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 10).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(11)}}).ok());
  Kill();
  ASSERT_TRUE(RestoreRegistry(backup, path(), {77}).ok());
  EXPECT_TRUE(std::filesystem::exists(path() + ".replaced-77"));
  EXPECT_TRUE(std::filesystem::exists(path() + ".replaced-77-wal"));
  EXPECT_TRUE(std::filesystem::exists(backup));
  Reopen();
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 21u) << "above what was handed out since";
  registry_.reset();
  // On another machine nobody knows what was.
  std::filesystem::remove(path());
  std::filesystem::remove(path() + ".ids");
  ASSERT_TRUE(RestoreRegistry(backup, path(), {78}).ok());
  Reopen();
  EXPECT_GT(Reserve(IdSpace::kIntent, 1)->first, uint64_t{1} << 32);
}

TEST_F(BackupTest, WhatIsNoGoodBackupReplacesNothing) {
  Fill(200);
  const std::string backup = directory_.File("backup.db");
  Reopen();
  IntentRow failed = Intent(10, 10);
  failed.result = ResultCode::kFailed;
  failed.reason = "zzzzzzzzzz";
  ASSERT_TRUE(Commit({PutIntent{failed}}).ok());
  ASSERT_TRUE(Backup(backup).ok());
  registry_.reset();
  const std::string good = ReadFile(path());
  const std::string image = ReadFile(backup);
  const auto refused = [&](const std::string& bytes) {
    WriteFile(backup, bytes);
    const Status status = RestoreRegistry(backup, path(), {77});
    EXPECT_FALSE(std::filesystem::exists(path() + ".replaced-77"));
    EXPECT_FALSE(std::filesystem::exists(path() + ".restoring"));
    return status.code();
  };
  EXPECT_EQ(refused(""), StatusCode::kDataLoss);
  EXPECT_EQ(refused(image.substr(0, image.size() / 2)), StatusCode::kDataLoss);
  std::string bad = image;
  bad[bad.find("zzzzzzzzzz")] = 'y';  // in a reason: no structure, no index
  EXPECT_EQ(refused(bad), StatusCode::kDataLoss);
  bad = image;
  bad[68] = 'z';  // the application id
  EXPECT_EQ(refused(bad), StatusCode::kFailedPrecondition);
  bad = image;
  bad[63] = 99;  // the version
  EXPECT_EQ(refused(bad), StatusCode::kFailedPrecondition);
  WriteFile(backup + "-wal", "something");
  EXPECT_EQ(refused(image), StatusCode::kFailedPrecondition);
  std::filesystem::remove(backup + "-wal");
  std::filesystem::remove(backup);
  EXPECT_EQ(RestoreRegistry(backup, path(), {77}).code(), StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(path()).size(), good.size());
  Reopen();
  EXPECT_EQ(List({}, 0, 1000).size(), 200u);
}

// What version 1 wrote.
class VersionOneTest : public DamageTest {
 protected:
  VersionOneTest() {
    registry_.reset();
    for (const char* suffix : {"", "-wal", "-shm", ".ids"}) {
      std::filesystem::remove(path() + suffix);
    }
    sqlite::Schema schema = RegistrySchema();
    schema.migrations = schema.migrations.first(1);
    auto database = sqlite::OpenDatabase(path(), schema, {});
    EXPECT_TRUE(database.ok()) << database.status();
    EXPECT_TRUE(database
                    ->Execute("INSERT INTO intents VALUES"
                              "(1, zeroblob(32), 0, 1, 0, 'l', 'k', 5, 0, 0, 0, '', 0, 0, 0),"
                              "(2, zeroblob(32), 1, 2, 0, '', '', 5, 0, 0, 4, 'no', 9, 1, 1);"
                              "INSERT INTO providers VALUES(zeroblob(32), 0, zeroblob(32));"
                              "INSERT INTO remote_addresses VALUES"
                              "(zeroblob(32), zeroblob(18), 'api', 1, 2);"
                              "INSERT INTO bans VALUES(1, x'61', 1, 1, 'lie');"
                              "INSERT INTO next_ids VALUES(0, 1001)")
                    .ok());
  }
  void ExpectAllThere() {
    auto snapshot = Load();
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ(snapshot->unfinished.size(), 1u);
    EXPECT_EQ(snapshot->providers.size(), 1u);
    EXPECT_EQ(snapshot->addresses.size(), 1u);
    EXPECT_EQ(snapshot->bans.size(), 1u);
    EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 1001u);
  }
};

TEST_F(VersionOneTest, IsMigratedAndKept) {
  Reopen();
  ExpectAllThere();
  sqlite::Schema schema = RegistrySchema();
  schema.migrations = schema.migrations.first(1);
  EXPECT_EQ(*sqlite::CheckCopy(path() + ".v1", schema), 1);
  // The old daemon names the copy, and the new one takes it back.
  EXPECT_THAT(Message(sqlite::OpenDatabase(path(), schema, {}).status()), HasSubstr(".v1"));
  registry_.reset();
  ASSERT_TRUE(RestoreRegistry(path() + ".v1", path(), {5}).ok());
  Reopen();
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2}));
}

TEST_F(VersionOneTest, IsRecovered) {
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete()) << testing::PrintToString(report->Lines());
  Reopen();
  auto snapshot = Load();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->unfinished.size(), 1u);
  EXPECT_EQ(snapshot->addresses.size(), 1u);
  EXPECT_GT(Reserve(IdSpace::kIntent, 1)->first, 1001u);
}

// What version 2 wrote: no settings, and intents that know no pause.
class VersionTwoTest : public DamageTest {
 protected:
  VersionTwoTest() {
    registry_.reset();
    for (const char* suffix : {"", "-wal", "-shm", ".ids"}) {
      std::filesystem::remove(path() + suffix);
    }
    sqlite::Schema schema = RegistrySchema();
    schema.migrations = schema.migrations.first(2);
    auto database = sqlite::OpenDatabase(path(), schema, {});
    EXPECT_TRUE(database.ok()) << database.status();
    const std::string columns =
        "id, hash, format, priority, owner_uid, label, idempotency_key, created_unix_ms, "
        "deadline_unix_ms, patience_ms, result, reason, finished_unix_ms, total_bytes, "
        "downloaded_bytes";
    EXPECT_TRUE(database
                    ->Execute(fmt::format(
                        "INSERT INTO intents({0}, sum) VALUES"
                        "(1, zeroblob(32), 0, 1, 0, 'l', 'k', 5, 0, 0, 0, '', 0, 0, 0, 0),"
                        "(2, zeroblob(32), 1, 2, 0, '', '', 5, 0, 0, 4, 'no', 9, 1, 1, 0);"
                        "UPDATE intents SET sum = row_sum('intents', {0})",
                        columns))
                    .ok());
  }
  void ExpectAllThere() {
    Reopen();
    auto snapshot = Load();
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    ASSERT_EQ(snapshot->unfinished.size(), 1u);
    EXPECT_FALSE(snapshot->unfinished[0].paused);
    EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2}));
    EXPECT_TRUE(Commit({PutSetting{{"limits.requests", 7}}}).ok());
  }
};

TEST_F(VersionTwoTest, IsMigratedAndKept) {
  ExpectAllThere();
  sqlite::Schema schema = RegistrySchema();
  schema.migrations = schema.migrations.first(2);
  EXPECT_EQ(*sqlite::CheckCopy(path() + ".v2", schema), 2);
}

TEST_F(VersionTwoTest, IsRecovered) {
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete()) << testing::PrintToString(report->Lines());
  ExpectAllThere();
}

// What version 3 wrote: lists of intents had no indexes.
class VersionThreeTest : public DamageTest {
 protected:
  VersionThreeTest() {
    registry_.reset();
    for (const char* suffix : {"", "-wal", "-shm", ".ids"}) {
      std::filesystem::remove(path() + suffix);
    }
    sqlite::Schema schema = RegistrySchema();
    schema.migrations = schema.migrations.first(3);
    auto database = sqlite::OpenDatabase(path(), schema, {});
    EXPECT_TRUE(database.ok()) << database.status();
    const std::string insert = fmt::format(
        "INSERT INTO intents({0}, sum) SELECT n.id, zeroblob(32), 0, 1, 7, "
        "iif(n.id=2, 'two', ''), '', 5, 0, 0, iif(n.id<3, 0, 2), '', 0, 0, 0, 0, 0 "
        "FROM (SELECT 1 AS id UNION SELECT 2 UNION SELECT 3) AS n;"
        "UPDATE intents SET sum = row_sum('intents', {0})",
        kIntentsTable.columns);
    const Status filled = database->Execute(insert);
    EXPECT_TRUE(filled.ok()) << filled;
  }
  void ExpectAllThere() {
    Reopen();
    EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2, 3}));
    IntentFilter filter;
    filter.owner_uid = 7;
    EXPECT_EQ(List(filter), (std::vector<uint64_t>{1, 2, 3}));
    filter.finished = true;
    EXPECT_EQ(List(filter), (std::vector<uint64_t>{3}));
    filter = {};
    filter.label = "two";
    EXPECT_EQ(List(filter), (std::vector<uint64_t>{2}));
    filter.label = "";
    EXPECT_EQ(List(filter), (std::vector<uint64_t>{1, 3}));
  }
};

TEST_F(VersionThreeTest, IsMigratedAndKept) {
  ExpectAllThere();
  sqlite::Schema schema = RegistrySchema();
  schema.migrations = schema.migrations.first(3);
  EXPECT_EQ(*sqlite::CheckCopy(path() + ".v3", schema), 3);
}

TEST_F(VersionThreeTest, IsRecovered) {
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete()) << testing::PrintToString(report->Lines());
  ExpectAllThere();
}

TEST_F(ViewsTest, ViewsAreForOtherPrograms) {
  IntentRow ended = Intent(2, 2);
  ended.result = ResultCode::kDeadlineExceeded;
  ended.finished = {77};
  TransferRow transfer = Transfer(4, 1, 1, TransferOutcome::kDropProvider);
  ASSERT_TRUE(Commit({PutIntent{Intent(1, 0xab)}, PutIntent{ended}, PutTag{Tag("t")},
                      PutTransfer{transfer}})
                  .ok());
  registry_.reset();
  auto database = sqlite::OpenReader(path(), {});
  ASSERT_TRUE(database.ok()) << database.status();
  const auto count = [&](const std::string& from) {
    const auto rows = database->QueryInteger("SELECT count(*) FROM " + from);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return *rows;
  };
  EXPECT_EQ(count("offline_intents_v1 WHERE id=1 AND hash='ab" + std::string(62, '0') +
                  "' AND format='raw' AND state='queued' AND priority='normal' AND created_ms=1 "
                  "AND finished_ms IS NULL"),
            1);
  EXPECT_EQ(count("offline_intents_v1 WHERE state='deadline_exceeded' AND finished_ms=77"), 1);
  EXPECT_EQ(count("offline_transfers_v1 WHERE id=4 AND provider='01" + std::string(62, '0') +
                  "' AND outcome='drop_provider' AND started_ms IS NULL"),
            1);
  EXPECT_EQ(count("offline_tags_v1 WHERE name='t' AND is_private=0 AND changed_ms=5"), 1);
}

}  // namespace
}  // namespace blobd::registry
