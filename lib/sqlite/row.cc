#include "sqlite/row.h"

#include <sqlite3.h>

#include <algorithm>

#include "base/error_reason.h"

namespace blobd::sqlite {

int RowReader::Next(int type) {
  const int column = column_++;
  if (sqlite3_column_type(statement_.handle(), column) == type) return column;
  Refuse("has the wrong type");
  return -1;
}

void RowReader::Refuse(std::string_view reason) {
  if (!problem_.empty()) return;
  const char* name = sqlite3_column_name(statement_.handle(), column_ - 1);
  problem_ = fmt::format("column {} {}", name != nullptr ? name : "?", reason);
}

int64_t RowReader::Integer(int64_t min, int64_t max) {
  const int column = Next(SQLITE_INTEGER);
  if (column < 0) return min;
  const int64_t value = sqlite3_column_int64(statement_.handle(), column);
  if (value >= min && value <= max) return value;
  Refuse("is out of range");
  return min;
}

uint64_t RowReader::Unsigned(uint64_t max) {
  const auto limit = std::min<uint64_t>(max, std::numeric_limits<int64_t>::max());
  return static_cast<uint64_t>(Integer(0, static_cast<int64_t>(limit)));
}

std::string RowReader::Text(size_t max_size) {
  const int column = Next(SQLITE_TEXT);
  if (column < 0) return {};
  const auto* text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_.handle(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.handle(), column));
  if (text != nullptr && size <= max_size) return {text, size};
  Refuse("is too long");
  return {};
}

ByteView RowReader::Blob(size_t max_size) {
  const int column = Next(SQLITE_BLOB);
  if (column < 0) return {};
  const auto* data = static_cast<const uint8_t*>(sqlite3_column_blob(statement_.handle(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.handle(), column));
  if (size <= max_size) return {data, size};
  Refuse("is too long");
  return {};
}

void RowReader::FixedBlob(MutableBytes out) {
  const ByteView blob = Blob(out.size());
  if (blob.size() == out.size()) {
    std::copy(blob.begin(), blob.end(), out.begin());
  } else {
    Refuse("has the wrong length");
  }
}

Status RowReader::Finish(std::string_view table) const {
  if (problem_.empty()) return OkStatus();
  return ErrorFor(Reason::kDatabaseDamaged, "damaged row in table {}: {}", table, problem_);
}

}  // namespace blobd::sqlite
