#include "sqlite/row_sum.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <set>

namespace blobd::sqlite {
namespace {

class RowSumTest : public testing::Test {
 protected:
  RowSumTest() {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    database_.emplace(db);
    EXPECT_TRUE(RegisterRowSum(*database_).ok());
  }
  int64_t Sum(const std::string& values) {
    const auto sum = database_->QueryInteger("SELECT row_sum(" + values + ")");
    EXPECT_TRUE(sum.ok()) << sum.status();
    return *sum;
  }
  std::optional<Database> database_;
};

TEST_F(RowSumTest, StaysTheSameForever) {
  // Sums are stored: another function would be another version of the file.
  EXPECT_EQ(Sum("'t', 1, 'text', x'00ff', NULL"), Sum("'t', 1, 'text', x'00ff', NULL"));
  EXPECT_EQ(Sum("'t', 1, 'text', x'00ff', NULL"), -5774394275183852037);
}

TEST_F(RowSumTest, EveryValueTypeAndOrderCounts) {
  const std::vector<std::string> rows = {"",
                                         "'t'",
                                         "'t',0",
                                         "'t',1",
                                         "'t',-1",
                                         "'t',256",
                                         "'t','0'",
                                         "'t',x'30'",
                                         "'t',NULL",
                                         "'t','','a'",
                                         "'t','a',''",
                                         "'t','ab'",
                                         "'t','a','b'",
                                         "'u',1",
                                         "'t',1,2",
                                         "'t',2,1",
                                         "'t',zeroblob(1)",
                                         "'t',zeroblob(2)"};
  std::set<int64_t> sums;
  for (const std::string& row : rows) EXPECT_TRUE(sums.insert(Sum(row)).second) << row;
}

TEST_F(RowSumTest, RefusesWhatNoTableHolds) {
  EXPECT_FALSE(database_->QueryInteger("SELECT row_sum(1.5)").ok());
}

}  // namespace
}  // namespace blobd::sqlite
