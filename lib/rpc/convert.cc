#include "rpc/convert.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/overloaded.h"
#include "base/utf8.h"
#include "wire/text.h"
#include "wire/ticket.h"

namespace blobd::rpc {
namespace {

constexpr Duration kDefaultPatience = hours(24);
constexpr int64_t kMaxPatienceMs = 10LL * 365 * 24 * 3600 * 1000;
constexpr int64_t kMaxDeadlineMs = 7'258'118'400'000;  // the year 2200
constexpr size_t kMaxFailuresShown = 64;
// Providers and addresses of one call: each is a row of its one transaction.
constexpr size_t kMaxRowsPerCall = 50'000;

StatusOr<schedule::Priority> ToPriority(v1::Priority priority, std::string_view field) {
  switch (static_cast<int>(priority)) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL:
      return schedule::Priority::kNormal;
    case v1::PRIORITY_BACKGROUND:
      return schedule::Priority::kBackground;
    case v1::PRIORITY_URGENT:
      return schedule::Priority::kUrgent;
    default:
      return InvalidArgument("{}: unknown priority {}", field, static_cast<int>(priority));
  }
}

v1::Priority FromPriority(uint8_t priority) {
  if (priority == 0) return v1::PRIORITY_BACKGROUND;
  return priority == 2 ? v1::PRIORITY_URGENT : v1::PRIORITY_NORMAL;
}

StatusOr<engine::NamedProvider> FromAddr(const wire::NodeAddr& addr, std::string source) {
  engine::NamedProvider named;
  named.provider = addr.node;
  named.source = std::move(source);
  const size_t count = std::min(addr.addresses.size(), static_cast<size_t>(kMaxAddresses));
  named.addresses.assign(addr.addresses.begin(),
                         addr.addresses.begin() + static_cast<ptrdiff_t>(count));
  return named;
}

StatusOr<engine::QueueItem> ToQueueItem(const v1::QueueItem& item, const std::string& field) {
  engine::QueueItem result;
  switch (item.wanted_case()) {
    case v1::QueueItem::kTicket: {
      if (item.ticket().size() > kMaxTicketBytes) {
        return InvalidArgument("{}.ticket: longer than {} bytes", field, kMaxTicketBytes);
      }
      const auto ticket = wire::ParseTicket(item.ticket());
      if (!ticket.ok()) return Annotate(ticket.status(), field + ".ticket");
      const auto* blob = std::get_if<wire::BlobTicket>(&*ticket);
      if (blob == nullptr) {
        return InvalidArgument(
            "{}.ticket: it names a node but no blob; give the hash, and the ticket's node as "
            "provider",
            field);
      }
      result.kind = blob->kind;
      BLOBD_ASSIGN_OR_RETURN(engine::NamedProvider named, FromAddr(blob->addr, "ticket"));
      result.providers.push_back(std::move(named));
      break;
    }
    case v1::QueueItem::kKind: {
      BLOBD_ASSIGN_OR_RETURN(result.kind, ToKind(item.kind(), field + ".kind"));
      break;
    }
    case v1::QueueItem::WANTED_NOT_SET:
      return InvalidArgument("{}: neither ticket nor kind is given", field);
  }
  if (item.providers_size() > kMaxProviders) {
    return InvalidArgument("{}.providers: {} of them; the limit is {}", field,
                           item.providers_size(), kMaxProviders);
  }
  for (int i = 0; i < item.providers_size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(
        engine::NamedProvider named,
        ToProvider(item.providers(i), fmt::format("{}.providers[{}]", field, i)));
    result.providers.push_back(std::move(named));
  }
  BLOBD_ASSIGN_OR_RETURN(result.priority, ToPriority(item.priority(), field + ".priority"));
  if (item.deadline_unix_ms() < 0 || item.deadline_unix_ms() > kMaxDeadlineMs) {
    return InvalidArgument("{}.deadline_unix_ms: {} is not between 1970 and 2200", field,
                           item.deadline_unix_ms());
  }
  result.deadline = WallTime{item.deadline_unix_ms()};
  result.patience = kDefaultPatience;
  if (item.has_patience_ms()) {
    if (item.patience_ms() < 0 || item.patience_ms() > kMaxPatienceMs) {
      return InvalidArgument("{}.patience_ms: {} is not between 0 and ten years", field,
                             item.patience_ms());
    }
    result.patience = milliseconds(item.patience_ms());
  }
  if (item.label().size() > kMaxLabelBytes) {
    return InvalidArgument("{}.label: longer than {} bytes", field, kMaxLabelBytes);
  }
  if (item.idempotency_key().size() > kMaxKeyBytes) {
    return InvalidArgument("{}.idempotency_key: longer than {} bytes", field, kMaxKeyBytes);
  }
  result.label = item.label();
  result.idempotency_key = item.idempotency_key();
  return result;
}

v1::IntentState FromState(const engine::IntentView& view) {
  switch (view.state) {
    case engine::IntentState::kQueued:
      return v1::INTENT_STATE_QUEUED;
    case engine::IntentState::kWaiting:
      return v1::INTENT_STATE_WAITING;
    case engine::IntentState::kParked:
      return v1::INTENT_STATE_PARKED;
    case engine::IntentState::kRunning:
      return v1::INTENT_STATE_RUNNING;
    case engine::IntentState::kEnded:
      break;
  }
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

v1::FailureOutcome FromOutcome(schedule::Outcome outcome) {
  switch (outcome) {
    case schedule::Outcome::kNotHere:
      return v1::FAILURE_OUTCOME_NOT_HERE;
    case schedule::Outcome::kAbortRequest:
      return v1::FAILURE_OUTCOME_ABORT_REQUEST;
    case schedule::Outcome::kDropProvider:
      return v1::FAILURE_OUTCOME_DROP_PROVIDER;
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

}  // namespace

StatusOr<Hash> ToHash(std::string_view text, std::string_view field) {
  if (const auto hash = wire::ParseHash(text)) return *hash;
  return InvalidArgument("{}: \"{}\" is no hash: 64 hex digits or 52 base32 characters", field,
                         text.substr(0, 80));
}

StatusOr<Kind> ToKind(const v1::Kind& kind, std::string_view field) {
  BLOBD_ASSIGN_OR_RETURN(const Hash hash, ToHash(kind.hash(), fmt::format("{}.hash", field)));
  switch (static_cast<int>(kind.format())) {
    case v1::BLOB_FORMAT_UNSPECIFIED:
    case v1::BLOB_FORMAT_RAW:
      return Kind{hash, BlobFormat::kRaw};
    case v1::BLOB_FORMAT_HASH_SEQ:
      return Kind{hash, BlobFormat::kHashSeq};
    default:
      return InvalidArgument("{}.format: unknown format {}", field,
                             static_cast<int>(kind.format()));
  }
}

StatusOr<engine::NamedProvider> ToProvider(const v1::Provider& provider, std::string_view field) {
  switch (provider.provider_case()) {
    case v1::Provider::kNode: {
      engine::NamedProvider named;
      const auto id = wire::ParseNodeId(provider.node().node_id());
      if (!id) {
        return InvalidArgument(
            "{}.node.node_id: \"{}\" is no node id: 64 hex digits or 52 base32 characters", field,
            provider.node().node_id().substr(0, 80));
      }
      named.provider = *id;
      if (provider.node().addresses_size() > kMaxAddresses) {
        return InvalidArgument("{}.node.addresses: {} of them; the limit is {}", field,
                               provider.node().addresses_size(), kMaxAddresses);
      }
      for (const std::string& text : provider.node().addresses()) {
        const auto address = SocketAddress::Parse(text);
        if (!address) {
          return InvalidArgument("{}.node.addresses: \"{}\" is no address: IP:PORT or [IPV6]:PORT",
                                 field, text.substr(0, 80));
        }
        named.addresses.push_back(*address);
      }
      return named;
    }
    case v1::Provider::kMirrorUrl:
      return InvalidArgument(
          "{}.mirror_url: this version gets blobs from nodes only; name a node instead", field);
    case v1::Provider::PROVIDER_NOT_SET:
      break;
  }
  return InvalidArgument("{}: neither a node nor a mirror is given", field);
}

StatusOr<std::vector<engine::QueueItem>> ToQueueItems(const v1::QueueRequest& request) {
  if (request.items_size() < 1 || request.items_size() > kMaxItems) {
    return InvalidArgument("items: {} of them; 1 to {} are taken", request.items_size(), kMaxItems);
  }
  std::vector<engine::QueueItem> items;
  items.reserve(static_cast<size_t>(request.items_size()));
  size_t rows = 0;
  for (int i = 0; i < request.items_size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(engine::QueueItem item,
                           ToQueueItem(request.items(i), fmt::format("items[{}]", i)));
    for (const engine::NamedProvider& named : item.providers) rows += 1 + named.addresses.size();
    if (rows > kMaxRowsPerCall) {
      return InvalidArgument("items: more than {} providers and addresses in all; use more calls",
                             kMaxRowsPerCall);
    }
    items.push_back(std::move(item));
  }
  return items;
}

StatusOr<std::vector<IntentId>> ToIntentIds(const v1::CancelRequest& request) {
  if (request.intent_ids_size() < 1 || request.intent_ids_size() > kMaxItems) {
    return InvalidArgument("intent_ids: {} of them; 1 to {} are taken", request.intent_ids_size(),
                           kMaxItems);
  }
  std::vector<IntentId> ids;
  for (const uint64_t id : request.intent_ids()) ids.push_back(IntentId{id});
  return ids;
}

StatusOr<v1::ParseTicketResponse> ParseTicket(std::string_view text) {
  if (text.size() > kMaxTicketBytes)
    return InvalidArgument("ticket: longer than {} bytes", kMaxTicketBytes);
  const auto ticket = wire::ParseTicket(text);
  if (!ticket.ok()) return Annotate(ticket.status(), "ticket");
  v1::ParseTicketResponse response;
  const auto fill = [&](const wire::NodeAddr& addr) {
    response.mutable_node()->set_node_id(addr.node.ToHex());
    for (const SocketAddress& address : addr.addresses)
      response.mutable_node()->add_addresses(address.ToString());
    for (const std::string& url : addr.relay_urls) response.add_relay_urls(EscapeForTerminal(url));
  };
  std::visit(Overloaded{
                 [&](const wire::BlobTicket& t) {
                   fill(t.addr);
                   Fill(t.kind, response.mutable_kind());
                 },
                 [&](const wire::NodeTicket& t) { fill(t.addr); },
                 [&](const wire::EndpointTicket& t) { fill(t.addr); },
             },
             *ticket);
  return response;
}

StatusOr<uint64_t> IdFromPageToken(std::string_view token, char list) {
  if (token.empty()) return 0;
  uint64_t id = 0;
  const char* end = token.data() + token.size();
  if (token.front() == list) {
    const auto [parsed, error] = std::from_chars(token.data() + 1, end, id, 16);
    if (error == std::errc() && parsed == end) return id;
  }
  return InvalidArgument("page_token: \"{}\" is not one that this list gave", token.substr(0, 80));
}

std::string PageTokenOfId(uint64_t id, char list) { return fmt::format("{}{:x}", list, id); }

uint32_t PageSize(uint32_t wanted) {
  return wanted == 0 ? kDefaultPage : std::min(wanted, kMaxPage);
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
  for (const TransferId id : view.transfers) out->add_transfer_ids(id.value);
  for (const schedule::ProviderFailure& failure : view.failures) {
    if (static_cast<size_t>(out->failures_size()) == kMaxFailuresShown) break;
    v1::ProviderFailure* each = out->add_failures();
    each->set_provider(ToString(failure.provider));
    each->set_reason(failure.reason);
    each->set_outcome(FromOutcome(failure.outcome));
  }
}

void Fill(const engine::TransferView& view, v1::Transfer* out) {
  out->set_transfer_id(view.id.value);
  out->set_provider(ToString(view.provider));
  Fill(view.kind, out->mutable_kind());
  out->set_state(FromState(view.state));
  out->set_reason(view.reason);
  out->set_received_bytes(view.received_bytes);
  out->set_verified_bytes(view.verified_bytes);
  out->set_total_bytes(view.total_bytes);
  out->set_rate(view.rate);
  out->set_started_unix_ms(view.started.unix_ms);
  out->set_finished_unix_ms(view.finished.unix_ms);
  for (const IntentId id : view.intents) out->add_intent_ids(id.value);
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
}

}  // namespace blobd::rpc
