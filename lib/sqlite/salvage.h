// Reading a damaged table as far as it reads: the part that SQLite's recover extension would do,
// which Debian does not build.
//
// A page that is damaged stops a scan. So the table is read up from its beginning and down from its
// end, and what lies between is halved and tried again, until the places that cannot be read are as
// small as a page, or too many were tried.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/task.h"
#include "sqlite/database.h"

namespace blobd::sqlite {

enum class KeyType {
  kRowId,    // the rowid, under whatever name, not negative
  kInteger,  // the first column of the primary key of a table without rowids, not negative
  kBlob,     // the same, of blobs whose first 8 bytes tell most rows apart
  kNone,     // a primary key of several columns, none of which can be halved
};

struct SalvageSource {
  std::string table;
  std::string columns;  // what `take` is to see, as in SELECT
  std::string key;      // for kNone: all columns of the primary key
  KeyType key_type = KeyType::kRowId;
};

// Keys of which it is not known whether there were rows; those of blobs by their first 8 bytes.
struct Hole {
  uint64_t first = 0;
  uint64_t last = 0;
};

struct SalvageResult {
  std::vector<Hole> holes;      // by key, apart from each other
  bool unknown_losses = false;  // kNone: something in the middle may be missing
  bool complete() const { return holes.empty() && !unknown_losses; }
};

// Calls `take` for every row that can be read, for some twice, in no order. An error of `take` ends
// it.
StatusOr<SalvageResult> SalvageTable(Database& from, const SalvageSource& source,
                                     UniqueFunction<Status(Statement& row)> take);

// Binds the first `columns` values of the row to the parameters of `to`.
Status CopyValues(Statement& row, size_t columns, Statement& to);

// Writes what a reader must find in the first 100 bytes of a database into the file `path`, where
// it cannot be opened: how many pages there are, and if that does not look like a header at all,
// all the rest, from the good database `pattern` of the same program.
Status MendHeader(const std::string& path, const std::string& pattern);
// Puts the whole first page of `pattern` there, with the table of contents. It fits if both were
// made by the same migrations and never copied, so every row that is then read must be proven by
// its sum.
Status ReplaceContents(const std::string& path, const std::string& pattern);

}  // namespace blobd::sqlite
