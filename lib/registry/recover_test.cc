// What becomes of a registry whose files were damaged or cut: never a silent loss, and never an id
// twice.
#include "registry/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "registry/damage_for_test.h"
#include "registry/id_mark.h"

namespace blobd::registry {
namespace {

using sqlite::FlipBit;
using sqlite::LogState;
using sqlite::Overwrite;
using sqlite::ReadFile;
using sqlite::WriteFile;
using testing::HasSubstr;

constexpr size_t kPage = 4096;

using RecoverTest = DamageTest;

TEST_F(RecoverTest, EveryDamageIsSaid) {
  Fill(500);
  const std::string good = ReadFile(path());
  struct Case {
    std::string name;
    std::function<void()> damage;
  };
  const std::vector<Case> cases = {
      {"header", [&] { Overwrite(path(), 0, std::string(100, 'x')); }},
      {"truncation",
       [&] { std::filesystem::resize_file(path(), good.size() / 2 / kPage * kPage); }},
      {"truncation in a page", [&] { std::filesystem::resize_file(path(), good.size() - 100); }},
      {"noise page", [&] { Overwrite(path(), 10 * kPage, std::string(kPage, '\xa5')); }},
      {"zeroed page", [&] { Overwrite(path(), 10 * kPage, std::string(kPage, '\0')); }},
      {"empty", [&] { WriteFile(path(), ""); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    WriteFile(path(), good);
    c.damage();
    EXPECT_EQ(OpenStatus().code(), StatusCode::kDataLoss);
  }
}

// A bit anywhere in the file: the opening refuses it, or the rows do, or nothing of any row has
// changed (it was in free room, or in a table that the engine reads when it needs it).
TEST_F(RecoverTest, ABitFlipInARowIsFound) {
  Fill(60);
  const std::string good = ReadFile(path());
  size_t refused = 0;
  for (size_t at = 100; at < good.size(); at += 1999) {
    SCOPED_TRACE(at);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path() + suffix);
    WriteFile(path(), good);
    FlipBit(path(), at, static_cast<int>(at % 8));
    const Status opened = OpenStatus();
    StatusOr<Snapshot> loaded = opened.ok() ? Load() : StatusOr<Snapshot>(opened);
    registry_.reset();
    if (!loaded.ok()) {
      ++refused;
      EXPECT_EQ(loaded.status().code(), StatusCode::kDataLoss) << loaded.status();
      continue;
    }
    EXPECT_EQ(loaded->unfinished.size(), 54u);
    EXPECT_EQ(loaded->providers.size(), 60u);
  }
  EXPECT_GT(refused, 8u);
}

TEST_F(RecoverTest, ADamagedLogIsSaidAndIdsGoOnAboveIt) {
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(1)}}).ok());
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  ASSERT_TRUE(Reserve(IdSpace::kTransfer, 50).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(2)}}).ok());
  Kill();
  FlipBit(path() + "-wal", 32 + 24 + 100);
  Reopen();
  EXPECT_TRUE(List({}).empty());
  EXPECT_TRUE(registry_->findings().may_be_incomplete());
  EXPECT_EQ(registry_->findings().log, LogState::kCommitsLost);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 201u);
  EXPECT_EQ(Reserve(IdSpace::kTransfer, 1)->first, 51u);
}

TEST_F(RecoverTest, WithoutAMarkManyIdsArePassedOver) {
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  Kill();
  FlipBit(path() + "-wal", 32 + 24 + 100);
  std::filesystem::remove(path() + ".ids");
  Reopen();
  EXPECT_GT(Reserve(IdSpace::kIntent, 1)->first, uint64_t{1} << 32);
  // With a whole database the mark is made from it.
  const uint64_t next = Reserve(IdSpace::kIntent, 1)->end;
  registry_.reset();
  ASSERT_TRUE(sqlite::ForgetFindings(path()).ok());
  std::filesystem::remove(path() + ".ids");
  Reopen();
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, next);
}

TEST_F(RecoverTest, EveryByteOfTheMarkMayBeDamaged) {
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  ASSERT_TRUE(Reserve(IdSpace::kIntent, 100).ok());
  registry_.reset();
  const std::string good = ReadFile(path() + ".ids");
  const std::string database = ReadFile(path());
  for (const size_t copy : {0, 4096}) {
    for (size_t offset = 0; offset < 48; offset += 5) {
      SCOPED_TRACE(copy + offset);
      WriteFile(path() + ".ids", good);
      WriteFile(path(), database);
      FlipBit(path() + ".ids", copy + offset, 5);
      Reopen();
      EXPECT_GT(Reserve(IdSpace::kIntent, 1)->first, 200u);
      registry_.reset();
      // It was mended, so the next opening passes over none.
      auto mark = IdMark::Open(path() + ".ids");
      EXPECT_EQ(mark->origin(), IdMark::Origin::kRead);
    }
  }
}

TEST_F(RecoverTest, AWholeRegistryComesOutAsItWas) {
  Fill(300);
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete()) << testing::PrintToString(report->Lines());
  EXPECT_EQ(report->kept_as, path() + ".damaged-1000");
  EXPECT_TRUE(std::filesystem::exists(report->kept_as));
  Reopen();
  EXPECT_EQ(List({}, 0, 1000).size(), 300u);
  auto snapshot = Load();
  EXPECT_EQ(snapshot->providers.size(), 300u);
  EXPECT_EQ(snapshot->bans.size(), 1u);
  EXPECT_EQ(snapshot->remotes.size(), 1u);
  EXPECT_EQ(Transfers({}).size(), 1u);
  EXPECT_EQ(Protected(0, 0)->size(), 272u);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 301u);
  for (const char* left : {".salvage", ".recovering", ".recovered"}) {
    EXPECT_FALSE(std::filesystem::exists(path() + left));
  }
}

TEST_F(RecoverTest, SavesWhatReadsAndSaysWhatDoesNot) {
  Fill(2000);
  const std::string good = ReadFile(path());
  std::string bad = good;
  // Noise in every fifteenth page, from the place where rows are.
  for (size_t page = 40; page < bad.size() / kPage; page += 15) {
    for (size_t i = 0; i < kPage; ++i) bad[page * kPage + i] = static_cast<char>(i * 37);
  }
  WriteFile(path(), bad);
  EXPECT_EQ(OpenStatus().code(), StatusCode::kDataLoss);
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->complete());
  EXPECT_GT(Saved(*report, "intents"), 1700u);
  EXPECT_EQ(ReadFile(report->kept_as), bad);
  Reopen();
  const std::vector<uint64_t> ids = List({}, 0, 5000);
  EXPECT_EQ(ids.size(), Saved(*report, "intents"));
  // Every intent that is missing is in a place that the report names.
  const std::set<uint64_t> there(ids.begin(), ids.end());
  for (const auto& result : report->tables) {
    if (result.table != "intents") continue;
    for (uint64_t id = 1; id <= 2000; ++id) {
      const bool in_hole = std::any_of(
          result.lost.holes.begin(), result.lost.holes.end(),
          [&](const sqlite::Hole& hole) { return hole.first <= id && id <= hole.last; });
      EXPECT_EQ(there.count(id) == 0, in_hole) << id;
    }
  }
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 2001u);
}

TEST_F(RecoverTest, ADamagedRowIsLeftOutAlone) {
  Fill(100);
  {
    auto database = sqlite::OpenUnchecked(path(), {});
    ASSERT_TRUE(database->Execute("UPDATE intents SET priority=2 WHERE id=7").ok());
    ASSERT_TRUE(database->Execute("UPDATE tags SET hash=zeroblob(32)").ok());
  }
  ASSERT_TRUE(OpenStatus().ok());
  EXPECT_EQ(Load().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Protected(0, 0).status().code(), StatusCode::kDataLoss);
  registry_.reset();
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Saved(*report, "intents"), 99u);
  EXPECT_EQ(Saved(*report, "tags"), 0u);
  EXPECT_THAT(report->Lines(), testing::Contains("tags: 1 damaged rows left out"));
  Reopen();
  EXPECT_EQ(Load()->unfinished.size(), 89u);
}

TEST_F(RecoverTest, AHeaderOrACutFileIsRead) {
  Fill(500);
  const std::string good = ReadFile(path());
  WriteFile(path(), std::string(100, 'x') + good.substr(100));
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Saved(*report, "intents"), 500u);
  WriteFile(path(), good.substr(0, good.size() / 2));
  report = RecoverRegistry(path(), {1001});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->complete());
  EXPECT_GT(Saved(*report, "intents"), 50u);
  Reopen();
}

TEST_F(RecoverTest, WithoutATableOfContentsRowsAreProvenByTheirSums) {
  Fill(300);
  Overwrite(path(), 0, std::string(kPage, 'x'));
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Saved(*report, "intents"), 300u);
  EXPECT_FALSE(report->complete());
  Reopen();
  EXPECT_EQ(Load()->providers.size(), 300u);
  registry_.reset();
  // A copy has its tables elsewhere: nothing fits, and nothing is claimed.
  Overwrite(path(), 0, std::string(kPage, 'x'));
  auto again = RecoverRegistry(path(), {1001});
  EXPECT_TRUE(!again.ok() || !again->complete());
}

TEST_F(RecoverTest, WhatCannotBeRecoveredStaysAsItIs) {
  for (const std::string& bad :
       {std::string(), std::string(50000, 'x'), std::string(500, '\0'), std::string(1, 'x')}) {
    WriteFile(path(), bad);
    EXPECT_EQ(Recover().status().code(), StatusCode::kDataLoss);
    EXPECT_EQ(ReadFile(path()), bad);
  }
  std::filesystem::remove(path());
  EXPECT_EQ(Recover().status().code(), StatusCode::kDataLoss);
}

TEST_F(RecoverTest, RecoveryForgetsTheDoubtAboutTheLog) {
  ASSERT_TRUE(Commit({PutIntent{Intent(1)}}).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(2)}}).ok());
  ASSERT_TRUE(Commit({PutIntent{Intent(3)}}).ok());
  Kill();
  const size_t frames = (ReadFile(path() + "-wal").size() - 32) / (24 + kPage);
  FlipBit(path() + "-wal", 32 + (frames / 2) * (24 + kPage) + 100);
  Reopen();
  EXPECT_TRUE(registry_->findings().may_be_incomplete());
  registry_.reset();
  auto report = Recover();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->complete());
  EXPECT_THAT(report->Lines().back(), HasSubstr("log was damaged"));
  Reopen();
  EXPECT_FALSE(registry_->findings().may_be_incomplete());
}

}  // namespace
}  // namespace blobd::registry
