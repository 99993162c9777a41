// OfflineDatabase: a database of a stopped daemon, opened for reading only.
//
// Thread: one. Ownership: owns the connection.
// Errors: as in offline_client.h.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"

namespace blobd::client {

// One row of a query, borrowed for the call.
class OfflineRow {
 public:
  explicit OfflineRow(sqlite3_stmt* statement) : statement_(statement) {}
  // Empty and 0 for NULL.
  std::string Text(int column) const;
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  uint64_t Count(int column) const { return static_cast<uint64_t>(Integer(column)); }

 private:
  sqlite3_stmt* statement_;
};

class OfflineDatabase {
 public:
  static StatusOr<OfflineDatabase> Open(const std::string& path);

  using Value = std::variant<int64_t, std::string>;
  // Calls `row` for each row of `sql`, whose parameters ?1, ?2 ... are `values`.
  Status ForEach(const std::string& sql, const std::vector<Value>& values,
                 const std::function<void(const OfflineRow&)>& row) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  OfflineDatabase(std::string path, sqlite3* database) : path_(std::move(path)), db_(database) {}
  Status ErrorOf(int code) const;

  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace blobd::client
