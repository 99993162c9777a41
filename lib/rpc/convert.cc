#include "rpc/convert.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

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
    const auto* mirror = std::get_if<MirrorUrl>(&named.provider);
    if (mirror != nullptr && result.kind.format == BlobFormat::kHashSeq &&
        !http::UrlTemplate::IsTemplate(mirror->url)) {
      return InvalidArgument(
          "{}.providers[{}].mirror_url: one URL is one blob; a hash sequence is got from a URL "
          "with {{hash}} in it",
          field, i);
    }
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

StatusOr<NodeId> ToNodeId(std::string_view text, std::string_view field) {
  if (const auto id = wire::ParseNodeId(text)) return *id;
  return InvalidArgument("{}: \"{}\" is no node id: 64 hex digits or 52 base32 characters", field,
                         text.substr(0, 80));
}

StatusOr<std::vector<SocketAddress>> ToAddresses(
    const google::protobuf::RepeatedPtrField<std::string>& texts, std::string_view field) {
  if (texts.size() > kMaxAddresses) {
    return InvalidArgument("{}: {} of them; the limit is {}", field, texts.size(), kMaxAddresses);
  }
  std::vector<SocketAddress> addresses;
  for (const std::string& text : texts) {
    const auto address = SocketAddress::Parse(text);
    if (!address) {
      return InvalidArgument("{}: \"{}\" is no address: IP:PORT or [IPV6]:PORT", field,
                             text.substr(0, 80));
    }
    addresses.push_back(*address);
  }
  return addresses;
}

StatusOr<MirrorUrl> ToMirror(std::string_view text, std::string_view field) {
  if (text.size() > kMaxUrlBytes)
    return InvalidArgument("{}: longer than {} bytes", field, kMaxUrlBytes);
  if (http::UrlTemplate::IsTemplate(text)) {
    const auto any = http::UrlTemplate::Parse(text);
    if (!any.ok()) return Annotate(any.status(), field);
    return MirrorUrl{any->text()};
  }
  const auto url = http::Url::Parse(text);
  if (!url.ok()) return Annotate(url.status(), field);
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

StatusOr<std::vector<IntentId>> ToIntentIds(
    const google::protobuf::RepeatedField<google::protobuf::uint64>& ids) {
  if (ids.empty() || ids.size() > kMaxItems) {
    return InvalidArgument("intent_ids: {} of them; 1 to {} are taken", ids.size(), kMaxItems);
  }
  std::vector<IntentId> result;
  for (const uint64_t id : ids) result.push_back(IntentId{id});
  return result;
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

}  // namespace blobd::rpc
