// How the values of records.h lie in the columns of registry.db. Writing checks that a value fits
// before anything is changed (kInvalidArgument); reading believes nothing, least of all a row that
// does not fit its sum (kDataLoss).
//
// Bind... gives the columns of Table::columns, Read... takes a row of Table::Select.
#pragma once

#include <string_view>

#include "registry/records.h"
#include "sqlite/statement.h"

namespace blobd::registry {

Status BindIntent(const IntentRow& intent, sqlite::Statement& statement);
StatusOr<IntentRow> ReadIntent(sqlite::Statement& statement);

Status BindFailure(IntentId intent, size_t place, const FailureRow& failure,
                   sqlite::Statement& statement);
StatusOr<FailureRow> ReadFailure(sqlite::Statement& statement);

// All columns are the key.
Status BindProvider(const ProviderRow& row, sqlite::Statement& statement);
StatusOr<ProviderRow> ReadProvider(sqlite::Statement& statement);

Status BindSetting(const SettingRow& setting, sqlite::Statement& statement);
StatusOr<SettingRow> ReadSetting(sqlite::Statement& statement);

Status BindTag(const TagRow& tag, sqlite::Statement& statement);
StatusOr<TagRow> ReadTag(sqlite::Statement& statement);

Status BindLease(const LeaseRow& lease, sqlite::Statement& statement);
StatusOr<LeaseRow> ReadLease(sqlite::Statement& statement);

Status BindTransfer(const TransferRow& transfer, sqlite::Statement& statement);
StatusOr<TransferRow> ReadTransfer(sqlite::Statement& statement);

struct TotalsRow {
  ProviderTotals totals;
  int64_t last_place = 0;  // in the history, of its latest transfer
};
Status BindTotals(const ProviderId& provider, const TotalsRow& row, sqlite::Statement& statement);
StatusOr<TotalsRow> ReadTotals(sqlite::Statement& statement);

// (node, address)
Status BindRemoteKey(const NodeId& node, const SocketAddress& address,
                     sqlite::Statement& statement);
Status BindRemoteAddress(const RemoteAddressRow& row, sqlite::Statement& statement);
StatusOr<RemoteAddressRow> ReadRemoteAddress(sqlite::Statement& statement);

Status BindRemote(const RemoteRow& row, sqlite::Statement& statement);
StatusOr<RemoteRow> ReadRemote(sqlite::Statement& statement);

// (provider_kind, provider), of bans and totals
Status BindProviderKey(const ProviderId& provider, sqlite::Statement& statement);
Status BindBan(const BanRow& ban, sqlite::Statement& statement);
StatusOr<BanRow> ReadBan(sqlite::Statement& statement);

}  // namespace blobd::registry
