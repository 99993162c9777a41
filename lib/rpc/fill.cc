// What the engine and the store say, as messages. See convert.h.
#include <algorithm>
#include <chrono>
#include <utility>

#include "rpc/convert.h"

namespace blobd::rpc {
namespace {

constexpr size_t kMaxFailuresShown = 64;

v1::Priority FromPriority(uint8_t priority) {
  if (priority == 0) return v1::PRIORITY_BACKGROUND;
  return priority == 2 ? v1::PRIORITY_URGENT : v1::PRIORITY_NORMAL;
}

v1::IntentState FromState(const engine::IntentView& view) {
  if (view.state != engine::IntentState::kEnded) return rpc::FromState(view.state);
  switch (view.row.result) {
    case registry::ResultCode::kDone:
      return v1::INTENT_STATE_DONE;
    case registry::ResultCode::kCancelled:
      return v1::INTENT_STATE_CANCELLED;
    case registry::ResultCode::kNoProviders:
      return v1::INTENT_STATE_NO_PROVIDERS;
    case registry::ResultCode::kDeadlineExceeded:
      return v1::INTENT_STATE_DEADLINE_EXCEEDED;
    case registry::ResultCode::kNone:
    case registry::ResultCode::kFailed:
      break;
  }
  return v1::INTENT_STATE_FAILED;
}

v1::KeptBecause FromKeptBecause(engine::KeptBecause because) {
  switch (because) {
    case engine::KeptBecause::kWanted:
      return v1::KEPT_BECAUSE_WANTED;
    case engine::KeptBecause::kTagged:
      return v1::KEPT_BECAUSE_TAGGED;
    case engine::KeptBecause::kLeased:
      return v1::KEPT_BECAUSE_LEASED;
    case engine::KeptBecause::kFinished:
      return v1::KEPT_BECAUSE_FINISHED;
    case engine::KeptBecause::kNothing:
      break;
  }
  return v1::KEPT_BECAUSE_UNSPECIFIED;
}

v1::FailureOutcome FromOutcome(schedule::Outcome outcome) {
  switch (outcome) {
    case schedule::Outcome::kNotHere:
      return v1::FAILURE_OUTCOME_NOT_HERE;
    case schedule::Outcome::kAbortRequest:
      return v1::FAILURE_OUTCOME_ABORT_REQUEST;
    case schedule::Outcome::kDropProvider:
      return v1::FAILURE_OUTCOME_DROP_PROVIDER;
    case schedule::Outcome::kWrongContent:
      return v1::FAILURE_OUTCOME_WRONG_CONTENT;
    case schedule::Outcome::kRetryLater:
      return v1::FAILURE_OUTCOME_RETRY_LATER;
    case schedule::Outcome::kBusy:
      return v1::FAILURE_OUTCOME_BUSY;
    case schedule::Outcome::kDone:
    case schedule::Outcome::kStopped:
    case schedule::Outcome::kImpossible:
    case schedule::Outcome::kLocalFault:
      break;
  }
  return v1::FAILURE_OUTCOME_UNSPECIFIED;
}

v1::TransferState FromState(engine::TransferState state) {
  switch (state) {
    case engine::TransferState::kWaiting:
      return v1::TRANSFER_STATE_WAITING;
    case engine::TransferState::kConnecting:
      return v1::TRANSFER_STATE_CONNECTING;
    case engine::TransferState::kRequesting:
      return v1::TRANSFER_STATE_REQUESTING;
    case engine::TransferState::kReceiving:
      return v1::TRANSFER_STATE_RECEIVING;
    case engine::TransferState::kVerifying:
      return v1::TRANSFER_STATE_VERIFYING;
    case engine::TransferState::kDone:
      return v1::TRANSFER_STATE_DONE;
    case engine::TransferState::kFailed:
      return v1::TRANSFER_STATE_FAILED;
    case engine::TransferState::kCancelled:
      return v1::TRANSFER_STATE_CANCELLED;
  }
  return v1::TRANSFER_STATE_UNSPECIFIED;
}

v1::RemoteState FromLink(path::Link link) {
  switch (link) {
    case path::Link::kDown:
      return v1::REMOTE_STATE_DOWN;
    case path::Link::kDialling:
      return v1::REMOTE_STATE_DIALLING;
    case path::Link::kConnected:
      return v1::REMOTE_STATE_CONNECTED;
  }
  return v1::REMOTE_STATE_UNSPECIFIED;
}

v1::AddressUsage UsageOf(const engine::RemoteView& view, const path::KnownAddress& known) {
  if (view.info.link == path::Link::kConnected && known.address == view.info.address)
    return v1::ADDRESS_USAGE_ACTIVE;
  if (view.own.count(known.address) != 0) return v1::ADDRESS_USAGE_OURS;
  return known.last_failed > known.last_worked ? v1::ADDRESS_USAGE_FAILED : v1::ADDRESS_USAGE_KNOWN;
}

}  // namespace

v1::IntentState FromState(engine::IntentState state) {
  switch (state) {
    case engine::IntentState::kQueued:
      return v1::INTENT_STATE_QUEUED;
    case engine::IntentState::kWaiting:
      return v1::INTENT_STATE_WAITING;
    case engine::IntentState::kParked:
      return v1::INTENT_STATE_PARKED;
    case engine::IntentState::kRunning:
      return v1::INTENT_STATE_RUNNING;
    case engine::IntentState::kPaused:
      return v1::INTENT_STATE_PAUSED;
    case engine::IntentState::kEnded:
      break;
  }
  return v1::INTENT_STATE_UNSPECIFIED;
}

void Fill(const Kind& kind, v1::Kind* out) {
  out->set_hash(kind.hash.ToHex());
  out->set_format(kind.format == BlobFormat::kRaw ? v1::BLOB_FORMAT_RAW : v1::BLOB_FORMAT_HASH_SEQ);
}

void Fill(const engine::IntentView& view, v1::Intent* out) {
  const registry::IntentRow& row = view.row;
  out->set_intent_id(row.id.value);
  Fill(row.kind, out->mutable_kind());
  out->set_state(FromState(view));
  out->set_reason(row.reason);
  out->set_waits_for(view.waits_for);
  out->set_verified_bytes(view.verified_bytes);
  out->set_total_bytes(view.total_bytes);
  out->set_claimed_bytes(view.claimed_bytes);
  out->set_unproven_bytes(view.unproven_bytes);
  out->set_total_blobs(view.total_blobs);
  out->set_complete_blobs(view.complete_blobs);
  out->set_rate(view.rate);
  out->set_priority(FromPriority(row.priority));
  out->set_label(row.label);
  out->set_owner_uid(row.owner_uid);
  out->set_created_unix_ms(row.created.unix_ms);
  out->set_finished_unix_ms(row.finished.unix_ms);
  out->set_deadline_unix_ms(row.deadline.unix_ms);
  out->set_downloaded_bytes(row.downloaded_bytes);
  out->set_paused(row.paused);
  for (const TransferId id : view.transfers) out->add_transfer_ids(id.value);
  for (const schedule::ProviderFailure& failure : view.failures) {
    if (static_cast<size_t>(out->failures_size()) == kMaxFailuresShown) break;
    v1::ProviderFailure* each = out->add_failures();
    each->set_provider(ShownProvider(failure.provider));
    each->set_reason(failure.reason);
    each->set_outcome(FromOutcome(failure.outcome));
  }
}

void Fill(const engine::TransferView& view, v1::Transfer* out) {
  out->set_transfer_id(view.id.value);
  out->set_provider(ShownProvider(view.provider));
  Fill(view.kind, out->mutable_kind());
  out->set_state(FromState(view.state));
  out->set_reason(view.reason);
  out->set_received_bytes(view.received_bytes);
  out->set_verified_bytes(view.verified_bytes);
  out->set_unproven_bytes(view.unproven_bytes);
  out->set_total_bytes(view.total_bytes);
  out->set_rate(view.rate);
  out->set_started_unix_ms(view.started.unix_ms);
  out->set_finished_unix_ms(view.finished.unix_ms);
  for (size_t i = 0; i < std::min(view.intents.size(), kMaxIntentsShown); ++i) {
    out->add_intent_ids(view.intents[i].value);
  }
  out->set_intents(static_cast<uint32_t>(view.intent_count));
}

void Fill(const engine::RequestView& view, v1::Request* out) {
  Fill(view.kind, out->mutable_kind());
  out->set_state(FromState(view.state));
  out->set_waits_for(view.waits_for);
  out->set_priority(FromPriority(static_cast<uint8_t>(view.priority)));
  out->set_verified_bytes(view.verified_bytes);
  out->set_total_bytes(view.total_bytes);
  out->set_claimed_bytes(view.claimed_bytes);
  out->set_unproven_bytes(view.unproven_bytes);
  out->set_rate(view.rate);
  out->set_total_blobs(view.total_blobs);
  out->set_complete_blobs(view.complete_blobs);
  for (const TransferId id : view.transfers) out->add_transfer_ids(id.value);
  for (const IntentId id : view.intents) out->add_intent_ids(id.value);
  out->set_intents(static_cast<uint32_t>(view.intent_count));
  out->set_since_unix_ms(view.since.unix_ms);
}

void Fill(const engine::UploadView& view, v1::Upload* out) {
  out->set_node_id(view.info.node.ToHex());
  out->set_address(view.info.address.ToString());
  out->set_connections(view.info.connections);
  out->set_streams(view.info.streams);
  out->set_sent_bytes(view.info.sent_bytes);
  out->set_rate(view.rate);
  out->set_requests(view.info.requests);
  out->set_since_unix_ms(view.info.since.unix_ms);
}

void Fill(const engine::RemoteView& view, v1::Remote* out) {
  out->set_node_id(view.node.ToHex());
  out->set_state(FromLink(view.info.link));
  if (view.info.link == path::Link::kConnected)
    out->set_connected_address(view.info.address.ToString());
  for (const path::KnownAddress& known : view.addresses) {
    v1::RemoteAddress* each = out->add_addresses();
    each->set_address(known.address.ToString());
    each->set_source(known.source);
    each->set_last_worked_unix_ms(known.last_worked.unix_ms);
    each->set_rtt_us(std::chrono::duration_cast<microseconds>(known.rtt).count());
    each->set_usage(UsageOf(view, known));
    each->set_last_failed_unix_ms(known.last_failed.unix_ms);
    each->set_last_failure(known.failure);
  }
  out->set_looking_up(view.looking_up);
  for (const path::PathView& path : view.paths) {
    v1::RemotePath* each = out->add_paths();
    each->set_address(path.address.ToString());
    if (path.rtt) each->set_rtt_us(std::chrono::duration_cast<microseconds>(*path.rtt).count());
    each->set_dark(path.dark);
    each->set_connections(static_cast<uint32_t>(path.connections));
    each->set_selected(path.selected);
    if (path.selected) each->set_because(std::string(path::Describe(view.selected_because)));
  }
  out->set_last_success_unix_ms(view.info.last_success.unix_ms);
  out->set_last_failure_unix_ms(view.info.last_failure.unix_ms);
  out->set_last_failure(view.info.failure);
  for (const TransferId id : view.transfers) out->add_transfer_ids(id.value);
  out->set_download_rate(view.download_rate);
  out->set_banned_until_unix_ms(view.info.banned_until.unix_ms);
  out->set_ban_reason(view.info.ban_reason);
}

void Fill(const store::BlobInfo& info, v1::Blob* out) {
  out->set_hash(info.hash.ToHex());
  switch (info.state) {
    case store::BlobState::kAbsent:
      out->set_state(v1::BLOB_STATE_ABSENT);
      break;
    case store::BlobState::kPartial:
      out->set_state(v1::BLOB_STATE_PARTIAL);
      break;
    case store::BlobState::kComplete:
      out->set_state(v1::BLOB_STATE_COMPLETE);
      break;
  }
  out->set_size(info.size);
  out->set_size_proven(info.size_proven);
  out->set_verified_bytes(info.verified_bytes);
  out->set_is_private(info.is_private);
}

void FillKeepings(const Hash& hash, const std::vector<engine::Keeping>& keepings,
                  const engine::Caller& caller,
                  google::protobuf::RepeatedPtrField<v1::Keeping>* out) {
  bool was_got = false;  // by one intent or many: they say the same
  for (size_t i = 0; i < std::min<size_t>(keepings.size(), kMaxPage); ++i) {
    const engine::Keeping& keeping = keepings[i];
    const bool is_again = keeping.because == engine::KeptBecause::kFinished &&
                          !keeping.through_collection && std::exchange(was_got, true);
    if (is_again) continue;
    v1::Keeping* each = out->Add();
    Fill(keeping, caller, each);
    each->set_hash(hash.ToHex());
  }
}

void Fill(const engine::Keeping& keeping, const engine::Caller& caller, v1::Keeping* out) {
  out->set_because(FromKeptBecause(keeping.because));
  if (!keeping.is_private || caller.may_see(keeping.owner_uid)) out->set_tag(keeping.tag);
  out->set_until_unix_ms(keeping.until.unix_ms);
  out->set_through_collection(keeping.through_collection);
}

}  // namespace blobd::rpc
