// Table: aligned columns for people. Text from outside is escaped. On a terminal a table is no
// wider than that: columns are cut as far as they say, and then left out.
//
// Thread: one owner.
#pragma once

#include <string>
#include <vector>

#include "client/output.h"

namespace blobd::client {

struct Column {
  // NOLINTNEXTLINE(google-explicit-constructor): most columns are their name.
  Column(const char* name) : head(name) {}
  Column(const char* name, size_t least_columns, int drop_order)
      : head(name), least(least_columns), drop(drop_order) {}

  std::string head;
  size_t least = 0;  // may be cut to so many columns; 0: is not cut
  int drop = 0;      // the highest is left out first; 0: never
};

class Table {
 public:
  // The column STATE is coloured by what it says, where there are colours.
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // `none` is said where there is no row, "no intents"; with a head only, if it is empty.
  void Print(const Style& style, const std::string& none = "") const;
  // What Print writes.
  std::string Text(const Style& style, const std::string& none = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace blobd::client
