// A registry whose files tests damage, cut and exchange.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "registry/recover.h"
#include "registry/registry_for_test.h"
#include "sqlite/database_for_test.h"

namespace blobd::registry {

class DamageTest : public RegistryTest {
 protected:
  // Many rows in every table, closed in order, so that there is no log.
  void Fill(uint64_t intents) {
    std::vector<Change> changes;
    for (uint64_t id = 1; id <= intents; ++id) {
      IntentRow intent = Intent(id, static_cast<uint8_t>(id), 0, fmt::format("key {}", id));
      intent.kind.hash.bytes[1] = static_cast<uint8_t>(id >> 8);
      intent.label = std::string(100, 'x');
      if (id % 10 == 0) intent.result = ResultCode::kDone;
      changes.push_back(PutIntent{intent});
      changes.push_back(PutProvider{{intent.kind.hash, NodeId{{1}}}});
    }
    changes.push_back(PutTag{Tag("tag")});
    changes.push_back(PutLease{{{Hash{{3}}}, "holder", {9}}});
    changes.push_back(PutTransfer{Transfer(1, 1, 1)});
    changes.push_back(PutBan{{NodeId{{1}}, {1}, 1, ""}});
    changes.push_back(PutRemote{{NodeId{{1}}, {1}, "", {}}});
    ASSERT_TRUE(Reserve(IdSpace::kIntent, intents).ok());
    ASSERT_TRUE(Commit(std::move(changes)).ok());
    registry_.reset();
  }
  StatusOr<RecoveryReport> Recover() { return RecoverRegistry(path(), {1000}); }
  static uint64_t Saved(const RecoveryReport& report, const std::string& table) {
    for (const auto& result : report.tables) {
      if (result.table == table) return result.saved;
    }
    return 0;
  }
  Status OpenStatus() {
    auto registry = SqliteRegistry::Open(path(), inbox_, {});
    if (!registry.ok()) return registry.status();
    registry_ = std::move(*registry);
    return OkStatus();
  }
  // Leaves the files as a killed process does.
  void Kill() {
    const std::string database = sqlite::ReadFile(path());
    const std::string log = sqlite::ReadFile(path() + "-wal");
    registry_.reset();
    sqlite::WriteFile(path(), database);
    sqlite::WriteFile(path() + "-wal", log);
    std::filesystem::remove(path() + "-shm");
  }
};

}  // namespace blobd::registry
