#include "store/store_db.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/store_for_test.h"

namespace blobd::store {
namespace {

class StoreDbTest : public testing::Test {
 protected:
  StoreDbTest() : db_(*StoreDb::Open(path(), "", true)) {}
  std::string path() const { return directory_.path() + "/store.db"; }
  void Damage(const std::string& sql) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(other);
    sqlite3_close(other);
  }
  static BlobRow Row(uint8_t first, RowState state = RowState::kPartial) {
    BlobRow row;
    row.hash.bytes[0] = first;
    row.state = state;
    row.size = 100000;
    row.size_proven = state != RowState::kPartial;
    row.last_use.unix_ms = 5;
    return row;
  }

  TestDirectory directory_;
  StoreDb db_;
};

TEST_F(StoreDbTest, RowsComeBack) {
  BlobRow row = Row(1);
  row.groups.Insert({2, 5});
  ASSERT_TRUE(db_.Put(row).ok());
  auto found = db_.Find(row.hash);
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_EQ((*found)->groups, row.groups);
  EXPECT_EQ((*found)->size, row.size);
  EXPECT_FALSE((*found)->size_proven);
  EXPECT_EQ(db_.ListPartial()->size(), 1u);
  ASSERT_TRUE(db_.Put(Row(1, RowState::kInFiles)).ok());
  EXPECT_TRUE((*db_.Find(row.hash))->complete());
  EXPECT_TRUE(db_.ListPartial()->empty());
  EXPECT_EQ(db_.ReadAll()->complete.bytes, row.size);
  ASSERT_TRUE(db_.Remove(row.hash).ok());
  EXPECT_FALSE(db_.Find(row.hash)->has_value());
}

TEST_F(StoreDbTest, AReopenedBlobIsPartial) {
  ASSERT_TRUE(db_.Put(Row(1, RowState::kInFiles)).ok());
  BlobRow row = Row(1, RowState::kReopened);
  row.groups.Insert({0, 3});
  ASSERT_TRUE(db_.Put(row).ok());
  const auto found = db_.Find(row.hash);
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_FALSE((*found)->complete());
  EXPECT_EQ((*found)->groups, row.groups);
  EXPECT_EQ(db_.ListPartial()->size(), 1u);
  EXPECT_EQ(db_.ReadAll()->complete.blobs, 0u);
}

TEST_F(StoreDbTest, PrivacyIsSetAlone) {
  BlobRow row = Row(1);
  row.groups.Insert({2, 5});
  ASSERT_TRUE(db_.Put(row).ok());
  EXPECT_FALSE((*db_.Find(row.hash))->is_private);
  EXPECT_TRUE(*db_.SetPrivate(row.hash, true));
  EXPECT_TRUE((*db_.Find(row.hash))->is_private);
  EXPECT_EQ((*db_.Find(row.hash))->groups, row.groups);
  EXPECT_TRUE(*db_.SetPrivate(row.hash, false));
  EXPECT_FALSE((*db_.Find(row.hash))->is_private);
  EXPECT_FALSE(*db_.SetPrivate(Row(2).hash, true));
  EXPECT_FALSE(db_.Find(Row(2).hash)->has_value());
}

// What the first version made, with a complete and a partial blob.
TEST_F(StoreDbTest, MigratesFromVersionOne) {
  const std::string old_path = directory_.path() + "/old.db";
  sqlite3* old = nullptr;
  ASSERT_EQ(sqlite3_open(old_path.c_str(), &old), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(old, R"sql(
      PRAGMA journal_mode=WAL;
      PRAGMA application_id=1651273555;
      CREATE TABLE blobs(
        hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
        state INTEGER NOT NULL,
        size INTEGER NOT NULL,
        size_proven INTEGER NOT NULL,
        groups BLOB NOT NULL,
        last_use_unix_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX blobs_partial ON blobs(hash) WHERE state = 1;
      CREATE TABLE small_blobs(
        hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
        content BLOB NOT NULL
      ) STRICT;
      PRAGMA user_version=1;
      INSERT INTO blobs VALUES(CAST(x'01' || zeroblob(31) AS BLOB), 2, 100000, 1, x'', 5);
      INSERT INTO blobs VALUES(CAST(x'02' || zeroblob(31) AS BLOB), 1, 100000, 0, x'0203', 6);
      )sql",
                         nullptr, nullptr, nullptr),
            SQLITE_OK)
      << sqlite3_errmsg(old);
  sqlite3_close(old);
  for (int opening = 0; opening < 2; ++opening) {
    auto db = StoreDb::Open(old_path, "", true);
    ASSERT_TRUE(db.ok()) << db.status();
    const auto rows = db->List(std::nullopt, 10);
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), 2u);
    EXPECT_TRUE(rows->front().complete());
    EXPECT_FALSE(rows->front().is_private);
    EXPECT_EQ(rows->back().groups, RangeSet(Range{2, 5}));
    EXPECT_FALSE(rows->back().is_private);
    EXPECT_EQ(db->ListPartial()->size(), 1u);
  }
}

TEST_F(StoreDbTest, AFailureUndoesAllOfADurableTransaction) {
  const Status status = db_.Durably([&]() -> Status {
    BLOBD_RETURN_IF_ERROR(db_.Put(Row(1)));
    return Unavailable("enough");
  });
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(db_.Find(Row(1).hash)->has_value());
  EXPECT_TRUE(db_.Durably([&] { return db_.Put(Row(1)); }).ok());
  EXPECT_TRUE(db_.Find(Row(1).hash)->has_value());
}

TEST_F(StoreDbTest, DamagedRowsAreDataLoss) {
  const std::vector<std::string> cases = {
      "UPDATE blobs SET state=0",
      "UPDATE blobs SET state=4",  // without a proven size
      "UPDATE blobs SET state=5",
      "UPDATE blobs SET is_private=2",
      "UPDATE blobs SET was_complete=1",
      "UPDATE blobs SET was_complete=2",
      "UPDATE blobs SET size=-1",
      "UPDATE blobs SET size=9223372036854775807",
      "UPDATE blobs SET size_proven=2",
      "UPDATE blobs SET groups=x'80'",
      "UPDATE blobs SET size_proven=1, size=100, groups=x'0002'",
      "UPDATE blobs SET state=2, size_proven=0",
      "UPDATE blobs SET state=3, size_proven=1, size=100000",
  };
  for (const std::string& sql : cases) {
    SCOPED_TRACE(sql);
    ASSERT_TRUE(db_.Put(Row(1)).ok());
    Damage(sql);
    EXPECT_EQ(db_.Find(Row(1).hash).status().code(), StatusCode::kDataLoss);
    // The lists have the others.
    ASSERT_TRUE(db_.Put(Row(2)).ok());
    const auto rows = db_.List(std::nullopt, 1);
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), 1u);
    EXPECT_EQ(rows->front().hash, Row(2).hash);
    EXPECT_EQ(db_.ListPartial()->size(), 1u);
    EXPECT_TRUE(db_.ReadAll().ok());
    ASSERT_TRUE(db_.Remove(Row(2).hash).ok());
  }
}

TEST_F(StoreDbTest, SumsOfDamagedSizesDoNotOverflow) {
  for (uint8_t i = 1; i < 9; ++i) ASSERT_TRUE(db_.Put(Row(i, RowState::kInFiles)).ok());
  EXPECT_EQ(db_.ReadAll()->complete.bytes, 800000u);
  Damage("UPDATE blobs SET size=4611686018427387904, row_sum=0");
  EXPECT_EQ(db_.ReadAll()->complete.blobs, 8u);
  Damage("UPDATE blobs SET size=9223372036854775807");
  EXPECT_EQ(db_.ReadAll()->complete.blobs, 0u);
  EXPECT_EQ(db_.ReadAll()->damaged.size(), 8u);
}

// No bit of what a row says of its blob can flip unseen.
TEST_F(StoreDbTest, SumsFindFlippedBits) {
  BlobRow row = Row(1, RowState::kReopened);
  row.groups.Insert({1, 3});
  const std::vector<std::string> cases = {
      "state=1",          "size=size+1",
      "size=size|131072", "groups=x'0103'",
      "groups=x'0105'",   "groups=x''",
      "is_private=1",     "row_sum=row_sum+1",
      "row_sum=-row_sum", "hash=CAST(x'02' || zeroblob(31) AS BLOB)",
  };
  for (const std::string& change : cases) {
    SCOPED_TRACE(change);
    ASSERT_TRUE(db_.Put(row).ok());
    Damage("UPDATE blobs SET " + change);
    EXPECT_EQ(db_.ReadAll()->damaged.size(), 1u);
    EXPECT_TRUE(db_.List(std::nullopt, 10)->empty());
    Damage("DELETE FROM blobs");
  }
  ASSERT_TRUE(db_.Put(row).ok());
  Damage("UPDATE blobs SET last_use_unix_ms=77");
  EXPECT_TRUE(db_.Find(row.hash)->has_value());
}

TEST_F(StoreDbTest, OfflineReadersHaveAView) {
  BlobRow partial = Row(1);
  partial.groups.Insert({2, 5});
  BlobRow hidden = Row(2);
  hidden.is_private = true;
  ASSERT_TRUE(db_.Put(partial).ok());
  ASSERT_TRUE(db_.Put(Row(3, RowState::kInFiles)).ok());
  hidden.size = 0;
  ASSERT_TRUE(db_.Put(hidden).ok());  // nothing of it is there
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open_v2((directory_.path() + "/store.db").c_str(), &reader,
                            SQLITE_OPEN_READONLY, nullptr),
            SQLITE_OK);
  std::string seen;
  const auto take = [](void* out, int count, char** values, char**) {
    for (int i = 0; i < count; ++i)
      *static_cast<std::string*>(out) += std::string(values[i] != nullptr ? values[i] : "-") + " ";
    return 0;
  };
  ASSERT_EQ(sqlite3_exec(reader,
                         "SELECT substr(hash, 1, 2), state, size, size_proven, verified_bytes, "
                         "is_private, last_use_unix_ms FROM offline_blobs_v1 ORDER BY hash",
                         take, &seen, nullptr),
            SQLITE_OK)
      << sqlite3_errmsg(reader);
  sqlite3_close(reader);
  EXPECT_EQ(seen, "01 partial 100000 0 - 0 5 03 complete 100000 1 100000 0 5 ");
}

TEST_F(StoreDbTest, AFailedStepLeavesTheOthers) {
  const Status status = db_.Durably([&]() -> Status {
    EXPECT_TRUE(db_.Step([&] { return db_.Put(Row(1)); }).ok());
    EXPECT_FALSE(db_.Step([&]() -> Status {
                      BLOBD_RETURN_IF_ERROR(db_.Put(Row(2)));
                      return Unavailable("injected");
                    })
                     .ok());
    EXPECT_TRUE(db_.in_transaction());
    return db_.Step([&] { return db_.Put(Row(3)); });
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(db_.Find(Row(1).hash)->has_value());
  EXPECT_FALSE(db_.Find(Row(2).hash)->has_value());
  EXPECT_TRUE(db_.Find(Row(3).hash)->has_value());
}

TEST_F(StoreDbTest, ContentTooLongIsDataLoss) {
  const Hash hash = Row(1).hash;
  ASSERT_TRUE(db_.PutContent(hash, Bytes(16384, 1)).ok());
  EXPECT_EQ((*db_.Content(hash))->size(), 16384u);
  Damage("UPDATE small_blobs SET content=zeroblob(16385)");
  EXPECT_EQ(db_.Content(hash).status().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(db_.Content(Row(2).hash)->has_value());
  ASSERT_TRUE(db_.RemoveContent(hash).ok());
  EXPECT_FALSE(db_.Content(hash)->has_value());
}

}  // namespace
}  // namespace blobd::store
