// How the values of registry.h lie in the columns of registry.db. Writing checks that a value fits
// before anything is changed (kInvalidArgument); reading believes nothing (kDataLoss).
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "registry/registry.h"
#include "sqlite/row.h"
#include "sqlite/statement.h"

namespace blobd::registry {

// The longest label, key, reason, source or URL that is stored.
inline constexpr size_t kMaxText = 65536;

// The columns of an intent, in the order BindIntent and ReadIntent use.
inline constexpr std::string_view kIntentColumns =
    "id, hash, format, priority, owner_uid, label, idempotency_key, created_unix_ms, "
    "deadline_unix_ms, "
    "patience_ms, result, reason, finished_unix_ms, total_bytes, downloaded_bytes";

Status BindIntent(const IntentRow& intent, sqlite::Statement& statement);
StatusOr<IntentRow> ReadIntent(sqlite::Statement& statement);

// (hash, provider_kind, provider)
Status BindProvider(const ProviderRow& row, sqlite::Statement& statement);
StatusOr<ProviderRow> ReadProvider(sqlite::Statement& statement);

// (node, address)
Status BindRemoteKey(const NodeId& node, const SocketAddress& address,
                     sqlite::Statement& statement);
// (node, address, source, last_worked_unix_ms, rtt_us)
Status BindRemoteAddress(const RemoteAddressRow& row, sqlite::Statement& statement);
StatusOr<RemoteAddressRow> ReadRemoteAddress(sqlite::Statement& statement);

// (provider_kind, provider)
Status BindBanKey(const ProviderId& provider, sqlite::Statement& statement);
// (provider_kind, provider, until_unix_ms, times, reason)
Status BindBan(const BanRow& ban, sqlite::Statement& statement);
StatusOr<BanRow> ReadBan(sqlite::Statement& statement);

}  // namespace blobd::registry
