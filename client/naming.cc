// How things are named on the command line: tickets, hashes, providers, durations.
#include <algorithm>
#include <cctype>
#include <chrono>

#include "base/time.h"
#include "base/utf8.h"
#include "client/context.h"

namespace blobd::client {
namespace {

constexpr size_t kHexHash = 64;
constexpr size_t kBase32Hash = 52;
// As many digits as tables show could be the beginning of one.
constexpr size_t kShortHash = 6;

bool IsCollection(const std::string& wanted) {
  return wanted.size() == kHexHash + 1 && wanted.front() == 's';
}

// Longer than any tag that a person types; a whole ticket is never the name of a tag.
bool LooksLikeTicket(const std::string& text) { return text.size() > 60; }

// What begins so and is no tag is a ticket that was cut or mistyped; the daemon says what is wrong.
bool BeginsLikeTicket(const std::string& text) {
  return text.starts_with("blob") || text.starts_with("node") || text.starts_with("endpoint");
}

bool IsAll(std::string_view text, int (*kind)(int)) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return kind(static_cast<unsigned char>(c)) != 0; });
}

}  // namespace

bool IsHashSyntax(const std::string& text) {
  if (IsCollection(text)) return IsAll(std::string_view(text).substr(1), std::isxdigit);
  return (text.size() == kHexHash && IsAll(text, std::isxdigit)) ||
         (text.size() == kBase32Hash && IsAll(text, std::isalnum));
}

Status ResolveTag(Context& context, std::string* wanted) {
  if (IsHashSyntax(*wanted)) return OkStatus();
  v1::ListTagsRequest request;
  request.set_name(*wanted);
  BLOBD_ASSIGN_OR_RETURN(const v1::ListTagsResponse found, context.daemon->ListTags(request));
  const std::string shown = EscapeForTerminal(*wanted);
  if (found.tags().empty()) {
    std::string_view digits = *wanted;
    if (digits.starts_with('s')) digits.remove_prefix(1);
    const bool is_part = digits.size() >= kShortHash && IsAll(digits, std::isxdigit);
    return NotFound("\"{}\" is no hash{}, and there is no tag of that name", shown,
                    is_part ? " (they are written in full, as --full shows them)" : "");
  }
  const v1::Tag& tag = found.tags(0);
  if (!tag.has_kind()) {
    return PermissionDenied("what tag \"{}\" names is private to uid {}", shown, tag.owner_uid());
  }
  *wanted = NameOf(tag.kind());
  return OkStatus();
}

Status ResolveHash(Context& context, std::string* hash) {
  BLOBD_RETURN_IF_ERROR(ResolveTag(context, hash));
  *hash = KindOf(*hash).hash();
  return OkStatus();
}

Status ResolveWanted(Context& context, std::string* wanted) {
  if (LooksLikeTicket(*wanted)) return OkStatus();
  Status status = ResolveTag(context, wanted);
  if (status.code() != StatusCode::kNotFound) return status;
  if (BeginsLikeTicket(*wanted)) return OkStatus();
  return NotFound("{}; nor is it a ticket", Message(status));
}

bool IsKnownCollection(DaemonClient& daemon, const std::string& hash) {
  v1::GetCollectionRequest request;
  request.set_hash(hash);
  request.set_limit(1);
  return daemon.GetCollection(request).ok();
}

std::string NameOf(const v1::Kind& kind) {
  return (kind.format() == v1::BLOB_FORMAT_HASH_SEQ ? "s" : "") + kind.hash();
}

StatusOr<v1::Provider> ProviderOf(const std::string& text) {
  v1::Provider provider;
  if (text.starts_with("http://") || text.starts_with("https://")) {
    provider.set_mirror_url(text);
    return provider;
  }
  const size_t at = text.find('@');
  v1::Node* node = provider.mutable_node();
  node->set_node_id(text.substr(0, at));
  if (at == std::string::npos) return provider;
  for (size_t begin = at + 1; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin)
      return InvalidArgument("--from {}: an address is missing behind '@' or ','", text);
    node->add_addresses(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return provider;
}

v1::Kind KindOf(const std::string& wanted) {
  v1::Kind kind;
  const bool collection = IsCollection(wanted);
  kind.set_hash(collection ? wanted.substr(1) : wanted);
  kind.set_format(collection ? v1::BLOB_FORMAT_HASH_SEQ : v1::BLOB_FORMAT_RAW);
  return kind;
}

StatusOr<v1::QueueItem> ItemOf(const std::string& wanted, const QueueOptions& options) {
  v1::QueueItem item;
  if (wanted.size() == kHexHash || wanted.size() == kBase32Hash || IsCollection(wanted)) {
    *item.mutable_kind() = KindOf(wanted);
  } else {
    item.set_ticket(wanted);
  }
  for (const std::string& text : options.providers) {
    BLOBD_ASSIGN_OR_RETURN(*item.add_providers(), ProviderOf(text));
  }
  item.set_priority(options.priority == "background" ? v1::PRIORITY_BACKGROUND
                    : options.priority == "urgent"   ? v1::PRIORITY_URGENT
                                                     : v1::PRIORITY_NORMAL);
  item.set_label(options.label);
  item.set_idempotency_key(options.key);
  if (options.patience_ms) item.set_patience_ms(*options.patience_ms);
  if (options.deadline_ms) {
    item.set_deadline_unix_ms(
        (SystemClock().WallNow() + milliseconds(*options.deadline_ms)).unix_ms);
  }
  return item;
}

}  // namespace blobd::client
