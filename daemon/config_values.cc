#include "daemon/config_values.h"

#include <optional>
#include <sstream>

#include "base/units.h"
#include "base/utf8.h"

namespace blobd::daemon {
namespace {

// A key that can stand there without quotes.
bool IsBare(std::string_view key) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  for (const char c : key)
    if (!is_plain(c)) return false;
  return !key.empty();
}

// Of the first character, in bytes; 1 of what is none.
size_t LengthOf(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length)
    if (IsUtf8(text.substr(0, length))) return length;
  return 1;
}

// U+FFFD of what is no character.
uint32_t CodePointOf(std::string_view character) {
  if (!IsUtf8(character)) return 0xfffd;
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  uint32_t value = first & (0x7fu >> character.size());
  for (const char next : character.substr(1))
    value = value << 6 | (static_cast<uint8_t>(next) & 0x3fu);
  return value;
}

std::string Joined(const std::vector<std::string>& parts, std::string_view begin,
                   std::string_view end) {
  return fmt::format("{}{}{}", begin, fmt::join(parts, ", "), end);
}

}  // namespace

std::string TextToToml(std::string_view text) {
  std::string toml = "\"";
  while (!text.empty()) {
    const std::string_view character = text.substr(0, LengthOf(text));
    text.remove_prefix(character.size());
    if (character == "\"" || character == "\\") {
      toml += '\\';
      toml += character;
    } else if (IsPlainText(character)) {
      toml += character;
    } else {
      const uint32_t value = CodePointOf(character);
      toml += value > 0xffff ? fmt::format("\\U{:08X}", value) : fmt::format("\\u{:04X}", value);
    }
  }
  return toml + "\"";
}

std::string ListToToml(const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (const std::string& text : texts) parts.push_back(TextToToml(text));
  return Joined(parts, "[", "]");
}

std::string ToToml(const toml::node& node) {
  std::vector<std::string> parts;
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& each : *list) parts.push_back(ToToml(each));
    return Joined(parts, "[", "]");
  }
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      const std::string name = IsBare(key.str()) ? std::string(key.str()) : TextToToml(key.str());
      parts.push_back(fmt::format("{} = {}", name, ToToml(value)));
    }
    return table->empty() ? "{}" : Joined(parts, "{ ", " }");
  }
  if (const auto text = node.value_exact<std::string>()) return TextToToml(*text);
  if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  // Dates and the like, which no key takes.
  std::ostringstream other;
  node.visit([&other](const auto& value) { other << value; });
  return other.str();
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  if (text == "0") return 0;
  // What is per second is a rate.
  if (text.find('/') != std::string_view::npos) return std::nullopt;
  return ParseRate(text);
}

std::optional<std::vector<std::string>> TextsOf(const toml::node& node, size_t limit) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() > limit) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& each : *list) {
    auto text = each.value_exact<std::string>();
    if (!text) return std::nullopt;
    texts.push_back(*std::move(text));
  }
  return texts;
}

}  // namespace blobd::daemon
