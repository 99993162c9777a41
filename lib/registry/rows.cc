#include "registry/rows.h"

#include <algorithm>

#include "registry/fields.h"

namespace blobd::registry {
namespace {

Status CheckOutcome(TransferOutcome outcome) {
  if (outcome >= TransferOutcome::kDone && outcome <= TransferOutcome::kWrongContent)
    return OkStatus();
  return InvalidArgument("outcome {} does not exist", Number(outcome));
}

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
  if (intent.result > ResultCode::kDeadlineExceeded)
    return InvalidArgument("result {} does not exist", Number(intent.result));
  if (intent.patience_ms < 0) return InvalidArgument("patience is negative");
  statement.Bind(Signed(intent.id.value), intent.kind.hash.view(), Number(intent.kind.format),
                 int64_t{intent.priority}, int64_t{intent.owner_uid},
                 std::string_view(intent.label), std::string_view(intent.idempotency_key),
                 intent.created.unix_ms, intent.deadline.unix_ms, intent.patience_ms,
                 Number(intent.result), std::string_view(intent.reason), intent.finished.unix_ms,
                 Signed(intent.total_bytes), Signed(intent.downloaded_bytes),
                 int64_t{intent.paused});
  return OkStatus();
}

StatusOr<IntentRow> ReadIntent(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  IntentRow intent;
  intent.id.value = static_cast<uint64_t>(row.Integer(1));
  intent.kind = ReadKind(row);
  intent.priority = static_cast<uint8_t>(row.Integer(0, 2));
  intent.owner_uid = static_cast<uint32_t>(row.Integer(0, kMaxUint32));
  intent.label = row.Text(kMaxText);
  intent.idempotency_key = row.Text(kMaxText);
  intent.created.unix_ms = row.Integer();
  intent.deadline.unix_ms = row.Integer();
  intent.patience_ms = row.Integer(0);
  intent.result = static_cast<ResultCode>(row.Integer(0, Number(ResultCode::kDeadlineExceeded)));
  intent.reason = row.Text(kMaxText);
  intent.finished.unix_ms = row.Integer();
  intent.total_bytes = row.Unsigned();
  intent.downloaded_bytes = row.Unsigned();
  intent.paused = row.Boolean();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("intents"));
  return intent;
}

Status BindFailure(IntentId intent, size_t place, const FailureRow& failure,
                   sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("intent id", intent.value));
  BLOBD_RETURN_IF_ERROR(CheckProvider(failure.provider));
  BLOBD_RETURN_IF_ERROR(CheckOutcome(failure.outcome));
  BLOBD_RETURN_IF_ERROR(CheckText("reason", failure.reason));
  const ProviderKey key = KeyOf(failure.provider);
  statement.Bind(Signed(intent.value), static_cast<int64_t>(place), key.kind, key.bytes,
                 Number(failure.outcome), std::string_view(failure.reason));
  return OkStatus();
}

StatusOr<FailureRow> ReadFailure(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  FailureRow failure;
  row.Integer();  // the intent
  row.Integer();  // the place
  failure.provider = ReadProviderKey(row);
  failure.outcome = static_cast<TransferOutcome>(
      row.Integer(Number(TransferOutcome::kDone), Number(TransferOutcome::kWrongContent)));
  failure.reason = row.Text(kMaxText);
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("intent_failures"));
  return failure;
}

Status BindProvider(const ProviderRow& provider_row, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckProvider(provider_row.provider));
  const ProviderKey key = KeyOf(provider_row.provider);
  statement.Bind(provider_row.hash.view(), key.kind, key.bytes);
  return OkStatus();
}

StatusOr<ProviderRow> ReadProvider(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  ProviderRow result;
  row.FixedBlob(result.hash.bytes);
  result.provider = ReadProviderKey(row);
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("providers"));
  return result;
}

Status BindSetting(const SettingRow& setting, sqlite::Statement& statement) {
  if (setting.name.empty() || setting.name.size() > kMaxSettingName) {
    return InvalidArgument("a setting's name has 1 to {} bytes, not {}", kMaxSettingName,
                           setting.name.size());
  }
  statement.Bind(std::string_view(setting.name), setting.value);
  return OkStatus();
}

StatusOr<SettingRow> ReadSetting(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  SettingRow setting;
  setting.name = row.Text(kMaxSettingName);
  if (setting.name.empty()) row.Refuse("is empty");
  setting.value = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("settings"));
  return setting;
}

Status BindTag(const TagRow& tag, sqlite::Statement& statement) {
  if (tag.name.empty() || tag.name.size() > kMaxTagName) {
    return InvalidArgument("a tag's name has 1 to {} bytes, not {}", kMaxTagName, tag.name.size());
  }
  statement.Bind(std::string_view(tag.name), tag.kind.hash.view(), Number(tag.kind.format),
                 int64_t{tag.owner_uid}, int64_t{tag.is_private}, tag.created.unix_ms,
                 tag.changed.unix_ms);
  return OkStatus();
}

StatusOr<TagRow> ReadTag(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  TagRow tag;
  tag.name = row.Text(kMaxTagName);
  if (tag.name.empty()) row.Refuse("is empty");
  tag.kind = ReadKind(row);
  tag.owner_uid = static_cast<uint32_t>(row.Integer(0, kMaxUint32));
  tag.is_private = row.Boolean();
  tag.created.unix_ms = row.Integer();
  tag.changed.unix_ms = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("tags"));
  return tag;
}

Status BindLease(const LeaseRow& lease, sqlite::Statement& statement) {
  BLOBD_RETURN_IF_ERROR(CheckText("holder", lease.holder));
  statement.Bind(lease.kind.hash.view(), Number(lease.kind.format), std::string_view(lease.holder),
                 lease.until.unix_ms);
  return OkStatus();
}

StatusOr<LeaseRow> ReadLease(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  LeaseRow lease;
  lease.kind = ReadKind(row);
  lease.holder = row.Text(kMaxText);
  lease.until.unix_ms = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("leases"));
  return lease;
}

Status BindTransfer(const TransferRow& transfer, sqlite::Statement& statement) {
  if (!transfer.id) return InvalidArgument("a transfer without an id");
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("transfer id", transfer.id.value));
  BLOBD_RETURN_IF_ERROR(CheckProvider(transfer.provider));
  BLOBD_RETURN_IF_ERROR(CheckOutcome(transfer.outcome));
  BLOBD_RETURN_IF_ERROR(CheckText("reason", transfer.reason));
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("received size", transfer.received_bytes));
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("verified size", transfer.verified_bytes));
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("size", transfer.total_bytes));
  const ProviderKey key = KeyOf(transfer.provider);
  statement.Bind(Signed(transfer.id.value), key.kind, key.bytes, transfer.kind.hash.view(),
                 Number(transfer.kind.format), Number(transfer.outcome),
                 std::string_view(transfer.reason), Signed(transfer.received_bytes),
                 Signed(transfer.verified_bytes), Signed(transfer.total_bytes),
                 transfer.started.unix_ms, transfer.finished.unix_ms);
  return OkStatus();
}

StatusOr<TransferRow> ReadTransfer(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  TransferRow transfer;
  transfer.id.value = static_cast<uint64_t>(row.Integer(1));
  transfer.provider = ReadProviderKey(row);
  transfer.kind = ReadKind(row);
  transfer.outcome = static_cast<TransferOutcome>(
      row.Integer(Number(TransferOutcome::kDone), Number(TransferOutcome::kWrongContent)));
  transfer.reason = row.Text(kMaxText);
  transfer.received_bytes = row.Unsigned();
  transfer.verified_bytes = row.Unsigned();
  transfer.total_bytes = row.Unsigned();
  transfer.started.unix_ms = row.Integer();
  transfer.finished.unix_ms = row.Integer();
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("transfers"));
  return transfer;
}

Status BindTotals(const ProviderId& provider, const TotalsRow& row, sqlite::Statement& statement) {
  const ProviderKey key = KeyOf(provider);
  const auto stored = [](uint64_t value) { return Signed(std::min(value, kMaxInteger)); };
  statement.Bind(key.kind, key.bytes, stored(row.totals.transfers), stored(row.totals.done),
                 stored(row.totals.failed), stored(row.totals.received_bytes),
                 stored(row.totals.verified_bytes), row.last_place);
  return OkStatus();
}

StatusOr<TotalsRow> ReadTotals(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  TotalsRow result;
  ReadProviderKey(row);
  result.totals.transfers = row.Unsigned();
  result.totals.done = row.Unsigned();
  result.totals.failed = row.Unsigned();
  result.totals.received_bytes = row.Unsigned();
  result.totals.verified_bytes = row.Unsigned();
  result.last_place = row.Integer(0);
  CheckSum(row);
  BLOBD_RETURN_IF_ERROR(row.Finish("provider_totals"));
  return result;
}

}  // namespace blobd::registry
