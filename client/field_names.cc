#include "client/field_names.h"

#include <array>
#include <string_view>

#include "client/client.h"

namespace blobd::client {
namespace {

struct FieldName {
  std::string_view field;  // without indexes; what is below it counts as it
  std::string_view typed;
  std::string_view next = "";  // what to do about it, where the error does not say
};

// The first that fits counts: longer ones stand before shorter ones.
constexpr std::array<FieldName, 35> kNames = {{
    {"items.providers.node.node_id", "--from", "; write NODE_ID, NODE_ID@IP:PORT or a URL"},
    {"items.providers", "--from"},
    {"items.priority", "--priority"},
    {"items.deadline_unix_ms", "--deadline"},
    {"items.patience_ms", "--patience"},
    {"items.label", "--label"},
    {"items.idempotency_key", "--key"},
    {"items", "WANTED"},
    {"providers.node.node_id", "PROVIDER", "; write NODE_ID, NODE_ID@IP:PORT or a URL"},
    {"providers", "PROVIDER"},
    {"provider", "PROVIDER"},
    {"intent_ids", "INTENT"},
    {"intent_id", "INTENT"},
    {"kind", "WANTED"},
    {"kinds", "WANTED"},
    {"hashes", "HASH"},
    {"hash", "HASH"},
    {"ticket", "WANTED"},
    {"label", "--label"},
    {"states", "--state"},
    {"page_size", "--limit"},
    {"changes.name", "NAME=VALUE"},
    {"changes", "NAME=VALUE"},
    {"reset", "--reset"},
    {"name", "NAME"},
    {"expected_hash", "--expect"},
    {"url", "URL"},
    {"max_bytes", "--max-size"},
    {"length_ms", "--for"},
    {"reason", "--reason"},
    {"prefix", "PREFIX"},
    {"node.addresses", "ADDRESS"},
    {"node", "NODE_ID"},
    {"node_id", "NODE_ID"},
    {"addresses", "--address"},
}};

std::string WithoutIndexes(std::string_view field) {
  std::string plain;
  bool is_index = false;
  for (const char c : field) {
    if (c == '[') is_index = true;
    if (!is_index) plain += c;
    if (c == ']') is_index = false;
  }
  return plain;
}

const FieldName* NameOf(const std::string& field) {
  for (const FieldName& name : kNames) {
    if (field == name.field || field.starts_with(std::string(name.field) + ".")) return &name;
  }
  return nullptr;
}

}  // namespace

std::string InWordsOfOptions(const Status& status) {
  std::string message = Message(status);
  const auto reason = ReasonOf(status);
  if (!reason || reason->domain != "blobd") return message;
  const auto detail = reason->details.find("field");
  if (detail == reason->details.end() || !message.starts_with(detail->second + ": "))
    return message;
  const FieldName* name = NameOf(WithoutIndexes(detail->second));
  if (name == nullptr) return message;
  return std::string(name->typed) + message.substr(detail->second.size()) + std::string(name->next);
}

}  // namespace blobd::client
