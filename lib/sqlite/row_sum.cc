#include "sqlite/row_sum.h"

#include <sqlite3.h>

#include <cstdint>

#include "base/bytes.h"
#include "sqlite/error.h"

namespace blobd::sqlite {
namespace {

// FNV-1a: for two inputs that differ in one byte, every later step keeps the states apart.
class Sum {
 public:
  void Add(uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001b3u; }
  void Add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) Add(static_cast<uint8_t>(number >> shift));
  }
  void Add(ByteView bytes) {
    Add(uint64_t{bytes.size()});
    for (const uint8_t byte : bytes) Add(byte);
  }
  int64_t value() const { return static_cast<int64_t>(state_); }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

void RowSum(sqlite3_context* context, int count, sqlite3_value** values) {
  Sum sum;
  for (int i = 0; i < count; ++i) {
    sqlite3_value* value = values[i];
    const int type = sqlite3_value_type(value);
    sum.Add(static_cast<uint8_t>(type));
    if (type == SQLITE_INTEGER) {
      sum.Add(static_cast<uint64_t>(sqlite3_value_int64(value)));
    } else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
      // Text as it is stored: UTF-8, also if it is none.
      const void* data =
          type == SQLITE_TEXT ? sqlite3_value_text(value) : sqlite3_value_blob(value);
      const auto size = static_cast<size_t>(sqlite3_value_bytes(value));
      sum.Add(ByteView(static_cast<const uint8_t*>(data), data != nullptr ? size : 0));
    } else if (type == SQLITE_FLOAT) {
      sqlite3_result_error(context, "row_sum of a floating-point number", -1);
      return;
    }
  }
  sqlite3_result_int64(context, sum.value());
}

}  // namespace

Status RegisterRowSum(Database& database) {
  const int code = sqlite3_create_function_v2(
      database.handle(), "row_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
      nullptr, &RowSum, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : ErrorStatus(database.handle(), code, "define row_sum");
}

}  // namespace blobd::sqlite
