// Reading what a statement gives as values.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace blobd::registry {

// All rows; the statement is reset also after an error.
template <typename Row>
StatusOr<std::vector<Row>> ReadAll(sqlite::Statement& statement,
                                   StatusOr<Row> (*read)(sqlite::Statement&)) {
  std::vector<Row> rows;
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
    if (!has_row) return rows;
    StatusOr<Row> row = read(statement);
    if (!row.ok()) {
      statement.Reset();
      return row.status();
    }
    rows.push_back(std::move(*row));
  }
}

template <typename Row>
StatusOr<std::vector<Row>> ReadTable(sqlite::Database& database, std::string_view sql,
                                     StatusOr<Row> (*read)(sqlite::Statement&)) {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Statement statement, database.Prepare(sql));
  return ReadAll(statement, read);
}

// The first row, if there is one; the statement is reset.
template <typename Row>
StatusOr<std::optional<Row>> ReadOne(sqlite::Statement& statement,
                                     StatusOr<Row> (*read)(sqlite::Statement&)) {
  StatusOr<std::optional<Row>> result(std::nullopt);
  const StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) {
    result = has_row.status();
  } else if (*has_row) {
    StatusOr<Row> row = read(statement);
    if (row.ok()) {
      result = std::optional<Row>(std::move(*row));
    } else {
      result = row.status();
    }
  }
  statement.Reset();
  return result;
}

}  // namespace blobd::registry
