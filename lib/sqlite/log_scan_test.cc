#include "sqlite/log_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_directory_for_test.h"
#include "sqlite/database_for_test.h"
#include "sqlite/findings.h"
#include "sqlite/open.h"

namespace blobd::sqlite {
namespace {

using testing::HasSubstr;

constexpr std::array<std::string_view, 1> kMigrations = {
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB) STRICT"};
constexpr Schema kSchema{
    .what = "a test database", .application_id = 0x626c7401, .migrations = kMigrations};
constexpr size_t kHeader = 32;
constexpr size_t kFrame = 24 + 4096;

// A database and its log as a process leaves them that is killed after ten commits of three rows,
// the last of them over several pages.
class LogScanTest : public testing::Test {
 protected:
  LogScanTest() {
    auto database = OpenDatabase(directory_.File("live.db"), kSchema, {});
    EXPECT_TRUE(database.ok()) << database.status();
    auto insert = database->Prepare("INSERT INTO t(b) VALUES(?1)");
    for (int i = 0; i < 10; ++i) {
      auto transaction = Transaction::Begin(*database);
      for (int row = 0; row < 3; ++row) {
        EXPECT_TRUE(insert->Bind(ByteView(Bytes(2000, 7))).Run().ok());
      }
      EXPECT_TRUE(transaction->Commit().ok());
    }
    database_ = ReadFile(directory_.File("live.db"));
    log_ = ReadFile(directory_.File("live.db-wal"));
    frames_ = (log_.size() - kHeader) / kFrame;
    for (size_t i = 0; i < frames_; ++i) {
      if (log_.substr(kHeader + i * kFrame + 4, 4) != std::string(4, '\0')) commits_.push_back(i);
    }
    EXPECT_EQ(commits_.size(), 10u);
    EXPECT_GT(commits_[9] - commits_[8], 1u) << "the last transaction has several frames";
    Place(log_);
  }

  // What is found after a crash.
  void Place(const std::string& log) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path_ + suffix);
    }
    WriteFile(path_, database_);
    WriteFile(path_ + "-wal", log);
  }
  LogScan Scan() {
    auto scan = ScanLog(path_ + "-wal");
    EXPECT_TRUE(scan.ok()) << scan.status();
    return *scan;
  }
  static size_t At(size_t frame, size_t offset = 0) { return kHeader + frame * kFrame + offset; }
  int64_t Rows(OpenFindings& findings, const std::string& boot_id = "this boot") {
    auto database = OpenDatabase(path_, kSchema, {.boot_id = boot_id}, &findings);
    EXPECT_TRUE(database.ok()) << database.status();
    return database.ok() ? *database->QueryInteger("SELECT count(*) FROM t") : -1;
  }

  TestDirectory directory_;
  const std::string path_ = directory_.File("test.db");
  std::string database_;
  std::string log_;
  size_t frames_ = 0;
  std::vector<size_t> commits_;  // their last frames
};

TEST_F(LogScanTest, AWholeLogIsWhole) {
  const LogScan scan = Scan();
  EXPECT_EQ(scan.state, LogState::kWhole);
  EXPECT_EQ(scan.good_frames, frames_);
  EXPECT_EQ(scan.suspect_frames, 0u);
  OpenFindings findings;
  EXPECT_EQ(Rows(findings), 30);
  EXPECT_FALSE(findings.may_be_incomplete());
  EXPECT_EQ(findings.text, "");
  std::filesystem::remove(path_ + "-wal");
  EXPECT_EQ(Scan().state, LogState::kWhole);
}

TEST_F(LogScanTest, EveryByteOfAFrameInTheMiddleIsMissed) {
  const size_t broken = commits_[4];
  for (size_t offset = 0; offset < kFrame; offset += offset < 32 ? 1 : 509) {
    SCOPED_TRACE(offset);
    Place(log_);
    FlipBit(path_ + "-wal", At(broken, offset), 3);
    const LogScan scan = Scan();
    EXPECT_EQ(scan.state, LogState::kCommitsLost);
    EXPECT_EQ(scan.good_frames, broken);
    EXPECT_GE(scan.suspect_commits, 5u);
    EXPECT_LE(scan.suspect_commits, 6u);
  }
}

TEST_F(LogScanTest, WhatSQLiteDropsInSilenceIsSaid) {
  FlipBit(path_ + "-wal", At(commits_[4], 2000));
  OpenFindings findings;
  EXPECT_EQ(Rows(findings), 12);
  EXPECT_EQ(findings.log, LogState::kCommitsLost);
  EXPECT_TRUE(findings.may_be_incomplete());
  EXPECT_THAT(findings.text, HasSubstr("up to 6 transactions are lost"));
  EXPECT_THAT(findings.text, HasSubstr(".log-in-doubt"));
  EXPECT_EQ(ReadFile(path_ + ".log-in-doubt").size(), log_.size());
  // It stays said until the operator knows.
  OpenFindings again;
  EXPECT_EQ(Rows(again), 12);
  EXPECT_EQ(again.log, LogState::kCommitsLost);
  ASSERT_TRUE(ForgetFindings(path_).ok());
  OpenFindings after;
  EXPECT_EQ(Rows(after), 12);
  EXPECT_FALSE(after.may_be_incomplete());
}

TEST_F(LogScanTest, ABrokenHeaderLosesEverything) {
  for (size_t offset = 0; offset < kHeader; ++offset) {
    if (offset >= 12 && offset < 16) continue;  // counts checkpoints; in the checksum all the same
    SCOPED_TRACE(offset);
    Place(log_);
    FlipBit(path_ + "-wal", offset);
    const LogScan scan = Scan();
    EXPECT_EQ(scan.state, LogState::kCommitsLost);
    EXPECT_EQ(scan.suspect_commits, 10u);
  }
}

TEST_F(LogScanTest, ATornTransactionIsNoFinding) {
  // Cut anywhere in the last transaction, the log ends with the one before.
  for (size_t size = At(commits_[8] + 1); size < log_.size(); size += 1001) {
    SCOPED_TRACE(size);
    Place(log_.substr(0, size));
    EXPECT_EQ(Scan().state, LogState::kWhole);
  }
  // Frames of it that were not written stand before one that was, but its end is missing.
  std::string torn = log_.substr(0, At(commits_[9]));
  for (size_t i = At(commits_[8] + 1, 24); i < At(commits_[8] + 2); ++i) torn[i] = '\0';
  Place(torn);
  EXPECT_EQ(Scan().state, LogState::kTornTail);
  OpenFindings findings;
  EXPECT_EQ(Rows(findings), 27);
  EXPECT_FALSE(findings.may_be_incomplete());
}

TEST_F(LogScanTest, ATornTransactionWithItsEndIsDoubtful) {
  for (size_t frame = commits_[8] + 1; frame <= commits_[9]; ++frame) {
    SCOPED_TRACE(frame);
    Place(log_);
    FlipBit(path_ + "-wal", At(frame, 100));
    EXPECT_EQ(Scan().state, LogState::kLastCommitDoubtful);
    EXPECT_EQ(Scan().suspect_commits, 1u);
  }
}

// Killed while it opened what a power loss had left: the log is as torn, and still of another boot.
TEST_F(LogScanTest, AKillWhileOpeningChangesNoVerdict) {
  OpenFindings first;
  Rows(first, "first boot");
  Place(log_);
  FlipBit(path_ + "-wal", At(commits_[8] + 1, 100));
  for (int life = 0; life < 2; ++life) {
    const auto findings = FindInLog(path_, "next boot");
    ASSERT_TRUE(findings.ok()) << findings.status();
    EXPECT_EQ(findings->log, LogState::kLastCommitDoubtful);
  }
  OpenFindings opened;
  EXPECT_EQ(Rows(opened, "next boot"), 27);
  EXPECT_FALSE(opened.may_be_incomplete());
}

TEST_F(LogScanTest, ADatabaseThatHasGoneIsSaidToBeLost) {
  OpenFindings first;
  EXPECT_EQ(Rows(first), 30);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  for (int opening = 0; opening < 2; ++opening) {
    OpenFindings anew;
    EXPECT_EQ(Rows(anew), 0);
    EXPECT_TRUE(anew.may_be_incomplete());
    EXPECT_THAT(anew.text, HasSubstr("what it held is lost"));
  }
  ASSERT_TRUE(ForgetFindings(path_).ok());
  OpenFindings seen;
  EXPECT_EQ(Rows(seen), 0);
  EXPECT_FALSE(seen.may_be_incomplete());
}

TEST_F(LogScanTest, WhetherThePowerMayHaveGoneDecidesDoubt) {
  const std::string torn = [&] {
    FlipBit(path_ + "-wal", At(commits_[8] + 1, 100));
    return ReadFile(path_ + "-wal");
  }();
  // Nobody noted a boot, or it was another one: a power loss leaves that.
  OpenFindings first;
  EXPECT_EQ(Rows(first), 27);
  EXPECT_EQ(first.log, LogState::kLastCommitDoubtful);
  EXPECT_FALSE(first.may_be_incomplete());
  EXPECT_THAT(first.text, HasSubstr("as a power loss leaves"));
  Place(torn);
  OpenFindings rebooted;
  EXPECT_EQ(Rows(rebooted, "next boot"), 27);
  EXPECT_FALSE(rebooted.may_be_incomplete());
  // In the same boot a process that ends does not tear what it wrote before.
  Place(torn);
  OpenFindings same;
  EXPECT_EQ(Rows(same, "next boot"), 27);
  EXPECT_TRUE(same.may_be_incomplete());
  ASSERT_TRUE(ForgetFindings(path_).ok());
  // But the last frame it may have been writing.
  Place(log_);
  FlipBit(path_ + "-wal", At(commits_[9], 100));
  OpenFindings killed;
  EXPECT_EQ(Rows(killed, "next boot"), 27);
  EXPECT_FALSE(killed.may_be_incomplete());
}

TEST_F(LogScanTest, WhatAnEarlierLogLeftIsNotOurs) {
  // A log that began anew over a longer one.
  std::string old = log_;
  for (size_t i = 0; i < frames_; ++i) {
    old[At(i, 8)] = static_cast<char>(old[At(i, 8)] + 1);  // other salts
  }
  const size_t kept = At(commits_[2] + 1);
  Place(log_.substr(0, kept) + old.substr(kept));
  const LogScan scan = Scan();
  EXPECT_EQ(scan.state, LogState::kWhole);
  EXPECT_EQ(scan.good_frames, commits_[2] + 1);
}

TEST_F(LogScanTest, OpeningEmptiesTheLog) {
  OpenFindings findings;
  auto database = OpenDatabase(path_, kSchema, {}, &findings);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
}

TEST_F(LogScanTest, NoiseIsNoCrash) {
  for (const size_t size : {0, 1, 31, 32, 33, 5000, 100000}) {
    WriteFile(path_ + "-wal", std::string(size, '\xa5'));
    EXPECT_NE(Scan().state, LogState::kLastCommitDoubtful);
    WriteFile(path_ + "-wal", std::string(size, '\0'));
    EXPECT_EQ(Scan().state, LogState::kWhole);
  }
}

}  // namespace
}  // namespace blobd::sqlite
