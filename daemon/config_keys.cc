#include "daemon/config_keys.h"

#include <fmt/format.h>

#include <vector>

#include "base/nearest_name.h"
#include "base/utf8.h"

namespace blobd::daemon {
namespace {

constexpr std::string_view kOrigins = "mirrors.origins.";
constexpr std::string_view kAnyOrigin = "mirrors.origins.*.";

bool IsOfAnyOrigin(const std::string& name) { return name.starts_with(kAnyOrigin); }

std::string LastPart(const std::string& name) { return name.substr(name.rfind('.') + 1); }

std::string NearestKey(const std::string& name) {
  const bool is_of_origin = name.starts_with(kOrigins);
  std::vector<std::string> names;
  std::vector<std::string> last_parts;
  for (const auto& [key, known] : AllKeys()) {
    if (IsOfAnyOrigin(key) != is_of_origin) continue;
    names.push_back(key);
    last_parts.push_back(LastPart(key));
  }
  if (is_of_origin) return NearestName(LastPart(name), last_parts);
  if (std::string nearest = NearestName(name, names); !nearest.empty()) return nearest;
  // The table may be forgotten, or be another one.
  const std::string part = NearestName(LastPart(name), last_parts);
  if (part.empty()) return "";
  for (size_t i = 0; i < names.size(); ++i)
    if (last_parts[i] == part) return names[i];
  return "";
}

}  // namespace

bool ConfigKey::Hides(std::string_view value) const {
  switch (secrecy) {
    case Secrecy::kNone:
      return false;
    case Secrecy::kUrl:
      return value.find_first_of("@?") != std::string_view::npos;
    case Secrecy::kAlways:
      return !value.empty() && value != "\"\"";
  }
  return true;
}

const ConfigKeys& AllKeys() {
  static const ConfigKeys keys = [] {
    ConfigKeys all = MainKeys();
    all.merge(LookupKeys());
    all.merge(MirrorKeys());
    all.merge(RateKeys());
    return all;
  }();
  return keys;
}

const ConfigKey* FindKey(const std::string& name) {
  const size_t dot = name.rfind('.');
  const bool is_of_origin = name.starts_with(kOrigins) && dot >= kOrigins.size();
  const auto found =
      AllKeys().find(is_of_origin ? std::string(kAnyOrigin) + name.substr(dot + 1) : name);
  return found == AllKeys().end() ? nullptr : &found->second;
}

std::string UnknownKey(const std::string& name) {
  const std::string nearest = NearestKey(name);
  return fmt::format("unknown key {}{}", EscapeForTerminal(name),
                     nearest.empty() ? "" : fmt::format(": did you mean {}?", nearest));
}

std::string VariableOf(const std::string& name) {
  if (IsOfAnyOrigin(name)) return "";
  std::string variable = "BLOBD_";
  for (const char c : name) {
    if (c == '.') {
      variable += '_';
    } else {
      variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return variable;
}

std::string Shown(const std::string& key, const std::string& value) {
  const ConfigKey* known = FindKey(key);
  const bool hidden = known == nullptr || known->Hides(value);
  return hidden && !value.empty() ? std::string(kHidden) : value;
}

}  // namespace blobd::daemon
