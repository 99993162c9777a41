// Over real files, a real loop and a real worker.
#include "daemon/registry_keeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "loop/worker_pool.h"

namespace blobd::daemon {
namespace {

namespace fs = std::filesystem;

class RegistryKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "blobd-keeper-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    control_ = *loop::Loop::Create();
    workers_ = std::make_unique<loop::WorkerPool>(1);
    // One that was made, used and closed.
    Make();
    ASSERT_TRUE(keeper_->Open().ok());
    keeper_.reset();
  }
  void TearDown() override {
    workers_.reset();
    keeper_.reset();
    control_.reset();
    fs::remove_all(directory_);
  }
  std::string path() const { return (directory_ / "registry.db").string(); }
  void Make() {
    keeper_ = std::make_unique<RegistryKeeper>(path(), *control_, workers_->MakeStrand(), log_);
    keeper_->OnRecovered([this](UniqueFunction<void(Status)> done) {
      ++restarts_;
      done(OkStatus());
    });
  }
  // As opening leaves it beside a registry whose log had damage in it.
  void LeaveFinding() { std::ofstream(path() + ".log-in-doubt") << "frames"; }
  StatusOr<rpc::Maintenance::Recovery> Recover() {
    std::optional<StatusOr<rpc::Maintenance::Recovery>> answer;
    control_->Post([&] {
      keeper_->RecoverRegistry([&](StatusOr<rpc::Maintenance::Recovery> recovery) {
        answer = std::move(recovery);
        control_->Stop();
      });
    });
    control_->Run();
    return answer ? *std::move(answer) : Unavailable("no answer");
  }

  fs::path directory_;
  LogSink log_{"error"};
  std::unique_ptr<loop::Loop> control_;
  std::unique_ptr<loop::WorkerPool> workers_;
  std::unique_ptr<RegistryKeeper> keeper_;
  int restarts_ = 0;
};

TEST_F(RegistryKeeperTest, OneThatIsWellNeedsNoRecovery) {
  Make();
  ASSERT_TRUE(keeper_->Open().ok());
  EXPECT_EQ(Recover().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(RegistryKeeperTest, AFindingIsAcknowledgedOnce) {
  LeaveFinding();
  Make();
  ASSERT_TRUE(keeper_->Open().ok());
  ASSERT_EQ(keeper_->Warnings().size(), 1u);
  const auto recovery = Recover();
  ASSERT_TRUE(recovery.ok()) << recovery.status();
  EXPECT_EQ(recovery->notes.size(), 1u);
  EXPECT_TRUE(recovery->damaged_file.empty());
  EXPECT_EQ(restarts_, 0);
  EXPECT_TRUE(keeper_->Warnings().empty());
  EXPECT_FALSE(fs::exists(path() + ".log-in-doubt"));
}

TEST_F(RegistryKeeperTest, OneThatIsDamagedIsRecoveredWhateverWasFoundBefore) {
  LeaveFinding();
  Make();
  ASSERT_TRUE(keeper_->Open().ok());
  keeper_->Damaged(DataLoss("page 7 is damaged"));
  EXPECT_FALSE(keeper_->is_there());
  const auto recovery = Recover();
  ASSERT_TRUE(recovery.ok()) << recovery.status();
  EXPECT_FALSE(recovery->damaged_file.empty());
  EXPECT_TRUE(keeper_->is_there());
  EXPECT_EQ(restarts_, 1);
}

TEST_F(RegistryKeeperTest, WhatIsRecoveredAtTheEndIsForTheNextStart) {
  Make();
  ASSERT_TRUE(keeper_->Open().ok());
  keeper_->Damaged(DataLoss("page 7 is damaged"));
  keeper_->Close();
  EXPECT_TRUE(Recover().ok());
  EXPECT_FALSE(keeper_->is_recovering());
  EXPECT_EQ(restarts_, 0);
  keeper_.reset();
  Make();
  ASSERT_TRUE(keeper_->Open().ok());
  EXPECT_TRUE(keeper_->is_there());
}

}  // namespace
}  // namespace blobd::daemon
