#include "registry/sqlite_registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "registry/registry_for_test.h"
#include "sqlite/failing_vfs_for_test.h"
#include "sqlite/open.h"
#include "sqlite/row.h"

namespace blobd::registry {
namespace {

using SqliteRegistryTest = RegistryTest;

// As another connection finds them.
int64_t CountIntents(const std::string& path) {
  auto reader = sqlite::OpenReader(path, "");
  if (!reader.ok()) return -1;
  auto count = reader->Prepare("SELECT count(*) FROM intents");
  return count.ok() && *count->Step() ? sqlite::RowReader(*count).Integer() : -1;
}

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
    registry_->Commit(std::move(changes), [&answers, number](const Status& status) {
      answers.emplace_back(number, status);
    });
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

// What is told at once is durable, and comes behind its answer: whoever reads it in another life,
// or posts something to those that get the answers, finds it.
TEST_F(SqliteRegistryTest, ToldAtOnceIsWhatIsDurable) {
  std::atomic<int> told = 0;
  bool is_answered = false;
  registry_->CommitAndTell(
      {PutIntent{Intent(1, 1, 5, "key")}},
      [&] {
        EXPECT_EQ(CountIntents(path()), 1);
        inbox_.Post([&] {
          EXPECT_TRUE(is_answered);
          ++told;
        });
      },
      [&](const Status& status) {
        EXPECT_TRUE(status.ok()) << status;
        is_answered = true;
      });
  while (told == 0) inbox_.RunOne();

  auto held = std::make_shared<int>();
  std::optional<Status> failed;
  registry_->CommitAndTell(
      {PutIntent{Intent(2, 1, 5, "key")}}, [held] { ADD_FAILURE(); },
      [&, watch = std::weak_ptr<int>(held)](const Status& status) {
        EXPECT_EQ(watch.use_count(), 1) << "dropped before";
        failed = status;
      });
  while (!failed) inbox_.RunOne();
  EXPECT_EQ(failed->code(), StatusCode::kAlreadyExists);
}

TEST_F(SqliteRegistryTest, ManyCommitsAreAnsweredInOrderAndShareGroups) {
  uint64_t answered = 0;
  for (uint64_t id = 1; id <= 3000; ++id) {
    registry_->Commit({PutIntent{Intent(id)}}, [&answered, id](const Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(++answered, id);
    });
  }
  EXPECT_EQ(List({}, 0, 10000).size(), 3000u);  // a query sees what was called before it
  EXPECT_EQ(answered, 3000u);
}

TEST_F(SqliteRegistryTest, DestroyingAnswersWhatWasCalled) {
  bool answered = false;
  registry_->Commit({PutIntent{Intent(1)}}, [&](const Status& status) { answered = status.ok(); });
  registry_.reset();
  inbox_.RunOne();
  EXPECT_TRUE(answered);
}

TEST_F(SqliteRegistryTest, IdsAreNeverHandedOutAgain) {
  EXPECT_EQ(Reserve(IdSpace::kIntent, 100)->first, 1u);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 100)->first, 101u);
  // What kill -9 leaves: the files as they are, while the first process still has them open.
  const std::string copy = directory_.File("copy");
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
  IntentFilter newest;
  newest.newest_first = true;
  EXPECT_EQ(List(newest, 0, 3), (std::vector<uint64_t>{20, 19, 18}));
  EXPECT_EQ(List(newest, 18, 3), (std::vector<uint64_t>{17, 16, 15}));
  EXPECT_EQ(List(newest, 3, 5), (std::vector<uint64_t>{2, 1}));
  EXPECT_TRUE(List(newest, 1).empty());
  EXPECT_EQ(List(newest, ~uint64_t{0}, 1), (std::vector<uint64_t>{20}));
  newest.finished = false;
  EXPECT_EQ(List(newest, 0, 2), (std::vector<uint64_t>{15, 14}));
}

TEST_F(SqliteRegistryTest, TooMuchWaitingIsRefused) {
  Reopen({.max_waiting = 10});
  std::vector<Change> many(11, PutBan{{NodeId{}, {}, 1, ""}});
  EXPECT_EQ(Commit(many).code(), StatusCode::kResourceExhausted);
  many.resize(10);
  EXPECT_TRUE(Commit(many).ok());
  EXPECT_TRUE(Commit(many).ok());
}

// Ten thousand look-ups are one query, and leave the places of changes alone.
TEST_F(SqliteRegistryTest, ManyAreLookedUpAtOnce) {
  std::vector<Change> changes;
  for (uint64_t id = 1; id <= 5; ++id) {
    changes.push_back(PutIntent{Intent(id, 1, id == 3 ? 1 : 0, fmt::format("key {}", id))});
  }
  ASSERT_TRUE(Commit(std::move(changes)).ok());
  const auto known = [&](std::vector<IntentId> ids) {
    return Await<StatusOr<std::vector<IntentId>>>(
        [&](auto done) { registry_->KnownIntents(std::move(ids), std::move(done)); });
  };
  const auto by_keys = [&](std::vector<std::string> keys) {
    return Await<StatusOr<std::vector<IntentRow>>>(
        [&](auto done) { registry_->FindIntentsByKeys(0, std::move(keys), std::move(done)); });
  };
  EXPECT_EQ(known({{5}, {9}, {2}, {~uint64_t{0}}, {0}}).value(), (std::vector<IntentId>{{5}, {2}}));
  const auto rows = by_keys({"key 4", "key 3", "no such key", "", "key 1"});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 2u) << "one is another owner's";
  EXPECT_EQ(rows->at(0).id.value, 4u);
  EXPECT_EQ(rows->at(1).id.value, 1u);
  EXPECT_TRUE(known({}).value().empty());

  // Four of them take one place, and changes have places of their own.
  Reopen({.max_waiting = 2501});
  const std::vector<IntentId> many(10'000, IntentId{5});
  EXPECT_EQ(known(std::vector<IntentId>(10'004, IntentId{5})).status().code(),
            StatusCode::kResourceExhausted);
  Status committed = Unavailable("no answer");
  registry_->Commit(std::vector<Change>(2501, PutIntent{Intent(6)}),
                    [&](const Status& status) { committed = status; });
  const auto found = known(many);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, many);
  EXPECT_TRUE(committed.ok()) << committed;
}

TEST_F(SqliteRegistryTest, AfterAFailedSyncNothingIsAcknowledged) {
  std::atomic<bool> fails = false;
  sqlite::FailingVfs vfs([&](sqlite::FailingVfs::Call call, bool is_log) {
    if (call != sqlite::FailingVfs::Call::kSync || !is_log || !fails) return SQLITE_OK;
    fails = false;
    return SQLITE_IOERR_FSYNC;
  });
  Reopen({.vfs = sqlite::FailingVfs::kName});
  ASSERT_TRUE(Commit({PutIntent{Intent(1)}}).ok());
  fails = true;
  EXPECT_EQ(Commit({PutIntent{Intent(2)}}).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Commit({PutIntent{Intent(3)}}).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Reserve(IdSpace::kIntent, 1).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1}));
  Reopen();
  EXPECT_TRUE(Commit({PutIntent{Intent(3)}}).ok());
}

TEST_F(SqliteRegistryTest, AFullDiskFailsCommitsUntilThereIsRoom) {
  std::atomic<bool> full = false;
  sqlite::FailingVfs vfs([&](sqlite::FailingVfs::Call call, bool) {
    return full && call == sqlite::FailingVfs::Call::kWrite ? SQLITE_FULL : SQLITE_OK;
  });
  Reopen({.vfs = sqlite::FailingVfs::kName});
  ASSERT_TRUE(Commit({PutIntent{Intent(1)}}).ok());
  full = true;
  EXPECT_EQ(Commit({PutIntent{Intent(2)}}).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1}));
  full = false;
  EXPECT_TRUE(Commit({PutIntent{Intent(2)}}).ok());
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2}));
  Reopen();
}

TEST_F(SqliteRegistryTest, LongReadsSeeWhatWasCommittedBefore) {
  std::vector<size_t> answers;
  for (uint64_t id = 1; id <= 50; ++id) {
    registry_->Commit({PutIntent{Intent(id)}},
                      [](const Status& status) { EXPECT_TRUE(status.ok()) << status; });
    registry_->ListProtected({}, {}, [&answers, id](StatusOr<std::vector<ProtectedRow>> rows) {
      ASSERT_TRUE(rows.ok()) << rows.status();
      EXPECT_GE(rows->size(), id);
      answers.push_back(rows->size());
    });
  }
  while (answers.size() < 50) inbox_.RunOne();
  registry_->ListProtected({}, {}, [](auto) { FAIL() << "destroying answers, nobody runs it"; });
  registry_.reset();
}

TEST_F(SqliteRegistryTest, RefusesWhatIsNotItsOwn) {
  registry_.reset();
  const std::string other = directory_.File("other.db");
  std::ofstream(other).close();
  EXPECT_EQ(SqliteRegistry::Open(other, inbox_, {}).status().code(), StatusCode::kDataLoss);
  std::ofstream(other) << std::string(8192, 'x');
  EXPECT_EQ(SqliteRegistry::Open(other, inbox_, {}).status().code(), StatusCode::kDataLoss);
  {
    auto db = RegistryDb::Open(path(), {});
    ASSERT_TRUE(db->database().Execute("PRAGMA user_version=99").ok());
  }
  EXPECT_EQ(SqliteRegistry::Open(path(), inbox_, {}).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace blobd::registry
