#include "daemon/config.h"

#include <toml++/toml.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "daemon/config_keys.h"
#include "daemon/config_values.h"

namespace blobd::daemon {
namespace {

std::string FromEnv(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

Status Wrong(const ConfigPlace& place, const toml::source_region& region,
             const std::string& message) {
  return InvalidArgument("{}: {}", place.At(region.begin.line).ToString(), message);
}

// Whether there are keys of this table.
bool IsTable(const std::string& name) {
  const auto next = AllKeys().lower_bound(name + ".");
  return next != AllKeys().end() && next->first.starts_with(name + ".");
}

Status ApplyTable(const toml::table& table, const std::string& prefix, const ConfigPlace& place,
                  Config* config) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    // One in quotes: it would be found under the name of another table's key.
    if (key.str().find('.') != std::string_view::npos)
      return Wrong(place, key.source(), UnknownKey(name));
    if (name == "mirrors.origins") {
      BLOBD_RETURN_IF_ERROR(ApplyOrigins(node, place, config));
      continue;
    }
    const auto known = AllKeys().find(name);
    if (known == AllKeys().end() && IsTable(name)) {
      const toml::table* inner = node.as_table();
      if (inner == nullptr) {
        return Wrong(place, key.source(),
                     fmt::format("unknown key {0}: it is a table, as in [{0}]", name));
      }
      BLOBD_RETURN_IF_ERROR(ApplyTable(*inner, name + ".", place, config));
      continue;
    }
    if (known == AllKeys().end()) return Wrong(place, key.source(), UnknownKey(name));
    if (const Status status = known->second.apply(node, config); !status.ok())
      return Wrong(place, node.source(), fmt::format("{}: {}", name, Message(status)));
    config->written[name] = {ToToml(node), place.At(node.source().begin.line)};
  }
  return OkStatus();
}

// The value that `text` is, in a table of its own; it has nothing else in it.
StatusOr<toml::table> Parsed(const ConfigKey& key, std::string_view text) {
  // Of numbers the last character is a digit, whatever they are written like; units end otherwise.
  const bool is_number = key.is_number && !text.empty() && text.back() >= '0' && text.back() <= '9';
  const bool is_bare =
      key.is_text && !is_number && !text.starts_with('"') && !text.starts_with('\'');
  if (is_bare) {
    if (!IsUtf8(text)) return InvalidArgument("it is no UTF-8; expected {}", key.valid);
    return toml::table{{"value", std::string(text)}};
  }
  try {
    toml::table table = toml::parse(fmt::format("value = {}", text));
    if (table.size() == 1) return table;
  } catch (const toml::parse_error& error) {
    return InvalidArgument("{}; expected {}", error.description(), key.valid);
  }
  return InvalidArgument("it is more than a value; expected {}", key.valid);
}

}  // namespace

std::optional<transfer::ServeMode> ParseServeMode(std::string_view text) {
  if (text == "anyone") return transfer::ServeMode::kAnyone;
  if (text == "listed") return transfer::ServeMode::kListed;
  if (text == "nobody") return transfer::ServeMode::kNobody;
  return std::nullopt;
}

std::string DataSocketPath(const Config& config) {
  constexpr std::string_view kSuffix = ".sock";
  if (!config.data_socket.empty()) return config.data_socket;
  std::string stem = config.socket;
  if (stem.ends_with(kSuffix)) stem.resize(stem.size() - kSuffix.size());
  return stem + "-data" + std::string(kSuffix);
}

Config DefaultConfig() {
  Config config;
  config.quic.listen = *SocketAddress::Parse("[::]:11205");
  if (geteuid() == 0) {
    config.state_dir = "/var/lib/blobd";
    config.socket = "/run/blobd/blobd.sock";
  } else {
    const std::string home = FromEnv("HOME", "/");
    config.state_dir = FromEnv("XDG_STATE_HOME", home + "/.local/state") + "/blobd";
    config.socket =
        FromEnv("XDG_RUNTIME_DIR", fmt::format("/run/user/{}", geteuid())) + "/blobd/blobd.sock";
  }
  // systemd's StateDirectory=.
  config.state_dir = FromEnv("STATE_DIRECTORY", config.state_dir);
  return config;
}

std::string DefaultConfigFile() {
  // systemd's ConfigurationDirectory=.
  if (const std::string directory = FromEnv("CONFIGURATION_DIRECTORY", ""); !directory.empty())
    return directory + "/blobd.toml";
  if (geteuid() == 0) return "/etc/blobd/blobd.toml";
  return FromEnv("XDG_CONFIG_HOME", FromEnv("HOME", "/") + "/.config") + "/blobd/blobd.toml";
}

Status ApplyToml(std::string_view text, const std::string& file, Config* config) {
  const ConfigPlace place{ConfigPlace::Kind::kFile, file, 0};
  Config changed = *config;
  try {
    BLOBD_RETURN_IF_ERROR(ApplyTable(toml::parse(text, file), "", place, &changed));
  } catch (const toml::parse_error& error) {
    return Wrong(place, error.source(), std::string(error.description()));
  }
  *config = std::move(changed);
  return OkStatus();
}

Status ApplyOne(const std::string& name, std::string_view text, const ConfigPlace& place,
                Config* config) {
  const ConfigKey* key = FindKey(name);
  BLOBD_CHECK(key != nullptr);
  const auto table = Parsed(*key, text);
  if (!table.ok()) return Annotate(table.status(), place.ToString());
  const toml::node& node = *table->get("value");
  Config changed = *config;
  if (const Status status = key->apply(node, &changed); !status.ok())
    return InvalidArgument("{}: {}: {}", place.ToString(), name, Message(status));
  changed.written[name] = {ToToml(node), place};
  *config = std::move(changed);
  return OkStatus();
}

}  // namespace blobd::daemon
