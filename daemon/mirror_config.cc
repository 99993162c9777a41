#include "daemon/mirror_config.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace blobd::daemon {
namespace {

constexpr size_t kMaxTemplates = 64;
constexpr size_t kMaxOrigins = 256;
constexpr int64_t kMaxConnections = 256;

// Says where it is wrong. One per file.
class Reader {
 public:
  Reader(const std::string& file, MirrorConfig* config) : file_(file), config_(config) {}

  Status Read(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "templates") {
        BLOBD_RETURN_IF_ERROR(At(node, "mirrors.templates", ReadTemplates(node)));
      } else if (name == "ca_file") {
        BLOBD_RETURN_IF_ERROR(At(node, "mirrors.ca_file", ReadText(node, &config_->ca_file)));
      } else if (name == "prefer") {
        BLOBD_RETURN_IF_ERROR(At(node, "mirrors.prefer", ReadPreference(node)));
      } else if (name == "origins") {
        BLOBD_RETURN_IF_ERROR(ReadOrigins(node));
      } else {
        BLOBD_RETURN_IF_ERROR(ReadKey(key, node, "mirrors." + name, name, false, &config_->all));
      }
    }
    return OkStatus();
  }

 private:
  template <typename Where>
  Status At(const Where& where, const std::string& name, const Status& status) const {
    if (status.ok()) return status;
    return InvalidArgument("{}:{}: {}: {}", file_, where.source().begin.line, name,
                           Message(status));
  }

  static Status ReadText(const toml::node& node, std::string* text) {
    const auto value = node.value_exact<std::string>();
    if (!value) return InvalidArgument("expected a text in quotes");
    *text = *value;
    return OkStatus();
  }
  static Status ReadBool(const toml::node& node, std::optional<bool>* place) {
    *place = node.value_exact<bool>();
    return *place ? OkStatus() : InvalidArgument("expected true or false");
  }

  Status ReadPreference(const toml::node& node) const {
    using schedule::Preference;
    static constexpr std::pair<std::string_view, Preference> kNames[] = {
        {"throughput", Preference::kThroughput},
        {"nodes", Preference::kNodes},
        {"mirrors", Preference::kMirrors}};
    const auto name = node.value_exact<std::string>();
    for (const auto& [text, preference] : kNames) {
      if (name != text) continue;
      config_->prefer = preference;
      return OkStatus();
    }
    return InvalidArgument("expected \"throughput\", \"nodes\" or \"mirrors\"");
  }

  Status ReadTemplates(const toml::node& node) const {
    const toml::array* list = node.as_array();
    if (list == nullptr || list->size() > kMaxTemplates) {
      return InvalidArgument(
          "expected a list of at most {} URLs, as in [\"https://mirror.example/{{hash}}\"]",
          kMaxTemplates);
    }
    std::vector<std::string> templates;
    for (const toml::node& each : *list) {
      std::string text;
      BLOBD_RETURN_IF_ERROR(ReadText(each, &text));
      if (!http::UrlTemplate::IsTemplate(text))
        return InvalidArgument("{} has no {{hash}} in it", text);
      const auto parsed = http::UrlTemplate::Parse(text);
      if (!parsed.ok()) return Annotate(parsed.status(), text);
      if (std::find(templates.begin(), templates.end(), parsed->text()) != templates.end())
        return InvalidArgument("{} is in the list twice", text);
      templates.push_back(parsed->text());
    }
    config_->templates = std::move(templates);
    return OkStatus();
  }

  Status ReadOrigins(const toml::node& node) const {
    const toml::table* table = node.as_table();
    if (table == nullptr || table->size() > kMaxOrigins) {
      return At(node, "mirrors.origins",
                InvalidArgument("expected at most {} tables, as in "
                                "[mirrors.origins.\"https://mirror.example\"]",
                                kMaxOrigins));
    }
    for (const auto& [key, inner] : *table) {
      const std::string name = "mirrors.origins.\"" + std::string(key.str()) + "\"";
      const auto url = http::Url::Parse(key.str());
      if (!url.ok()) return At(key, name, url.status());
      if (url->text() != url->origin().ToString() + "/") {
        return At(key, name,
                  InvalidArgument("expected scheme, host and port only, as in {}",
                                  url->origin().ToString()));
      }
      const toml::table* values = inner.as_table();
      if (values == nullptr) return At(inner, name, InvalidArgument("expected a table"));
      MirrorOrigin origin;
      for (const auto& [inner_key, value] : *values) {
        const std::string leaf(inner_key.str());
        BLOBD_RETURN_IF_ERROR(ReadKey(inner_key, value, name + "." + leaf, leaf, true, &origin));
      }
      config_->origins[url->origin()] = std::move(origin);
    }
    return OkStatus();
  }

  Status ReadKey(const toml::key& key, const toml::node& node, const std::string& name,
                 const std::string& leaf, bool of_origin, MirrorOrigin* origin) const {
    if (leaf == "allow_local") return At(node, name, ReadBool(node, &origin->allow_local));
    if (leaf == "polite") return At(node, name, ReadBool(node, &origin->polite));
    if (leaf == "ramp") return At(node, name, ReadBool(node, &origin->ramp));
    if (leaf == "proxy") return At(node, name, ReadProxy(node, origin));
    if (of_origin && leaf == "connections") return At(node, name, ReadConnections(node, origin));
    if (of_origin && leaf == "headers") return At(node, name, ReadHeaders(node, origin));
    return InvalidArgument("{}:{}: unknown key {}", file_, key.source().begin.line, name);
  }

  static Status ReadProxy(const toml::node& node, MirrorOrigin* origin) {
    origin->proxy.emplace();
    BLOBD_RETURN_IF_ERROR(ReadText(node, &*origin->proxy));
    return http::CheckProxy(*origin->proxy);
  }

  static Status ReadConnections(const toml::node& node, MirrorOrigin* origin) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < 1 || *value > kMaxConnections)
      return InvalidArgument("expected a whole number from 1 to {}", kMaxConnections);
    origin->connections = static_cast<uint32_t>(*value);
    return OkStatus();
  }

  static Status ReadHeaders(const toml::node& node, MirrorOrigin* origin) {
    const toml::table* table = node.as_table();
    if (table == nullptr)
      return InvalidArgument("expected a table, as in {{ Authorization = \"Bearer ...\" }}");
    for (const auto& [key, value] : *table) {
      std::string text;
      BLOBD_RETURN_IF_ERROR(ReadText(value, &text));
      BLOBD_RETURN_IF_ERROR(http::CheckHeader(key.str(), text));
      origin->headers.emplace_back(key.str(), std::move(text));
    }
    http::OriginConfig all;
    all.headers = origin->headers;
    return http::CheckConfig(all);
  }

  const std::string& file_;
  MirrorConfig* const config_;
};

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

Status ApplyMirrors(const toml::table& table, const std::string& file, MirrorConfig* config) {
  MirrorConfig changed = *config;
  BLOBD_RETURN_IF_ERROR(Reader(file, &changed).Read(table));
  *config = std::move(changed);
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
