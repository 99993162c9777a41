// How things are named on the command line: tickets, hashes, providers, durations.
#include <chrono>

#include "base/time.h"
#include "client/context.h"

namespace blobd::client {
namespace {

constexpr size_t kHexHash = 64;
constexpr size_t kBase32Hash = 52;

bool IsCollection(const std::string& wanted) {
  return wanted.size() == kHexHash + 1 && wanted.front() == 's';
}

}  // namespace

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
