#include "registry/sqlite_registry.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace blobd::registry {
namespace {

// Runs posted tasks on the test's thread.
class Inbox final : public Executor {
 public:
  void Post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_one();
  }
  void RunOne() {
    std::unique_lock lock(mutex_);
    while (tasks_.empty()) arrived_.wait(lock);
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
  }
  // Drops what was never run, with whatever it refers to.
  ~Inbox() override = default;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Task> tasks_;
};

IntentRow Intent(uint64_t id, uint8_t hash = 1, uint32_t owner = 0, const std::string& key = "") {
  IntentRow intent;
  intent.id.value = id;
  intent.kind.hash.bytes[0] = hash;
  intent.owner_uid = owner;
  intent.idempotency_key = key;
  intent.created.unix_ms = 1;
  return intent;
}

class SqliteRegistryTest : public testing::Test {
 protected:
  SqliteRegistryTest() {
    std::string pattern = testing::TempDir() + "blobd_registry_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    Reopen();
  }
  ~SqliteRegistryTest() override {
    registry_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Reopen(SqliteRegistry::Options options = {}) {
    registry_.reset();
    auto registry = SqliteRegistry::Open(path(), inbox_, options);
    ASSERT_TRUE(registry.ok()) << registry.status();
    registry_ = std::move(*registry);
  }
  std::string path() const { return directory_ + "/registry.db"; }

  // Calls and waits for the answer.
  template <typename Outcome, typename Start>
  Outcome Await(Start start) {
    std::optional<Outcome> outcome;
    start(UniqueFunction<void(Outcome)>([&](Outcome value) { outcome.emplace(std::move(value)); }));
    while (!outcome) inbox_.RunOne();
    return std::move(*outcome);
  }
  Status Commit(std::vector<Change> changes) {
    return Await<Status>(
        [&](auto done) { registry_->Commit(std::move(changes), std::move(done)); });
  }
  StatusOr<Snapshot> Load() {
    return Await<StatusOr<Snapshot>>([&](auto done) { registry_->Load(std::move(done)); });
  }
  StatusOr<IdBlock> Reserve(IdSpace space, uint64_t count) {
    return Await<StatusOr<IdBlock>>(
        [&](auto done) { registry_->ReserveIds(space, count, std::move(done)); });
  }
  std::vector<uint64_t> List(const IntentFilter& filter, uint64_t after = 0, size_t limit = 100) {
    auto rows = Await<StatusOr<std::vector<IntentRow>>>(
        [&](auto done) { registry_->ListIntents(filter, {after}, limit, std::move(done)); });
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::vector<uint64_t> ids;
    for (const IntentRow& row : *rows) ids.push_back(row.id.value);
    return ids;
  }

  std::string directory_;
  Inbox inbox_;
  std::unique_ptr<SqliteRegistry> registry_;
};

TEST_F(SqliteRegistryTest, WhatWasCommittedIsThereAfterReopening) {
  const NodeId node{{9}};
  const SocketAddress address = SocketAddress::V4({192, 0, 2, 1}, 443);
  const Hash hash{{1}};
  ASSERT_TRUE(
      Commit({PutIntent{Intent(1)}, PutIntent{Intent(2)}, PutProvider{{hash, node}},
              PutProvider{{hash, MirrorUrl{"https://m.example/x"}}},
              PutProvider{{hash, NodeId{{8}}}},
              PutRemoteAddress{{node, address, "ticket", {77}, 1500}},
              PutBan{{node, {99}, 2, "wrong bytes"}}, PutBan{{MirrorUrl{"http://m"}, {1}, 1, ""}}})
          .ok());
  IntentRow finished = Intent(2);
  finished.result = ResultCode::kDone;
  ASSERT_TRUE(Commit({PutIntent{finished}, DropProvider{{hash, NodeId{{8}}}},
                      DropBan{MirrorUrl{"http://m"}}})
                  .ok());
  Reopen();
  auto snapshot = Load();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ASSERT_EQ(snapshot->unfinished.size(), 1u);
  EXPECT_EQ(snapshot->unfinished[0].id.value, 1u);
  ASSERT_EQ(snapshot->providers.size(), 2u);
  EXPECT_EQ(snapshot->providers[0].provider, ProviderId(node));
  EXPECT_EQ(snapshot->providers[1].provider, ProviderId(MirrorUrl{"https://m.example/x"}));
  ASSERT_EQ(snapshot->addresses.size(), 1u);
  EXPECT_EQ(snapshot->addresses[0].address, address);
  EXPECT_EQ(snapshot->addresses[0].source, "ticket");
  EXPECT_EQ(snapshot->addresses[0].rtt_us, 1500);
  ASSERT_EQ(snapshot->bans.size(), 1u);
  EXPECT_EQ(snapshot->bans[0].times, 2u);
  ASSERT_TRUE(Commit({DropRemoteAddress{node, address}}).ok());
  EXPECT_TRUE(Load()->addresses.empty());
}

TEST_F(SqliteRegistryTest, ACommitThatFailsFailsAlone) {
  std::vector<std::pair<int, Status>> answers;
  const auto commit = [&](int number, std::vector<Change> changes) {
    registry_->Commit(std::move(changes),
                      [&answers, number](Status status) { answers.emplace_back(number, status); });
  };
  ASSERT_TRUE(Commit({PutIntent{Intent(1, 1, 5, "key")}}).ok());
  commit(1, {PutIntent{Intent(2)}});
  commit(2, {PutIntent{Intent(3)}, PutIntent{Intent(4, 1, 5, "key")}, PutIntent{Intent(5)}});
  commit(3, {PutIntent{Intent(6)}});
  commit(4, {PutIntent{Intent(0)}});
  while (answers.size() < 4) inbox_.RunOne();
  const StatusCode expected[] = {StatusCode::kOk, StatusCode::kAlreadyExists, StatusCode::kOk,
                                 StatusCode::kInvalidArgument};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answers[i].first, static_cast<int>(i) + 1);  // in the order of the calls
    EXPECT_EQ(answers[i].second.code(), expected[i]) << answers[i].second;
  }
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2, 6}));
}

TEST_F(SqliteRegistryTest, ManyCommitsAreAnsweredInOrderAndShareGroups) {
  uint64_t answered = 0;
  for (uint64_t id = 1; id <= 3000; ++id) {
    registry_->Commit({PutIntent{Intent(id)}}, [&answered, id](Status status) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(++answered, id);
    });
  }
  EXPECT_EQ(List({}, 0, 10000).size(), 3000u);  // a query sees what was called before it
  EXPECT_EQ(answered, 3000u);
}

TEST_F(SqliteRegistryTest, DestroyingAnswersWhatWasCalled) {
  bool answered = false;
  registry_->Commit({PutIntent{Intent(1)}}, [&](Status status) { answered = status.ok(); });
  registry_.reset();
  inbox_.RunOne();
  EXPECT_TRUE(answered);
}

TEST_F(SqliteRegistryTest, IdsAreNeverHandedOutAgain) {
  EXPECT_EQ(Reserve(IdSpace::kIntent, 100)->first, 1u);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 100)->first, 101u);
  // What kill -9 leaves: the files as they are, while the first process still has them open.
  const std::string copy = directory_ + "/copy";
  std::filesystem::create_directory(copy);
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(path() + suffix, copy + "/registry.db" + suffix);
  }
  auto killed = SqliteRegistry::Open(copy + "/registry.db", inbox_, {});
  ASSERT_TRUE(killed.ok()) << killed.status();
  registry_ = std::move(*killed);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1)->first, 201u);
  EXPECT_EQ(Reserve(IdSpace::kRequest, 1)->first, 1u);
}

TEST_F(SqliteRegistryTest, ListsByPageAndFilter) {
  std::vector<Change> changes;
  for (uint64_t id = 1; id <= 20; ++id) {
    IntentRow intent = Intent(id, id % 2 ? 1 : 2, id % 4 ? 0 : 1000);
    if (id > 15) intent.result = ResultCode::kCancelled;
    if (id == 5) intent.label = "five";
    changes.push_back(PutIntent{intent});
  }
  ASSERT_TRUE(Commit(std::move(changes)).ok());
  EXPECT_EQ(List({}, 0, 3), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(List({}, 18, 3), (std::vector<uint64_t>{19, 20}));
  IntentFilter finished;
  finished.finished = true;
  EXPECT_EQ(List(finished, 17), (std::vector<uint64_t>{18, 19, 20}));
  IntentFilter unfinished;
  unfinished.finished = false;
  EXPECT_EQ(List(unfinished, 13), (std::vector<uint64_t>{14, 15}));
  IntentFilter by_hash;
  by_hash.hash = Hash{{2}};
  EXPECT_EQ(List(by_hash, 15), (std::vector<uint64_t>{16, 18, 20}));
  IntentFilter several = by_hash;
  several.finished = false;
  several.owner_uid = 1000;
  EXPECT_EQ(List(several), (std::vector<uint64_t>{4, 8, 12}));
  IntentFilter by_label;
  by_label.label = "five";
  EXPECT_EQ(List(by_label), (std::vector<uint64_t>{5}));
  EXPECT_TRUE(List({}, ~uint64_t{0}).empty());
}

TEST_F(SqliteRegistryTest, TooMuchWaitingIsRefused) {
  Reopen({.max_waiting = 10});
  std::vector<Change> many(11, PutBan{{NodeId{}, {}, 1, ""}});
  EXPECT_EQ(Commit(many).code(), StatusCode::kResourceExhausted);
  many.resize(10);
  EXPECT_TRUE(Commit(many).ok());
  EXPECT_TRUE(Commit(many).ok());
}

TEST_F(SqliteRegistryTest, RefusesWhatIsNotItsOwn) {
  registry_.reset();
  const std::string other = directory_ + "/other.db";
  std::ofstream(other).close();
  EXPECT_EQ(SqliteRegistry::Open(other, inbox_, {}).status().code(), StatusCode::kDataLoss);
  std::ofstream(other) << std::string(8192, 'x');
  EXPECT_EQ(SqliteRegistry::Open(other, inbox_, {}).status().code(), StatusCode::kDataLoss);
  {
    auto db = RegistryDb::Open(path(), "");
    ASSERT_TRUE(db->database().Execute("PRAGMA user_version=99").ok());
  }
  EXPECT_EQ(SqliteRegistry::Open(path(), inbox_, {}).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace blobd::registry
