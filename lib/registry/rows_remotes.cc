#include "registry/fields.h"
#include "registry/rows.h"

namespace blobd::registry {

Status BindRemoteKey(const NodeId& node, const SocketAddress& address,
                     sqlite::Statement& statement) {
  const AddressKey key = KeyOf(address);
  statement.Bind(node.view(), ByteView(key));
  return OkStatus();
}

Status BindRemoteAddress(const RemoteAddressRow& row, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckText("address source", row.source));
  BLOBD_RETURN_IF_ERROR(CheckText("failure", row.last_failure));
  if (row.rtt_us < 0) return InvalidArgument("round-trip time is negative");
  const AddressKey key = KeyOf(row.address);
  statement.Bind(row.node.view(), ByteView(key), std::string_view(row.source),
                 row.last_worked.unix_ms, row.rtt_us, std::string_view(row.last_failure),
                 row.last_failed.unix_ms);
  return OkStatus();
}

StatusOr<RemoteAddressRow> ReadRemoteAddress(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  RemoteAddressRow result;
  row.FixedBlob(result.node.bytes);
  result.address = ReadAddressKey(row);
  result.source = row.Text(kMaxText);
  result.last_worked.unix_ms = row.Integer();
  result.rtt_us = row.Integer(0);
  result.last_failure = row.Text(kMaxText);
  result.last_failed.unix_ms = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("remote_addresses"));
  return result;
}

Status BindRemote(const RemoteRow& row, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckText("failure", row.last_failure));
  statement.Bind(row.node.view(), row.last_worked.unix_ms, std::string_view(row.last_failure),
                 row.last_failed.unix_ms);
  return OkStatus();
}

StatusOr<RemoteRow> ReadRemote(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  RemoteRow result;
  row.FixedBlob(result.node.bytes);
  result.last_worked.unix_ms = row.Integer();
  result.last_failure = row.Text(kMaxText);
  result.last_failed.unix_ms = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("remotes"));
  return result;
}

Status BindProviderKey(const ProviderId& provider, sqlite::Statement& statement) {
  const ProviderKey key = KeyOf(provider);
  statement.Bind(key.kind, key.bytes);
  return OkStatus();
}

Status BindBan(const BanRow& ban, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckProvider(ban.provider));
  BLOBD_RETURN_IF_ERROR(CheckText("reason", ban.reason));
  const ProviderKey key = KeyOf(ban.provider);
  statement.Bind(key.kind, key.bytes, ban.until.unix_ms, int64_t{ban.times},
                 std::string_view(ban.reason));
  return OkStatus();
}

StatusOr<BanRow> ReadBan(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  BanRow ban;
  ban.provider = ReadProviderKey(row);
  ban.until.unix_ms = row.Integer();
  ban.times = static_cast<uint32_t>(row.Integer(0, kMaxUint32));
  ban.reason = row.Text(kMaxText);
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("bans"));
  return ban;
}

}  // namespace blobd::registry
