// What tests of the registry share.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/test_directory_for_test.h"
#include "registry/sqlite_registry.h"

namespace blobd::registry {

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

inline IntentRow Intent(uint64_t id, uint8_t hash = 1, uint32_t owner = 0,
                        const std::string& key = "") {
  IntentRow intent;
  intent.id.value = id;
  intent.kind.hash.bytes[0] = hash;
  intent.owner_uid = owner;
  intent.idempotency_key = key;
  intent.created.unix_ms = 1;
  return intent;
}

inline TransferRow Transfer(uint64_t id, uint8_t node, uint8_t hash,
                            TransferOutcome outcome = TransferOutcome::kDone,
                            uint64_t verified = 0) {
  TransferRow transfer;
  transfer.id.value = id;
  transfer.provider = NodeId{{node}};
  transfer.kind.hash.bytes[0] = hash;
  transfer.outcome = outcome;
  transfer.verified_bytes = verified;
  transfer.received_bytes = verified + 1;
  return transfer;
}

inline TagRow Tag(const std::string& name, uint8_t hash = 1, uint32_t owner = 0) {
  TagRow tag;
  tag.name = name;
  tag.kind.hash.bytes[0] = hash;
  tag.owner_uid = owner;
  tag.created = tag.changed = {5};
  return tag;
}

// A registry in a directory of its own, called and awaited.
class RegistryTest : public testing::Test {
 protected:
  RegistryTest() { Reopen(); }
  void Reopen(SqliteRegistry::Options options = {}) {
    registry_.reset();
    auto registry = SqliteRegistry::Open(path(), inbox_, std::move(options));
    ASSERT_TRUE(registry.ok()) << registry.status();
    registry_ = std::move(*registry);
  }
  std::string path() const { return directory_.File("registry.db"); }

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

  std::vector<TransferId> Transfers(const TransferFilter& filter, uint64_t after = 0,
                                    size_t limit = 100) {
    auto rows = Await<StatusOr<std::vector<TransferRow>>>(
        [&](auto done) { registry_->ListTransfers(filter, {after}, limit, std::move(done)); });
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::vector<TransferId> ids;
    for (const TransferRow& row : *rows) ids.push_back(row.id);
    return ids;
  }
  StatusOr<std::vector<ProtectedRow>> Protected(int64_t now, int64_t finished_after) {
    return Await<StatusOr<std::vector<ProtectedRow>>>(
        [&](auto done) { registry_->ListProtected({now}, {finished_after}, std::move(done)); });
  }
  Status Backup(const std::string& to) {
    return Await<Status>([&](auto done) { registry_->Backup(to, std::move(done)); });
  }

  TestDirectory directory_;
  Inbox inbox_;
  std::unique_ptr<SqliteRegistry> registry_;
};

}  // namespace blobd::registry
