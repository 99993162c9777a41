// RowReader: reads the columns of a statement's present row from left to right, and checks them. A
// damaged or tampered row is an error, never a wrong value: the first column that does not fit
// spoils the row.
//
// Thread:    that of the statement.
// Ownership: borrows the statement; views it gives are valid until the statement steps on.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "sqlite/statement.h"

namespace blobd::sqlite {

class RowReader {
 public:
  explicit RowReader(Statement& statement) : statement_(statement) {}

  // An integer in [min, max]; `min` if it is not.
  int64_t Integer(int64_t min = std::numeric_limits<int64_t>::min(),
                  int64_t max = std::numeric_limits<int64_t>::max());
  uint64_t Unsigned(uint64_t max = std::numeric_limits<int64_t>::max());
  bool Boolean() { return Integer(0, 1) == 1; }
  // Text of at most `max_size` bytes; empty if it is not.
  std::string Text(size_t max_size);
  // A blob of at most `max_size` bytes; empty if it is not.
  ByteView Blob(size_t max_size);
  // A blob of exactly out.size() bytes; `out` is left alone if it is not.
  void FixedBlob(MutableBytes out);

  // Spoils the row for a reason that only the caller can see.
  void Refuse(std::string_view reason);

  // kDataLoss naming `table` and the first column that did not fit.
  Status Finish(std::string_view table) const;

 private:
  // The next column if it has `type`, else -1 and the row is spoilt.
  int Next(int type);

  Statement& statement_;
  int column_ = 0;
  std::string problem_;  // empty while all is well
};

}  // namespace blobd::sqlite
