#include "registry/registry_db.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/test_directory_for_test.h"
#include "sqlite/row.h"

namespace blobd::registry {
namespace {

class RegistryDbTest : public testing::Test {
 protected:
  RegistryDbTest() {
    auto db = RegistryDb::Open(directory_.File("registry.db"), {});
    EXPECT_TRUE(db.ok()) << db.status();
    db_.emplace(std::move(*db));
  }
  Status Apply(std::vector<Change> changes) { return db_->Apply(changes); }

  TestDirectory directory_;
  std::optional<RegistryDb> db_;
};

IntentRow FullIntent() {
  IntentRow intent;
  intent.id = {7};
  intent.kind = {Hash{{1, 2, 3}}, BlobFormat::kHashSeq};
  intent.priority = 2;
  intent.owner_uid = 4294967295u;
  intent.label = "l\xc3\xa9gende";
  intent.idempotency_key = std::string("k\0k", 3);
  intent.created.unix_ms = 1000;
  intent.deadline.unix_ms = 2000;
  intent.patience_ms = 3000;
  intent.result = ResultCode::kFailed;
  intent.reason = "no";
  intent.finished.unix_ms = 4000;
  intent.total_bytes = uint64_t{1} << 60;
  intent.downloaded_bytes = 5;
  return intent;
}

TEST_F(RegistryDbTest, AnIntentComesBackAsItWas) {
  const IntentRow in = FullIntent();
  ASSERT_TRUE(Apply({PutIntent{in}}).ok());
  auto out = db_->GetIntent(in.id);
  ASSERT_TRUE(out.ok() && out->has_value()) << out.status();
  const IntentRow& row = **out;
  EXPECT_EQ(row.id, in.id);
  EXPECT_EQ(row.kind, in.kind);
  EXPECT_EQ(row.priority, in.priority);
  EXPECT_EQ(row.owner_uid, in.owner_uid);
  EXPECT_EQ(row.label, in.label);
  EXPECT_EQ(row.idempotency_key, in.idempotency_key);
  EXPECT_EQ(row.created, in.created);
  EXPECT_EQ(row.deadline, in.deadline);
  EXPECT_EQ(row.patience_ms, in.patience_ms);
  EXPECT_EQ(row.result, in.result);
  EXPECT_EQ(row.reason, in.reason);
  EXPECT_EQ(row.finished, in.finished);
  EXPECT_EQ(row.total_bytes, in.total_bytes);
  EXPECT_EQ(row.downloaded_bytes, in.downloaded_bytes);
}

TEST_F(RegistryDbTest, WhatCannotBeStoredIsRefused) {
  const auto refused = [&](auto change) {
    IntentRow intent = FullIntent();
    change(intent);
    return Apply({PutIntent{intent}}).code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](IntentRow& i) { i.id.value = 0; }));
  EXPECT_TRUE(refused([](IntentRow& i) { i.id.value = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](IntentRow& i) { i.total_bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](IntentRow& i) { i.priority = 3; }));
  EXPECT_TRUE(refused([](IntentRow& i) { i.patience_ms = -1; }));
  EXPECT_TRUE(refused([](IntentRow& i) { i.label.assign(100000, 'x'); }));
}

TEST_F(RegistryDbTest, OneKeyOfAnOwnerNamesOneIntent) {
  IntentRow intent = FullIntent();
  ASSERT_TRUE(Apply({PutIntent{intent}}).ok());
  intent.id.value = 8;
  EXPECT_EQ(Apply({PutIntent{intent}}).code(), StatusCode::kAlreadyExists);
  intent.owner_uid = 1;
  EXPECT_TRUE(Apply({PutIntent{intent}}).ok());
  auto found = db_->FindIntentByKey(1, intent.idempotency_key);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->id.value, 8u);
  EXPECT_FALSE(db_->FindIntentByKey(2, intent.idempotency_key)->has_value());
  // Without a key there is nothing to be unique.
  intent.idempotency_key.clear();
  for (uint64_t id = 20; id < 23; ++id) {
    intent.id.value = id;
    EXPECT_TRUE(Apply({PutIntent{intent}}).ok());
  }
  EXPECT_FALSE(db_->FindIntentByKey(1, "")->has_value());
}

// Inserts a row that fits its sum.
std::string Row(const std::string& table, const std::string& values) {
  return "INSERT INTO " + table + " VALUES(" + values + ", row_sum('" + table + "', " + values +
         "))";
}

TEST_F(RegistryDbTest, DamagedRowsAreDataLoss) {
  struct Case {
    std::string sql;
    bool in_snapshot;
    bool is_good = false;
  };
  const std::vector<Case> cases = {
      {"UPDATE intents SET format=2", false},
      {"UPDATE intents SET priority=9", false},
      {"UPDATE intents SET result=77", false},
      {"UPDATE intents SET owner_uid=-1", false},
      {"UPDATE intents SET total_bytes=-1", false},
      {"UPDATE intents SET label=hex(zeroblob(40000))", false},
      {Row("providers", "zeroblob(32), 0, x'00'"), true},
      {Row("providers", "zeroblob(32), 2, zeroblob(32)"), true},
      {Row("providers", "zeroblob(32), 1, x''"), true},
      {"INSERT INTO providers VALUES(zeroblob(32), 0, zeroblob(32), 1)", true},
      {Row("remote_addresses", "zeroblob(32), zeroblob(18), '', 0, -1, '', 0"), true},
      {Row("bans", "1, x'61', 0, -1, ''"), true},
      {"UPDATE intents SET hash=hash", true, true},
      {"UPDATE intents SET created_unix_ms=created_unix_ms+1", true},
      {"UPDATE intents SET id=id+1", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.sql);
    ASSERT_TRUE(db_->database().Execute("BEGIN").ok());
    ASSERT_TRUE(Apply({PutIntent{FullIntent()}}).ok());
    ASSERT_TRUE(db_->database().Execute(c.sql).ok());
    if (c.in_snapshot) {
      EXPECT_EQ(db_->Load().status().code(), c.is_good ? StatusCode::kOk : StatusCode::kDataLoss);
    } else {
      EXPECT_EQ(db_->GetIntent({7}).status().code(), StatusCode::kDataLoss);
      EXPECT_EQ(db_->ListIntents({}, {}, 10).status().code(), StatusCode::kDataLoss);
    }
    ASSERT_TRUE(db_->database().Execute("ROLLBACK").ok());
  }
}

// Whoever asks for what nobody has must not make the registry read what everybody has, or sort it.
TEST_F(RegistryDbTest, QueriesUseTheirIndexes) {
  const auto plan = [&](const std::string& sql) {
    auto statement = db_->database().Prepare("EXPLAIN QUERY PLAN " + sql);
    EXPECT_TRUE(statement.ok()) << statement.status();
    std::string steps;
    while (*statement->Step()) {
      sqlite::RowReader row(*statement);
      for (int column = 0; column < 3; ++column) row.Integer();
      steps += row.Text(1000) + "; ";
    }
    return steps;
  };
  EXPECT_NE(plan(SqlOf(kFindIntent)).find("intents_by_key"), std::string::npos);
  struct Case {
    const char* index;
    std::function<void(IntentFilter&)> set;
  };
  const Case cases[] = {
      {"INTEGER PRIMARY KEY", [](IntentFilter&) {}},
      {"intents_unfinished", [](IntentFilter& f) { f.finished = false; }},
      {"intents_ended", [](IntentFilter& f) { f.finished = true; }},
      {"intents_by_hash", [](IntentFilter& f) { f.hash.emplace(); }},
      {"intents_by_owner", [](IntentFilter& f) { f.owner_uid = 1; }},
      {"intents_by_label", [](IntentFilter& f) { f.label = "x"; }},
  };
  for (const Case& c : cases) {
    IntentFilter filter;
    c.set(filter);
    for (const bool newest_first : {false, true}) {
      filter.newest_first = newest_first;
      const std::string steps = plan(SqlOfList(filter));
      EXPECT_NE(steps.find(c.index), std::string::npos) << steps;
      EXPECT_EQ(steps.find("TEMP B-TREE"), std::string::npos) << steps;
    }
  }
}

TEST_F(RegistryDbTest, IdsStartAboveEveryKnownIntent) {
  IntentRow intent = FullIntent();
  intent.id.value = 500;
  ASSERT_TRUE(Apply({PutIntent{intent}}).ok());
  EXPECT_EQ(db_->ReserveIds(IdSpace::kIntent, 10)->first, 501u);
  EXPECT_EQ(db_->ReserveIds(IdSpace::kIntent, 10)->first, 511u);
  EXPECT_EQ(db_->ReserveIds(IdSpace::kTransfer, 10)->first, 1u);
  EXPECT_EQ(db_->ReserveIds(IdSpace::kTransfer, ~uint64_t{0}).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(db_->ReserveIds(IdSpace::kTransfer, 0).status().code(), StatusCode::kInvalidArgument);
  // No id is left above this one; to begin again would give ids twice.
  intent.id.value = 9223372036854775807u;
  intent.idempotency_key = "another";
  ASSERT_TRUE(Apply({PutIntent{intent}}).ok());
  EXPECT_EQ(db_->ReserveIds(IdSpace::kIntent, 1).status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace blobd::registry
