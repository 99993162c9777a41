#include "sqlite/statement.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>

#include "sqlite/database.h"
#include "sqlite/row.h"

namespace blobd::sqlite {
namespace {

Database InMemory() {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  sqlite3_extended_result_codes(db, 1);
  return Database(db);
}

class StatementTest : public testing::Test {
 protected:
  StatementTest() {
    EXPECT_TRUE(database_.Execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB, c TEXT)").ok());
  }
  Status Insert(int64_t a, ByteView b, std::string_view c) {
    auto insert = database_.Prepare("INSERT INTO t VALUES(?1, ?2, ?3)");
    return insert->Bind(a, b, c).Run();
  }
  Database database_ = InMemory();
};

TEST_F(StatementTest, RoundTrip) {
  const Bytes blob = {0, 1, 255};
  ASSERT_TRUE(Insert(-5, blob, std::string_view("a\0b", 3)).ok());
  ASSERT_TRUE(Insert(1, {}, "").ok());
  auto select = database_.Prepare("SELECT a, b, c FROM t ORDER BY a");
  ASSERT_TRUE(*select->Step());
  RowReader first(*select);
  EXPECT_EQ(first.Integer(), -5);
  std::array<uint8_t, 3> out{};
  first.FixedBlob(out);
  EXPECT_EQ(out[2], 255);
  EXPECT_EQ(first.Text(3), std::string("a\0b", 3));
  EXPECT_TRUE(first.Finish("t").ok());
  ASSERT_TRUE(*select->Step());
  RowReader second(*select);
  EXPECT_EQ(second.Unsigned(), 1u);
  EXPECT_TRUE(second.Blob(10).empty());
  EXPECT_EQ(second.Text(10), "");
  EXPECT_TRUE(second.Finish("t").ok());
  EXPECT_FALSE(*select->Step());
}

TEST_F(StatementTest, ARowThatDoesNotFitIsDataLoss) {
  ASSERT_TRUE(Insert(7, Bytes(5), "text").ok());
  auto select = database_.Prepare("SELECT a, b, c FROM t");
  ASSERT_TRUE(*select->Step());
  const auto check = [&](auto read) {
    RowReader row(*select);
    read(row);
    return row.Finish("t").code();
  };
  std::array<uint8_t, 4> four{};
  EXPECT_EQ(check([](RowReader& r) { r.Integer(0, 6); }), StatusCode::kDataLoss);
  EXPECT_EQ(check([](RowReader& r) { r.Boolean(); }), StatusCode::kDataLoss);
  EXPECT_EQ(check([](RowReader& r) { r.Text(100); }), StatusCode::kDataLoss);
  EXPECT_EQ(check([](RowReader& r) {
              r.Integer();
              r.Blob(4);
            }),
            StatusCode::kDataLoss);
  EXPECT_EQ(check([&](RowReader& r) {
              r.Integer();
              r.FixedBlob(four);
            }),
            StatusCode::kDataLoss);
  EXPECT_EQ(check([](RowReader& r) {
              r.Integer();
              r.Blob(5);
              r.Text(3);
            }),
            StatusCode::kDataLoss);
  EXPECT_EQ(check([](RowReader& r) {
              r.Integer();
              r.Blob(5);
              r.Text(4);
            }),
            StatusCode::kOk);
}

TEST_F(StatementTest, UniquenessIsAlreadyExists) {
  ASSERT_TRUE(Insert(1, {}, "").ok());
  EXPECT_EQ(Insert(1, {}, "").code(), StatusCode::kAlreadyExists);
}

TEST_F(StatementTest, TransactionsAndSavepointsUndo) {
  {
    auto transaction = Transaction::Begin(database_);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(Insert(1, {}, "kept").ok());
    {
      auto savepoint = Savepoint::Begin(database_);
      ASSERT_TRUE(savepoint.ok());
      ASSERT_TRUE(Insert(2, {}, "undone").ok());
    }
    auto savepoint = Savepoint::Begin(database_);
    ASSERT_TRUE(savepoint.ok());
    ASSERT_TRUE(Insert(3, {}, "kept").ok());
    ASSERT_TRUE(savepoint->Release().ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(*database_.QueryInteger("SELECT sum(a) FROM t"), 4);
  {
    auto transaction = Transaction::Begin(database_);
    ASSERT_TRUE(Insert(10, {}, "undone").ok());
  }
  EXPECT_EQ(*database_.QueryInteger("SELECT sum(a) FROM t"), 4);
  EXPECT_FALSE(database_.in_transaction());
}

TEST_F(StatementTest, AReadingEndsAndAnotherBegins) {
  for (int64_t rows = 0; rows < 3; ++rows) {
    {
      const auto reading = Reading::Begin(database_);
      ASSERT_TRUE(reading.ok());
      EXPECT_TRUE(database_.in_transaction());
      EXPECT_EQ(*database_.QueryInteger("SELECT count(*) FROM t"), rows);
    }
    EXPECT_FALSE(database_.in_transaction());
    ASSERT_TRUE(Insert(rows, {}, "").ok());
  }
}

}  // namespace
}  // namespace blobd::sqlite
