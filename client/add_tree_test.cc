// Directories that are added: what goes together, and what cannot.
#include "client/add_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "base/mutex.h"
#include "base/test_directory_for_test.h"
#include "client/add_file.h"
#include "client/reason.h"
#include "client/refusing_client.h"

namespace blobd::client {
namespace {

// Keeps what it is given; a blob's "hash" is its content.
class FakeDaemon final : public RefusingClient {
 public:
  StatusOr<v1::AddResponse> Add(
      bool, const std::function<StatusOr<size_t>(char*, size_t)>& read) override {
    std::string content;
    std::vector<char> buffer(100'000);
    for (;;) {
      BLOBD_ASSIGN_OR_RETURN(const size_t size, read(buffer.data(), buffer.size()));
      if (size == 0) break;
      content.append(buffer.data(), size);
    }
    const MutexLock lock(mutex_);
    alone.insert(content);
    return Answer(content);
  }
  StatusOr<v1::AddResponse> Import(int, bool, const std::function<void(uint64_t)>&) override {
    return Status(StatusCode::kUnimplemented, "streams only");
  }
  StatusOr<v1::AddSmallResponse> AddSmall(const v1::AddSmallRequest& request) override {
    const MutexLock lock(mutex_);
    if (++small_calls == 1 && on_first_call) on_first_call();
    if (too_old) return Status(StatusCode::kUnimplemented, "unknown method");
    if (crowded > 0) {
      --crowded;
      Status later = ResourceExhausted("later");
      SetReason("TOO_MANY_CALLS", &later);
      return later;
    }
    v1::AddSmallResponse response;
    for (const std::string& content : request.contents()) {
      together.insert(content);
      *response.add_blobs() = Answer(content);
    }
    if (short_by_one) response.mutable_blobs()->RemoveLast();
    return response;
  }
  StatusOr<v1::CreateCollectionResponse> CreateCollection(
      const v1::CreateCollectionRequest& request) override {
    for (const v1::CollectionEntry& entry : request.entries()) entries[entry.name()] = entry.hash();
    v1::CreateCollectionResponse response;
    response.set_hash("collection");
    return response;
  }

  std::function<void()> on_first_call;
  bool too_old = false;
  bool short_by_one = false;
  int crowded = 0;
  int small_calls = 0;
  std::set<std::string> alone;
  std::set<std::string> together;
  std::map<std::string, std::string> entries;

 private:
  Status Refusal() const override { return Internal("not asked for here"); }
  static v1::AddResponse Answer(const std::string& content) {
    v1::AddResponse response;
    response.set_hash(content);
    response.set_size(content.size());
    return response;
  }
  Mutex mutex_;
};

class AddTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    auto daemon = std::make_unique<FakeDaemon>();
    daemon_ = daemon.get();
    context_.daemon = std::move(daemon);
  }
  void Write(const std::string& name, std::string content) {
    std::ofstream(directory_.File(name)) << content;
    expected_[name] = std::move(content);
  }
  StatusOr<v1::AddResponse> AddAll() {
    ProgressLine line(false);
    return AddTree(context_, directory_.path(), false, line);
  }

  TestDirectory directory_;
  Interrupt interrupt_;
  Context context_{.socket = "", .style = {}, .interrupt = interrupt_, .daemon = nullptr};
  FakeDaemon* daemon_ = nullptr;
  std::map<std::string, std::string> expected_;
};

TEST_F(AddTreeTest, SmallFilesGoTogetherAndOthersAlone) {
  for (int i = 0; i < 600; ++i) Write(fmt::format("{}", i), fmt::format("{} small", i));
  Write("empty", "");
  Write("largest", std::string(FileAdder::kLargestSmall, 'x'));
  Write("larger", std::string(FileAdder::kLargestSmall + 1, 'x'));
  const auto added = AddAll();
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->hash(), "collection");
  EXPECT_EQ(daemon_->entries, expected_);
  EXPECT_EQ(daemon_->alone.size(), 1u);
  EXPECT_EQ(daemon_->together.size(), 602u);
  EXPECT_EQ(daemon_->small_calls, 3);  // 256 at most in each
}

TEST_F(AddTreeTest, NoCallHasMoreBytesThanItMay) {
  for (int i = 0; i < 200; ++i)
    Write(fmt::format("{}", i), fmt::format("{:05}", i) + std::string(12'000, 'x'));
  ASSERT_TRUE(AddAll().ok());
  EXPECT_EQ(daemon_->entries, expected_);
  EXPECT_EQ(daemon_->small_calls, 4);
}

TEST_F(AddTreeTest, AnOldDaemonGetsEachAlone) {
  daemon_->too_old = true;
  for (int i = 0; i < 2000; ++i) Write(fmt::format("{}", i), fmt::format("{} small", i));
  ASSERT_TRUE(AddAll().ok());
  EXPECT_EQ(daemon_->entries, expected_);
  EXPECT_EQ(daemon_->alone.size(), 2000u);
  EXPECT_LE(daemon_->small_calls, static_cast<int>(FileAdder::kSmallCalls));
}

TEST_F(AddTreeTest, TheDaemonIsAskedAgainWhenItHasRoom) {
  daemon_->crowded = 3;
  Write("a", "1");
  Write("b", "2");
  ASSERT_TRUE(AddAll().ok());
  EXPECT_EQ(daemon_->entries, expected_);
  EXPECT_EQ(daemon_->small_calls, 4);
}

TEST_F(AddTreeTest, AShortAnswerIsNoAnswer) {
  daemon_->short_by_one = true;
  Write("a", "1");
  Write("b", "2");
  EXPECT_EQ(AddAll().status().code(), StatusCode::kInternal);
  EXPECT_TRUE(daemon_->entries.empty());
}

// Whoever writes there goes on while the files before are taken in.
TEST_F(AddTreeTest, WhatHasGrownSinceItWasListedGoesAloneIfItIsTooMuch) {
  static constexpr int kBefore =
      static_cast<int>(FileAdder::kSmallCalls * FileAdder::kSmallTogether);
  for (int i = 0; i < kBefore + 100; ++i) Write(fmt::format("{:04}", i), fmt::format("{}", i));
  // No later file is read before a call is answered.
  daemon_->on_first_call = [this] {
    for (int i = kBefore; i < kBefore + 100; ++i)
      Write(fmt::format("{:04}", i), fmt::format("{:05}", i) + std::string(12'000, 'x'));
    Write(fmt::format("{:04}", kBefore), std::string(FileAdder::kLargestSmall + 1, 'x'));
  };
  ASSERT_TRUE(AddAll().ok());
  EXPECT_EQ(daemon_->entries, expected_);
  const size_t fit = FileAdder::kSmallBytesTogether / 12'005;
  EXPECT_EQ(daemon_->together.size(), kBefore + fit);
  EXPECT_EQ(daemon_->alone.size(), 100 - fit);
}

}  // namespace
}  // namespace blobd::client
