// Over a real loop; the worker does what it is told when it is told.
#include "daemon/config_keeper.h"

#include <gmock/gmock.h>

#include <deque>

namespace blobd::daemon {
namespace {

using rpc::Configuration;
using testing::ElementsAre;
using testing::HasSubstr;

// Runs one thing after the other, when the test says so.
class Steps final : public Executor {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  bool RunOne() {
    if (tasks_.empty()) return false;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }

 private:
  std::deque<Task> tasks_;
};

Config ConfigOf(const std::string& toml) {
  Config config = DefaultConfig();
  const Status status = ApplyToml(toml, "a.toml", &config);
  EXPECT_TRUE(status.ok()) << status;
  config.files = {"a.toml"};
  return config;
}

class ConfigKeeperTest : public testing::Test {
 protected:
  void RunAll() {
    while (reader_->RunOne() || control_.RunOne()) {
    }
  }
  auto Note() {
    return
        [this](StatusOr<Configuration::Report> report) { answers_.push_back(std::move(report)); };
  }

  Steps control_;
  std::shared_ptr<Steps> reader_ = std::make_shared<Steps>();
  std::unique_ptr<loop::Loop> loop_ = *loop::Loop::Create();
  LogSink log_{"error"};
  Supervision supervision_{*loop_, *loop_};
  StatusOr<Config> written_ = ConfigOf("workers = 2\n");
  int reads_ = 0;
  int put_ = 0;
  std::string refused_;  // the key
  std::vector<StatusOr<Configuration::Report>> answers_;
  ConfigKeeper keeper_{{control_, reader_,
                        [this] {
                          ++reads_;
                          return written_;
                        },
                        log_, supervision_, [this] { ++put_; },
                        [this](const std::string& key, const Config&) {
                          return key == refused_ ? std::string("it cannot be") : std::string();
                        }},
                       ConfigOf("workers = 2\n")};
};

TEST_F(ConfigKeeperTest, ReportsOnEachKey) {
  written_ = ConfigOf("workers = 3\nlog_level = \"debug\"\n[limits]\nrequests = 9\n");
  refused_ = "limits.requests";
  keeper_.Reload(false, Note());
  RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  ASSERT_TRUE(answers_[0].ok()) << answers_[0].status();
  const auto& keys = answers_[0]->keys;
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].key, "limits.requests");
  EXPECT_EQ(keys[0].result, Configuration::Result::kRefused);
  EXPECT_EQ(keys[0].reason, "it cannot be");
  EXPECT_EQ(keys[1].key, "log_level");
  EXPECT_EQ(keys[1].result, Configuration::Result::kApplied);
  EXPECT_EQ(keys[1].before, "");
  EXPECT_EQ(keys[1].after, "\"debug\"");
  EXPECT_EQ(keys[2].result, Configuration::Result::kNeedsRestart);
  EXPECT_THAT(answers_[0]->files, ElementsAre("a.toml"));
  EXPECT_EQ(keeper_.running().log_level, "debug");
  EXPECT_EQ(keeper_.running().workers, 2u);
  EXPECT_EQ(put_, 1);
  EXPECT_EQ(keeper_.List("workers", false).values.at(0).after_restart, "3");
}

TEST_F(ConfigKeeperTest, ADryRunChangesNothing) {
  written_ = ConfigOf("log_level = \"debug\"\n");
  keeper_.Reload(true, Note());
  RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  ASSERT_TRUE(answers_[0].ok());
  EXPECT_EQ(answers_[0]->keys.size(), 2u);
  EXPECT_EQ(keeper_.running().log_level, "info");
  EXPECT_EQ(put_, 0);
  EXPECT_FALSE(keeper_.List("workers", false).values.at(0).after_restart);
}

TEST_F(ConfigKeeperTest, WhatCannotBeUsedChangesNothing) {
  written_ = InvalidArgument("a.toml:1: unknown key x");
  keeper_.Reload(false, Note());
  RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(answers_[0].status()), HasSubstr("a.toml:1: unknown key x"));
  EXPECT_EQ(put_, 0);
}

TEST_F(ConfigKeeperTest, WhoComesWhileItIsReadHasItReadOnceMore) {
  keeper_.Reload(false, Note());
  reader_->RunOne();
  keeper_.Reload(false, Note());
  keeper_.Reload(true, Note());
  keeper_.Reload(false, nullptr);
  written_ = ConfigOf("log_level = \"debug\"\n");
  RunAll();
  EXPECT_EQ(reads_, 2);
  EXPECT_EQ(put_, 2);
  ASSERT_EQ(answers_.size(), 3u);
  EXPECT_TRUE(answers_[0]->keys.empty());
  EXPECT_EQ(answers_[1]->keys.size(), 2u);
  EXPECT_EQ(answers_[2]->keys.size(), 2u);
  EXPECT_EQ(keeper_.running().log_level, "debug");
}

TEST_F(ConfigKeeperTest, WhenTheDaemonStopsEverybodyIsTold) {
  written_ = ConfigOf("log_level = \"debug\"\n");
  keeper_.Reload(false, Note());
  reader_->RunOne();
  keeper_.Reload(false, Note());
  keeper_.Stop();
  keeper_.Reload(true, Note());
  ASSERT_EQ(answers_.size(), 3u);
  for (const auto& answer : answers_) EXPECT_EQ(answer.status().code(), StatusCode::kUnavailable);
  RunAll();
  EXPECT_EQ(answers_.size(), 3u);
  EXPECT_EQ(put_, 0);
  EXPECT_EQ(keeper_.running().log_level, "info");
}

}  // namespace
}  // namespace blobd::daemon
