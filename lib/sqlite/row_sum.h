// row_sum: the SQL function with which our tables tell a row that was damaged from one that was
// not. A row's column `sum` holds row_sum('table', every other column in order); SQLite itself
// checks only the structure of pages, never what a row says.
//
// The sum finds any change of one byte, and others but for one in 2^64; it is no defence against
// who means harm.
#pragma once

#include "base/status.h"
#include "sqlite/database.h"

namespace blobd::sqlite {

// Makes row_sum known to the connection. Done by whoever opens one of our databases.
Status RegisterRowSum(Database& database);

}  // namespace blobd::sqlite
