// Statement: a prepared statement, bound, stepped, and reset for its next use.
//
// Thread:    that of its Database.
// Ownership: owns the statement; bound bytes are copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "sqlite/error.h"

struct sqlite3_stmt;

namespace blobd::sqlite {

class Statement {
 public:
  // `health` is that of the connection.
  Statement(sqlite3_stmt* statement, Health* health) : statement_(statement), health_(health) {}

  // Starts over with new values for the parameters ?1, ?2, ... in order: int64_t, std::string_view
  // (text), ByteView (blob) or nullptr. A value SQLite refuses makes the next Step fail.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    Reset();
    [[maybe_unused]] int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }

  // True: a row is there to be read (row.h). False: done, and reset. An error resets too.
  StatusOr<bool> Step();
  // Steps to the end, ignoring rows, and resets.
  Status Run();
  // Ends a read in the middle, and with it the read lock. Parameters become NULL.
  void Reset();

  sqlite3_stmt* handle() const { return statement_.get(); }

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  void BindOne(int index, int64_t value);
  void BindOne(int index, std::string_view text);
  void BindOne(int index, ByteView blob);
  void BindOne(int index, std::nullptr_t);
  void Note(int code);

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  Health* health_;
  int bind_error_ = 0;  // the first, or SQLITE_OK
};

}  // namespace blobd::sqlite
