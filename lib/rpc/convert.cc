#include "rpc/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error_reason.h"
#include "base/overloaded.h"
#include "base/utf8.h"
#include "http/url.h"
#include "wire/text.h"
#include "wire/ticket.h"

namespace blobd::rpc {
namespace {

constexpr Duration kDefaultPatience = hours(24);
constexpr int64_t kMaxPatienceMs = 10LL * 365 * 24 * 3600 * 1000;
constexpr int64_t kMaxDeadlineMs = 7'258'118'400'000;  // the year 2200
constexpr size_t kMaxShown = 80;                       // bytes of a value, in the message about it
// Providers and addresses of one call: each is a row of its one transaction.
constexpr size_t kMaxRowsPerCall = 50'000;

Status TicketError(std::string_view field, const Status& status) {
  return WithDetail(WithReason(Reason::kMalformedTicket, Annotate(status, field)), "field", field);
}

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
      return FieldError(Reason::kInvalidField, field, "unknown priority {}",
                        static_cast<int>(priority));
  }
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
        return FieldError(Reason::kTooLong, field + ".ticket", "longer than {} bytes",
                          kMaxTicketBytes);
      }
      const auto ticket = wire::ParseTicket(item.ticket());
      if (!ticket.ok()) return TicketError(field + ".ticket", ticket.status());
      const auto* blob = std::get_if<wire::BlobTicket>(&*ticket);
      if (blob == nullptr) {
        return FieldError(
            Reason::kInvalidField, field + ".ticket",
            "it names a node but no blob; give the hash, and the ticket's node as provider");
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
      return FieldError(Reason::kMissingField, field, "neither ticket nor kind is given");
  }
  if (item.providers_size() > kMaxProviders) {
    return TooMany(field + ".providers", item.providers_size(), 0, kMaxProviders);
  }
  for (int i = 0; i < item.providers_size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(
        engine::NamedProvider named,
        ToProvider(item.providers(i), fmt::format("{}.providers[{}]", field, i)));
    const auto* mirror = std::get_if<MirrorUrl>(&named.provider);
    if (mirror != nullptr && result.kind.format == BlobFormat::kHashSeq &&
        !http::UrlTemplate::IsTemplate(mirror->url)) {
      return FieldError(
          Reason::kInvalidField, fmt::format("{}.providers[{}].mirror_url", field, i),
          "one URL is one blob; a hash sequence is got from a URL with {{hash}} in it");
    }
    result.providers.push_back(std::move(named));
  }
  BLOBD_ASSIGN_OR_RETURN(result.priority, ToPriority(item.priority(), field + ".priority"));
  if (item.deadline_unix_ms() < 0 || item.deadline_unix_ms() > kMaxDeadlineMs) {
    return FieldError(Reason::kInvalidField, field + ".deadline_unix_ms",
                      "{} is not between 1970 and 2200", item.deadline_unix_ms());
  }
  result.deadline = WallTime{item.deadline_unix_ms()};
  result.patience = kDefaultPatience;
  if (item.has_patience_ms()) {
    if (item.patience_ms() < 0 || item.patience_ms() > kMaxPatienceMs) {
      return FieldError(Reason::kInvalidField, field + ".patience_ms",
                        "{} is not between 0 and ten years", item.patience_ms());
    }
    result.patience = milliseconds(item.patience_ms());
  }
  if (item.label().size() > kMaxLabelBytes) {
    return FieldError(Reason::kTooLong, field + ".label", "longer than {} bytes", kMaxLabelBytes);
  }
  if (item.idempotency_key().size() > kMaxKeyBytes) {
    return FieldError(Reason::kTooLong, field + ".idempotency_key", "longer than {} bytes",
                      kMaxKeyBytes);
  }
  result.label = item.label();
  result.idempotency_key = item.idempotency_key();
  return result;
}

}  // namespace

Status Malformed(Reason reason, std::string_view field, std::string_view text,
                 std::string_view what) {
  return WithDetail(FieldError(reason, field, "\"{}\" is {}", ShortText(text, kMaxShown), what),
                    "value", text);
}

std::string OriginOnly(const ProviderId& provider) {
  std::string text = ToString(provider);
  if (const size_t scheme = text.find("://"); scheme != std::string::npos)
    text.resize(std::min(text.find_first_of("/?", scheme + 3), text.size()));
  return text;
}

std::string ShownProvider(const ProviderId& provider) {
  std::string text = ToString(provider);
  if (const size_t query = text.find('?'); query != std::string::npos) {
    text.resize(query);
    text += "?...";
  }
  return text;
}

Status TooMany(std::string_view field, int count, int least, int most) {
  const Reason reason = count < least ? Reason::kMissingField : Reason::kTooManyItems;
  return WithDetail(FieldError(reason, field, "{} of them; {} to {} are taken", count, least, most),
                    "limit", std::to_string(most));
}

Status BadPageToken(std::string_view token) {
  return Malformed(Reason::kPageToken, "page_token", token, "not one that this list gave");
}

Status UrlError(std::string_view field, std::string_view url, const Status& status) {
  Status error = WithReason(Reason::kMalformedUrl, Annotate(status, field));
  return WithDetail(WithDetail(std::move(error), "field", field), "value", url);
}

StatusOr<Hash> ToHash(std::string_view text, std::string_view field) {
  if (const auto hash = wire::ParseHash(text)) return *hash;
  return Malformed(Reason::kMalformedHash, field, text,
                   "no hash: 64 hex digits or 52 base32 characters");
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
      return FieldError(Reason::kInvalidField, fmt::format("{}.format", field), "unknown format {}",
                        static_cast<int>(kind.format()));
  }
}

StatusOr<NodeId> ToNodeId(std::string_view text, std::string_view field) {
  if (const auto id = wire::ParseNodeId(text)) return *id;
  return Malformed(Reason::kMalformedNodeId, field, text,
                   "no node id: 64 hex digits or 52 base32 characters");
}

StatusOr<std::vector<SocketAddress>> ToAddresses(
    const google::protobuf::RepeatedPtrField<std::string>& texts, std::string_view field) {
  if (texts.size() > kMaxAddresses) {
    return TooMany(field, texts.size(), 0, kMaxAddresses);
  }
  std::vector<SocketAddress> addresses;
  for (const std::string& text : texts) {
    const auto address = SocketAddress::Parse(text);
    if (!address) {
      return Malformed(Reason::kMalformedAddress, field, text,
                       "no address: IP:PORT or [IPV6]:PORT");
    }
    addresses.push_back(*address);
  }
  return addresses;
}

StatusOr<MirrorUrl> ToMirror(std::string_view text, std::string_view field) {
  if (text.size() > kMaxUrlBytes)
    return FieldError(Reason::kTooLong, field, "longer than {} bytes", kMaxUrlBytes);
  if (http::UrlTemplate::IsTemplate(text)) {
    const auto any = http::UrlTemplate::Parse(text);
    if (!any.ok()) return UrlError(field, text, any.status());
    return MirrorUrl{any->text()};
  }
  const auto url = http::Url::Parse(text);
  if (!url.ok()) return UrlError(field, text, url.status());
  return MirrorUrl{url->text()};
}

StatusOr<engine::NamedProvider> ToProvider(const v1::Provider& provider, std::string_view field) {
  switch (provider.provider_case()) {
    case v1::Provider::kNode: {
      engine::NamedProvider named;
      BLOBD_ASSIGN_OR_RETURN(named.provider, ToNodeId(provider.node().node_id(),
                                                      fmt::format("{}.node.node_id", field)));
      BLOBD_ASSIGN_OR_RETURN(named.addresses, ToAddresses(provider.node().addresses(),
                                                          fmt::format("{}.node.addresses", field)));
      return named;
    }
    case v1::Provider::kMirrorUrl: {
      engine::NamedProvider named;
      BLOBD_ASSIGN_OR_RETURN(named.provider,
                             ToMirror(provider.mirror_url(), fmt::format("{}.mirror_url", field)));
      return named;
    }
    case v1::Provider::PROVIDER_NOT_SET:
      break;
  }
  return FieldError(Reason::kMissingField, field, "neither a node nor a mirror is given");
}

StatusOr<std::vector<engine::QueueItem>> ToQueueItems(const v1::QueueRequest& request) {
  if (request.items_size() < 1 || request.items_size() > kMaxItems) {
    return TooMany("items", request.items_size(), 1, kMaxItems);
  }
  std::vector<engine::QueueItem> items;
  items.reserve(static_cast<size_t>(request.items_size()));
  size_t rows = 0;
  for (int i = 0; i < request.items_size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(engine::QueueItem item,
                           ToQueueItem(request.items(i), fmt::format("items[{}]", i)));
    for (const engine::NamedProvider& named : item.providers) rows += 1 + named.addresses.size();
    if (rows > kMaxRowsPerCall) {
      return FieldError(Reason::kTooManyItems, "items",
                        "more than {} providers and addresses in all; use more calls",
                        kMaxRowsPerCall);
    }
    items.push_back(std::move(item));
  }
  return items;
}

StatusOr<std::vector<IntentId>> ToIntentIds(
    const google::protobuf::RepeatedField<google::protobuf::uint64>& ids) {
  if (ids.empty() || ids.size() > kMaxItems) {
    return TooMany("intent_ids", ids.size(), 1, kMaxItems);
  }
  std::vector<IntentId> result;
  for (const uint64_t id : ids) result.push_back(IntentId{id});
  return result;
}

StatusOr<v1::ParseTicketResponse> ParseTicket(std::string_view text) {
  if (text.size() > kMaxTicketBytes)
    return FieldError(Reason::kTooLong, "ticket", "longer than {} bytes", kMaxTicketBytes);
  const auto ticket = wire::ParseTicket(text);
  if (!ticket.ok()) return TicketError("ticket", ticket.status());
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
  return BadPageToken(token);
}

std::string PageTokenOfId(uint64_t id, char list) { return fmt::format("{}{:x}", list, id); }

uint32_t PageSize(uint32_t wanted) {
  return wanted == 0 ? kDefaultPage : std::min(wanted, kMaxPage);
}

}  // namespace blobd::rpc
