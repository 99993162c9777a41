#include "daemon/mirror_config.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "daemon/config_values.h"

namespace blobd::daemon {
namespace {

using schedule::Preference;

constexpr size_t kMaxTemplates = 64;
constexpr size_t kMaxOrigins = 256;
constexpr int64_t kMaxConnections = 256;
constexpr std::pair<std::string_view, Preference> kPreferences[] = {
    {"throughput", Preference::kThroughput},
    {"nodes", Preference::kNodes},
    {"mirrors", Preference::kMirrors}};

// ---- What may be said of all mirrors, or of those of one origin ----

// What is not said of an origin is as for all.
template <typename Member>
ConfigKey OriginFlag(bool by_default, Member member) {
  const std::string valid = "true or false";
  return Key(
      valid,
      by_default ? "true" : "false", [member](auto& c) -> auto& { return c.mirrors.all.*member; },
      [member, valid](const toml::node& node, Config* config) {
        const auto value = node.value_exact<bool>();
        if (!value) return Expected(valid);
        config->mirrors.all.*member = *value;
        return OkStatus();
      });
}

ConfigKey Proxy() {
  const std::string valid = "\"http://\", \"https://\" or \"socks5h://\" and a host, or \"\"";
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto value = node.value_exact<std::string>();
    if (!value) return Expected(valid);
    BLOBD_RETURN_IF_ERROR(http::CheckProxy(*value));
    config->mirrors.all.proxy = *value;
    return OkStatus();
  };
  ConfigKey key = Key(
      valid, "\"\"", [](auto& c) -> auto& { return c.mirrors.all.proxy; }, apply);
  key.is_text = true;
  return Secret(Secrecy::kAlways, key);
}

ConfigKey Connections() {
  const std::string valid = fmt::format("a whole number from 1 to {}", kMaxConnections);
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < 1 || *value > kMaxConnections) return Expected(valid);
    config->mirrors.all.connections = static_cast<uint32_t>(*value);
    return OkStatus();
  };
  return Key(
      valid, "", [](auto& c) -> auto& { return c.mirrors.all.connections; }, apply);
}

Status ApplyHeaders(const toml::node& node, Config* config) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return Expected("a table, as in { Authorization = \"Bearer ...\" }");
  http::OriginConfig all;
  for (const auto& [key, value] : *table) {
    const auto text = value.value_exact<std::string>();
    if (!text) return Expected("a text in quotes");
    BLOBD_RETURN_IF_ERROR(http::CheckHeader(key.str(), *text));
    all.headers.emplace_back(key.str(), *text);
  }
  BLOBD_RETURN_IF_ERROR(http::CheckConfig(all));
  config->mirrors.all.headers = std::move(all.headers);
  return OkStatus();
}

// ---- What is said of all ----

ConfigKey Prefer() {
  const std::string valid = "\"throughput\", \"nodes\" or \"mirrors\"";
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto name = node.value_exact<std::string>();
    for (const auto& [text, preference] : kPreferences) {
      if (name != text) continue;
      config->mirrors.prefer = preference;
      return OkStatus();
    }
    return Expected(valid);
  };
  ConfigKey key = Key(
      valid, "\"throughput\"", [](auto& c) -> auto& { return c.mirrors.prefer; }, apply);
  key.is_text = true;
  return key;
}

std::string ValidTemplates() {
  return fmt::format("a list of at most {} URLs, as in [\"https://mirror.example/{{hash}}\"]",
                     kMaxTemplates);
}

Status ApplyTemplates(const toml::node& node, Config* config) {
  const auto texts = TextsOf(node, kMaxTemplates);
  if (!texts) return Expected(ValidTemplates());
  std::vector<std::string> templates;
  for (const std::string& text : *texts) {
    // By number, since a URL may have a password or a token in it.
    const std::string entry = fmt::format("entry {}", templates.size() + 1);
    if (!http::UrlTemplate::IsTemplate(text))
      return InvalidArgument("{} has no {{hash}} in it", entry);
    const auto parsed = http::UrlTemplate::Parse(text);
    if (!parsed.ok()) return Annotate(parsed.status(), entry);
    if (std::find(templates.begin(), templates.end(), parsed->text()) != templates.end())
      return InvalidArgument("{} is in the list twice", entry);
    templates.push_back(parsed->text());
  }
  config->mirrors.templates = std::move(templates);
  return OkStatus();
}

// ---- Origins ----

Status Wrong(const ConfigPlace& place, const toml::source_region& region, const std::string& name,
             const Status& status) {
  return InvalidArgument("{}: {}: {}", place.At(region.begin.line).ToString(), name,
                         Message(status));
}

// The keys of one origin; what other files said of it is void.
Status ApplyOrigin(const http::Origin& origin, const toml::table& table, const std::string& shown,
                   const ConfigPlace& place, Config* config) {
  const std::string prefix = fmt::format("mirrors.origins.{}.", TextToToml(origin.ToString()));
  std::erase_if(config->written, [&](const auto& each) { return each.first.starts_with(prefix); });
  Config said;  // as if of all mirrors
  for (const auto& [key, node] : table) {
    const std::string leaf(key.str());
    const std::string name = shown + "." + leaf;
    const auto known = AllKeys().find("mirrors.origins.*." + leaf);
    if (known == AllKeys().end()) {
      return InvalidArgument("{}: {}", place.At(key.source().begin.line).ToString(),
                             UnknownKey(name));
    }
    if (const Status status = known->second.apply(node, &said); !status.ok())
      return Wrong(place, node.source(), name, status);
    config->written[prefix + leaf] = {ToToml(node), place.At(node.source().begin.line)};
  }
  config->mirrors.origins[origin] = std::move(said.mirrors.all);
  return OkStatus();
}

void Lay(const MirrorOrigin& said, http::OriginConfig* config) {
  config->headers = said.headers;
  if (said.proxy) config->proxy = *said.proxy;
  if (said.allow_local) config->local_allowed = *said.allow_local;
  if (said.polite) config->ramp.polite = *said.polite;
  if (said.ramp) config->ramp.ramp = *said.ramp;
  if (!said.connections) return;
  config->ramp.cap = *said.connections;
  config->own_cap = true;
}

}  // namespace

ConfigKeys MirrorKeys() {
  ConfigKeys keys = {
      {"mirrors.templates", Secret(Secrecy::kUrl, Key(
                                                      ValidTemplates(), "[]", [](auto& c) -> auto& {
                                                        return c.mirrors.templates;
                                                      },
                                                      ApplyTemplates))},
      {"mirrors.prefer", Prefer()},
      {"mirrors.ca_file", Text([](auto& c) -> auto& { return c.mirrors.ca_file; })},
      {"mirrors.origins.*.connections", Connections()},
      {"mirrors.origins.*.headers",
       Secret(Secrecy::kAlways,
              Key(
                  "a table of texts", "", [](auto& c) -> auto& { return c.mirrors.all.headers; },
                  ApplyHeaders))},
  };
  for (const std::string table : {"mirrors.", "mirrors.origins.*."}) {
    keys[table + "allow_local"] = OriginFlag(false, &MirrorOrigin::allow_local);
    keys[table + "polite"] = OriginFlag(false, &MirrorOrigin::polite);
    keys[table + "ramp"] = OriginFlag(true, &MirrorOrigin::ramp);
    keys[table + "proxy"] = Proxy();
  }
  return keys;
}

Status ApplyOrigins(const toml::node& node, const ConfigPlace& place, Config* config) {
  const toml::table* table = node.as_table();
  if (table == nullptr || table->size() > kMaxOrigins) {
    return Wrong(place, node.source(), "mirrors.origins",
                 InvalidArgument("expected at most {} tables, as in "
                                 "[mirrors.origins.\"https://mirror.example\"]",
                                 kMaxOrigins));
  }
  for (const auto& [key, inner] : *table) {
    const auto url = http::Url::Parse(key.str());
    // Without its text, which may have a password in it.
    if (!url.ok()) return Wrong(place, key.source(), "mirrors.origins", url.status());
    const std::string name = fmt::format("mirrors.origins.{}", TextToToml(key.str()));
    if (url->text() != url->origin().ToString() + "/") {
      return Wrong(place, key.source(), name,
                   InvalidArgument("expected scheme, host and port only, as in {}",
                                   url->origin().ToString()));
    }
    const toml::table* values = inner.as_table();
    if (values == nullptr)
      return Wrong(place, inner.source(), name, InvalidArgument("expected a table"));
    BLOBD_RETURN_IF_ERROR(ApplyOrigin(url->origin(), *values, name, place, config));
  }
  return OkStatus();
}

http::OriginConfigs ToOrigins(const MirrorConfig& config, uint32_t connections) {
  http::OriginConfigs origins;
  origins.defaults.ramp.cap = connections;
  Lay(config.all, &origins.defaults);
  for (const auto& [origin, said] : config.origins) {
    http::OriginConfig& each = origins.named[origin];
    each = origins.defaults;
    Lay(said, &each);
  }
  return origins;
}

}  // namespace blobd::daemon
