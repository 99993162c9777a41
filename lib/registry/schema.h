// The tables of registry.db and their history.
//
// Every row that is not derived from others ends in a column `sum` (sqlite/row_sum.h), so a damaged
// row is never taken for a good one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "sqlite/open.h"
#include "sqlite/salvage.h"

namespace blobd::registry {

const sqlite::Schema& RegistrySchema();

// A table of the newest version.
struct Table {
  std::string_view name;
  std::string_view columns;  // those that `sum` is made of, separated by ", "
  // How to find one's way when the table is damaged (sqlite/salvage.h).
  std::string_view key;
  sqlite::KeyType key_type = sqlite::KeyType::kRowId;

  size_t column_count() const;
  // SELECT of all columns, and last whether the sum fits.
  std::string Select() const;
  // `verb` INTO ... VALUES(?1, ...) of all columns and their sum.
  std::string Insert(std::string_view verb) const;
};

extern const Table kIntentsTable;
extern const Table kIntentFailuresTable;
extern const Table kProvidersTable;
extern const Table kRemoteAddressesTable;
extern const Table kRemotesTable;
extern const Table kBansTable;
extern const Table kTagsTable;
extern const Table kLeasesTable;
extern const Table kTransfersTable;
extern const Table kProviderTotalsTable;
extern const Table kSettingsTable;
extern const Table kNextIdsTable;

// All of them.
std::span<const Table* const> Tables();

}  // namespace blobd::registry
