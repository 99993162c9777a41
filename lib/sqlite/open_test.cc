#include "sqlite/open.h"
#include "base/test_directory_for_test.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace blobd::sqlite {
namespace {

using testing::HasSubstr;

constexpr std::array<std::string_view, 1> kVersionOne = {
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB) STRICT"};
constexpr std::array<std::string_view, 2> kVersionTwo = {kVersionOne[0],
                                                         "ALTER TABLE t ADD COLUMN c TEXT"};
constexpr std::array<std::string_view, 2> kBrokenTwo = {
    kVersionOne[0], "INSERT INTO t(a) VALUES(99); CREATE TABLE t(x)"};

Schema SchemaOf(std::span<const std::string_view> migrations) {
  return {.what = "a test database", .application_id = 0x626c7401, .migrations = migrations};
}

class OpenTest : public testing::Test {
 protected:
  StatusOr<Database> Open(std::span<const std::string_view> migrations = kVersionOne) {
    return OpenDatabase(path_, SchemaOf(migrations), {});
  }
  void Fill(int rows) {
    auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    auto insert = database->Prepare("INSERT INTO t(b) VALUES(?1)");
    for (int i = 0; i < rows; ++i) ASSERT_TRUE(insert->Bind(ByteView(Bytes(1000, 7))).Run().ok());
  }
  void Overwrite(std::streamoff offset, const std::string& bytes) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  TestDirectory directory_;
  const std::string path_ = directory_.File("test.db");
};

TEST_F(OpenTest, CreatesWithAllDefences) {
  auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(*database->QueryInteger("PRAGMA user_version"), 1);
  EXPECT_EQ(*database->QueryInteger("PRAGMA trusted_schema"), 0);
  EXPECT_EQ(*database->QueryInteger("PRAGMA cell_size_check"), 1);
  EXPECT_EQ(*database->QueryInteger("PRAGMA synchronous"), 2);
  EXPECT_FALSE(
      database->Execute("PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=''").ok());
  struct stat facts {};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777u, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(OpenTest, CleansUpAnInterruptedCreation) {
  std::ofstream(path_ + ".new") << "half";
  EXPECT_TRUE(Open().ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(OpenTest, MigratesStepwiseAndKeepsRows) {
  Fill(3);
  auto database = Open(kVersionTwo);
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(*database->QueryInteger("PRAGMA user_version"), 2);
  EXPECT_EQ(*database->QueryInteger("SELECT count(c IS NULL) FROM t"), 3);
}

TEST_F(OpenTest, ANumberThatDoesNotFitTheTablesIsDamage) {
  ASSERT_TRUE(Open(kVersionTwo).ok());
  ASSERT_TRUE(Open(kVersionTwo)->Execute("PRAGMA user_version=1").ok());
  const Status status = Open(kVersionTwo).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status;
  EXPECT_THAT(Message(status), HasSubstr("version 1"));
}

TEST_F(OpenTest, AFailedMigrationChangesNothing) {
  Fill(3);
  EXPECT_FALSE(Open(kBrokenTwo).ok());
  auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(*database->QueryInteger("SELECT count(*) FROM t"), 3);
}

TEST_F(OpenTest, RefusesAnEmptyFile) {
  std::ofstream(path_).close();
  const Status status = Open().status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), HasSubstr("is empty"));
  EXPECT_EQ(std::filesystem::file_size(path_), 0u);
}

TEST_F(OpenTest, RefusesAForeignDatabase) {
  {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, "CREATE TABLE x(a)", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }
  const Status status = Open().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("is not a test database"));
}

TEST_F(OpenTest, RefusesANewerOne) {
  ASSERT_TRUE(Open(kVersionTwo).ok());
  const Status status = Open(kVersionOne).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("newer blobd"));
}

TEST_F(OpenTest, RefusesDamage) {
  struct Case {
    std::string name;
    std::streamoff offset;
    std::string bytes;
  };
  const std::vector<Case> cases = {
      {"header", 0, std::string(100, 'x')},
      {"schema page", 100, std::string(200, '\xff')},
      {"noise page", 3 * 4096, std::string(4096, '\xa5')},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::filesystem::remove(path_);
    Fill(200);
    Overwrite(c.offset, c.bytes);
    EXPECT_EQ(Open().status().code(), StatusCode::kDataLoss) << Open().status();
  }
}

TEST_F(OpenTest, RefusesATruncatedFile) {
  Fill(200);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_EQ(Open().status().code(), StatusCode::kDataLoss);
}

TEST_F(OpenTest, RefusesALogWithoutItsDatabase) {
  std::ofstream(path_ + "-wal") << "log";
  EXPECT_EQ(Open().status().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(OpenTest, RefusesASymbolicLinkButNotOneAbove) {
  Fill(1);
  const std::string link = directory_.File("link.db");
  std::filesystem::create_symlink(path_, link);
  EXPECT_EQ(OpenDatabase(link, SchemaOf(kVersionOne), {}).status().code(),
            StatusCode::kFailedPrecondition);
  const std::string directory_link = directory_.File("dir");
  std::filesystem::create_directory_symlink(directory_.path(), directory_link);
  EXPECT_TRUE(OpenDatabase(directory_link + "/test.db", SchemaOf(kVersionOne), {}).ok());
}

TEST_F(OpenTest, UnknownVfsIsAnError) {
  EXPECT_FALSE(OpenDatabase(path_, SchemaOf(kVersionOne), {.vfs = "no such vfs"}).ok());
}

}  // namespace
}  // namespace blobd::sqlite
