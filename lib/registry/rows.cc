#include "registry/rows.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/overloaded.h"

namespace blobd::registry {
namespace {

constexpr int64_t kNodeKind = 0;
constexpr int64_t kMirrorKind = 1;
constexpr uint64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();

using AddressKey = std::array<uint8_t, 18>;  // IPv6 form, then the port in network order

struct ProviderKey {
  int64_t kind;
  ByteView bytes;  // of the provider it was made from
};

ProviderKey KeyOf(const ProviderId& provider) {
  return std::visit(Overloaded{[](const NodeId& node) {
                                 return ProviderKey{kNodeKind, node.view()};
                               },
                               [](const MirrorUrl& mirror) {
                                 return ProviderKey{kMirrorKind, AsBytes(mirror.url)};
                               }},
                    provider);
}

ProviderId ReadProviderKey(sqlite::RowReader& row) {
  if (row.Integer(kNodeKind, kMirrorKind) == kMirrorKind) {
    const ByteView url = row.Blob(kMaxText);
    if (url.empty()) row.Refuse("is an empty URL");
    return MirrorUrl{std::string(AsText(url))};
  }
  NodeId node;
  row.FixedBlob(node.bytes);
  return node;
}

AddressKey KeyOf(const SocketAddress& address) {
  AddressKey key{};
  std::copy(address.ip16().begin(), address.ip16().end(), key.begin());
  key[16] = static_cast<uint8_t>(address.port() >> 8);
  key[17] = static_cast<uint8_t>(address.port());
  return key;
}

SocketAddress ReadAddressKey(sqlite::RowReader& row) {
  AddressKey key{};
  row.FixedBlob(key);
  std::array<uint8_t, 16> ip{};
  std::copy_n(key.begin(), ip.size(), ip.begin());
  return SocketAddress::V6(ip, static_cast<uint16_t>(key[16] << 8 | key[17]));
}

Status CheckText(std::string_view what, std::string_view text) {
  if (text.size() <= kMaxText) return OkStatus();
  return InvalidArgument("{} of {} bytes is longer than {}", what, text.size(), kMaxText);
}

Status CheckUnsigned(std::string_view what, uint64_t value) {
  if (value <= kMaxInteger) return OkStatus();
  return InvalidArgument("{} {} is too large", what, value);
}

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace

Status BindIntent(const IntentRow& intent, sqlite::Statement& statement) {
  if (!intent.id) return InvalidArgument("an intent without an id");
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("intent id", intent.id.value));
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("size", intent.total_bytes));
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("downloaded size", intent.downloaded_bytes));
  BLOBD_RETURN_IF_ERROR(CheckText("label", intent.label));
  BLOBD_RETURN_IF_ERROR(CheckText("idempotency key", intent.idempotency_key));
  BLOBD_RETURN_IF_ERROR(CheckText("reason", intent.reason));
  if (intent.priority > 2) return InvalidArgument("priority {} does not exist", intent.priority);
  if (intent.patience_ms < 0) return InvalidArgument("patience is negative");
  statement.Bind(Signed(intent.id.value), intent.kind.hash.view(),
                 int64_t{static_cast<uint8_t>(intent.kind.format)}, int64_t{intent.priority},
                 int64_t{intent.owner_uid}, std::string_view(intent.label),
                 std::string_view(intent.idempotency_key), intent.created.unix_ms,
                 intent.deadline.unix_ms, intent.patience_ms,
                 int64_t{static_cast<uint8_t>(intent.result)}, std::string_view(intent.reason),
                 intent.finished.unix_ms, Signed(intent.total_bytes),
                 Signed(intent.downloaded_bytes));
  return OkStatus();
}

StatusOr<IntentRow> ReadIntent(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  IntentRow intent;
  intent.id.value = static_cast<uint64_t>(row.Integer(1));
  row.FixedBlob(intent.kind.hash.bytes);
  intent.kind.format =
      static_cast<BlobFormat>(row.Integer(0, static_cast<int64_t>(BlobFormat::kHashSeq)));
  intent.priority = static_cast<uint8_t>(row.Integer(0, 2));
  intent.owner_uid = static_cast<uint32_t>(row.Integer(0, kMaxUint32));
  intent.label = row.Text(kMaxText);
  intent.idempotency_key = row.Text(kMaxText);
  intent.created.unix_ms = row.Integer();
  intent.deadline.unix_ms = row.Integer();
  intent.patience_ms = row.Integer(0);
  intent.result =
      static_cast<ResultCode>(row.Integer(0, static_cast<int64_t>(ResultCode::kDeadlineExceeded)));
  intent.reason = row.Text(kMaxText);
  intent.finished.unix_ms = row.Integer();
  intent.total_bytes = row.Unsigned();
  intent.downloaded_bytes = row.Unsigned();
  BLOBD_RETURN_IF_ERROR(row.Finish("intents"));
  return intent;
}

Status BindProvider(const ProviderRow& provider_row, sqlite::Statement& statement) {
  const ProviderKey key = KeyOf(provider_row.provider);
  BLOBD_RETURN_IF_ERROR(CheckText("provider", AsText(key.bytes)));
  statement.Bind(provider_row.hash.view(), key.kind, key.bytes);
  return OkStatus();
}

StatusOr<ProviderRow> ReadProvider(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  ProviderRow result;
  row.FixedBlob(result.hash.bytes);
  result.provider = ReadProviderKey(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("providers"));
  return result;
}

Status BindRemoteKey(const NodeId& node, const SocketAddress& address,
                     sqlite::Statement& statement) {
  const AddressKey key = KeyOf(address);
  statement.Bind(node.view(), ByteView(key));
  return OkStatus();
}

Status BindRemoteAddress(const RemoteAddressRow& row, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckText("address source", row.source));
  if (row.rtt_us < 0) return InvalidArgument("round-trip time is negative");
  const AddressKey key = KeyOf(row.address);
  statement.Bind(row.node.view(), ByteView(key), std::string_view(row.source),
                 row.last_worked.unix_ms, row.rtt_us);
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
  BLOBD_RETURN_IF_ERROR(row.Finish("remote_addresses"));
  return result;
}

Status BindBanKey(const ProviderId& provider, sqlite::Statement& statement) {
  const ProviderKey key = KeyOf(provider);
  statement.Bind(key.kind, key.bytes);
  return OkStatus();
}

Status BindBan(const BanRow& ban, sqlite::Statement& statement) {
  const ProviderKey key = KeyOf(ban.provider);
  BLOBD_RETURN_IF_ERROR(CheckText("provider", AsText(key.bytes)));
  BLOBD_RETURN_IF_ERROR(CheckText("reason", ban.reason));
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
  BLOBD_RETURN_IF_ERROR(row.Finish("bans"));
  return ban;
}

}  // namespace blobd::registry
