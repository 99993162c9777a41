// Changes of RegistryDb.
#include <algorithm>

#include "base/error_reason.h"
#include "base/overloaded.h"
#include "registry/fields.h"
#include "registry/read_rows.h"
#include "registry/registry_db.h"
#include "sqlite/row.h"

namespace blobd::registry {
namespace {

struct EndedPlace {
  int64_t place = 0;
  int64_t intent = 0;
};

StatusOr<EndedPlace> ReadEndedPlace(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  EndedPlace ended;
  ended.place = row.Integer();
  ended.intent = row.Integer();
  BLOBD_RETURN_IF_ERROR(row.Finish("ended_intents"));
  return ended;
}

StatusOr<int64_t> ReadCount(sqlite::Statement& statement) {
  sqlite::RowReader row(statement);
  const int64_t count = row.Integer(0);
  BLOBD_RETURN_IF_ERROR(row.Finish("tags"));
  return count;
}

bool IsFailure(TransferOutcome outcome) {
  switch (outcome) {
    case TransferOutcome::kDone:
    case TransferOutcome::kStopped:
    case TransferOutcome::kNotHere:
    case TransferOutcome::kImpossible:
    case TransferOutcome::kLocalFault:
      return false;
    case TransferOutcome::kAbortRequest:
    case TransferOutcome::kDropProvider:
    case TransferOutcome::kWrongContent:
    case TransferOutcome::kRetryLater:
    case TransferOutcome::kBusy:
      return true;
  }
  return true;
}

}  // namespace

Status RegistryDb::Apply(const std::vector<Change>& changes) {
  for (const Change& change : changes) BLOBD_RETURN_IF_ERROR(ApplyOne(change));
  return OkStatus();
}

Status RegistryDb::Run(const Status& bound, Query query) {
  BLOBD_RETURN_IF_ERROR(bound);
  return Use(query).Run();
}

Status RegistryDb::ApplyOne(const Change& change) {
  const auto run = [this](Query query, auto bind) { return Run(bind(Use(query)), query); };
  return std::visit(
      Overloaded{[&](const PutIntent& put) { return ApplyIntent(put.intent); },
                 [&](const PutIntentFailures& put) { return ApplyFailures(put); },
                 [&](const PutProvider& put) {
                   return run(kPutProvider, [&](auto& s) { return BindProvider(put.row, s); });
                 },
                 [&](const DropProvider& drop) {
                   return run(kDropProvider, [&](auto& s) { return BindProvider(drop.row, s); });
                 },
                 [&](const PutRemoteAddress& put) {
                   return run(kPutRemoteAddress,
                              [&](auto& s) { return BindRemoteAddress(put.row, s); });
                 },
                 [&](const DropRemoteAddress& drop) {
                   return run(kDropRemoteAddress,
                              [&](auto& s) { return BindRemoteKey(drop.node, drop.address, s); });
                 },
                 [&](const PutRemote& put) {
                   return run(kPutRemote, [&](auto& s) { return BindRemote(put.row, s); });
                 },
                 [&](const DropRemote& drop) { return ApplyRemoteDrop(drop.node); },
                 [&](const PutBan& put) {
                   return run(kPutBan, [&](auto& s) { return BindBan(put.ban, s); });
                 },
                 [&](const DropBan& drop) {
                   return run(kDropBan, [&](auto& s) { return BindProviderKey(drop.provider, s); });
                 },
                 [&](const PutSetting& put) {
                   return run(kPutSetting, [&](auto& s) { return BindSetting(put.setting, s); });
                 },
                 [&](const DropSetting& drop) {
                   return Use(kDropSetting).Bind(std::string_view(drop.name)).Run();
                 },
                 [&](const PutTag& put) { return ApplyTag(put); },
                 [&](const DropTag& drop) { return ApplyTagDrop(drop); },
                 [&](const PutLease& put) {
                   return run(kPutLease, [&](auto& s) { return BindLease(put.lease, s); });
                 },
                 [&](const DropLease& drop) { return ApplyLeaseDrop(drop); },
                 [&](const DropEndedLeases& drop) {
                   return Use(kDropEndedLeases).Bind(drop.now.unix_ms).Run();
                 },
                 [&](const PutTransfer& put) { return ApplyTransfer(put.transfer); }},
      change);
}

Status RegistryDb::ApplyIntent(const IntentRow& intent) {
  BLOBD_RETURN_IF_ERROR(Run(BindIntent(intent, Use(kPutIntent)), kPutIntent));
  if (intent.result == ResultCode::kNone) return OkStatus();
  BLOBD_RETURN_IF_ERROR(Use(kNoteEnded).Bind(Signed(intent.id.value)).Run());
  if (database_.changed_rows() == 0) return OkStatus();  // it had ended before
  return ForgetEndedBeyond(database_.last_inserted());
}

Status RegistryDb::ForgetEndedBeyond(int64_t newest_place) {
  const int64_t last = newest_place - int64_t{options_.ended_intents_kept};
  if (last <= 0) return OkStatus();
  BLOBD_ASSIGN_OR_RETURN(const std::vector<EndedPlace> beyond,
                         ReadAll(Use(kEndedBeyond).Bind(last), &ReadEndedPlace));
  for (const EndedPlace& ended : beyond) {
    BLOBD_RETURN_IF_ERROR(Use(kForgetEnded).Bind(ended.place).Run());
    BLOBD_RETURN_IF_ERROR(Use(kDropEndedIntent).Bind(ended.intent).Run());
    if (database_.changed_rows() == 0) continue;
    BLOBD_RETURN_IF_ERROR(Use(kDropFailures).Bind(ended.intent).Run());
  }
  return OkStatus();
}

Status RegistryDb::ApplyFailures(const PutIntentFailures& put) {
  BLOBD_RETURN_IF_ERROR(CheckUnsigned("intent id", put.intent.value));
  const int64_t id = Signed(put.intent.value);
  BLOBD_RETURN_IF_ERROR(Use(kDropFailures).Bind(id).Run());
  BLOBD_ASSIGN_OR_RETURN(const bool is_there, HasRow(Use(kHasIntent).Bind(id)));
  if (!is_there) return OkStatus();
  const size_t count = std::min(put.failures.size(), kMaxFailuresPerIntent);
  for (size_t place = 0; place < count; ++place) {
    BLOBD_RETURN_IF_ERROR(
        Run(BindFailure(put.intent, place, put.failures[place], Use(kPutFailure)), kPutFailure));
  }
  return OkStatus();
}

Status RegistryDb::ApplyRemoteDrop(const NodeId& node) {
  BLOBD_RETURN_IF_ERROR(Use(kDropRemoteAddresses).Bind(node.view()).Run());
  return Use(kDropRemote).Bind(node.view()).Run();
}

Status RegistryDb::ApplyTag(const PutTag& put) {
  TagRow tag = put.tag;
  BLOBD_ASSIGN_OR_RETURN(const std::optional<TagRow> old, FindTag(tag.name));
  if (old && old->owner_uid != tag.owner_uid && !put.any_owner) {
    return ErrorFor(Reason::kNotOwner, "the tag belongs to uid {}", old->owner_uid);
  }
  if (old) tag.created = old->created;
  if (!old || old->owner_uid != tag.owner_uid) {
    BLOBD_ASSIGN_OR_RETURN(const std::vector<int64_t> count,
                           ReadAll(Use(kCountTags).Bind(int64_t{tag.owner_uid}), &ReadCount));
    if (count.at(0) >= int64_t{options_.tags_per_owner}) {
      return ErrorFor(Reason::kTagQuota, "uid {} has {} tags already: delete some", tag.owner_uid,
                      options_.tags_per_owner);
    }
  }
  return Run(BindTag(tag, Use(kPutTag)), kPutTag);
}

Status RegistryDb::ApplyTagDrop(const DropTag& drop) {
  BLOBD_ASSIGN_OR_RETURN(const std::optional<TagRow> old, FindTag(drop.name));
  if (!old) return ErrorFor(Reason::kUnknownTag, "there is no such tag");
  if (drop.owner_uid && *drop.owner_uid != old->owner_uid) {
    return ErrorFor(Reason::kNotOwner, "the tag belongs to uid {}", old->owner_uid);
  }
  return Use(kDropTag).Bind(std::string_view(drop.name)).Run();
}

Status RegistryDb::ApplyLeaseDrop(const DropLease& drop) {
  return Use(kDropLease)
      .Bind(drop.kind.hash.view(), Number(drop.kind.format), std::string_view(drop.holder))
      .Run();
}

Status RegistryDb::ApplyTransfer(const TransferRow& transfer) {
  BLOBD_ASSIGN_OR_RETURN(const bool is_there,
                         HasRow(Use(kHasTransfer).Bind(Signed(transfer.id.value))));
  BLOBD_RETURN_IF_ERROR(Run(BindTransfer(transfer, Use(kPutTransfer)), kPutTransfer));
  const int64_t place = database_.last_inserted();
  const int64_t kept{options_.transfers_kept};
  if (!is_there) BLOBD_RETURN_IF_ERROR(AddToTotals(transfer, place));
  if (place > kept) BLOBD_RETURN_IF_ERROR(Use(kTrimTransfers).Bind(place - kept).Run());
  // Totals are worth more than single transfers, and smaller.
  if (place > 10 * kept) BLOBD_RETURN_IF_ERROR(Use(kTrimTotals).Bind(place - 10 * kept).Run());
  return OkStatus();
}

Status RegistryDb::AddToTotals(const TransferRow& transfer, int64_t place) {
  sqlite::Statement& find = Use(kTotalsOf);
  BLOBD_RETURN_IF_ERROR(BindProviderKey(transfer.provider, find));
  BLOBD_ASSIGN_OR_RETURN(const std::optional<TotalsRow> old, ReadOne(find, &ReadTotals));
  TotalsRow row = old.value_or(TotalsRow{});
  row.last_place = place;
  row.totals.transfers += 1;
  row.totals.done += transfer.outcome == TransferOutcome::kDone ? 1 : 0;
  row.totals.failed += IsFailure(transfer.outcome) ? 1 : 0;
  row.totals.received_bytes += transfer.received_bytes;
  row.totals.verified_bytes += transfer.verified_bytes;
  return Run(BindTotals(transfer.provider, row, Use(kPutTotals)), kPutTotals);
}

}  // namespace blobd::registry
