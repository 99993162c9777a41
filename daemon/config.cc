#include "daemon/config.h"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <sstream>

#include "base/units.h"
#include "daemon/config_keys.h"
#include "daemon/named_node.h"
#include "daemon/rate_config.h"
#include "path/address_book.h"
#include "wire/text.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxAdvertised = 32;  // a ticket has room for no more
constexpr size_t kMaxListed = 10'000;
constexpr size_t kMaxPeers = 256;
constexpr std::string_view kLogLevels = "debug, info, notice, warning, error";

std::string FromEnv(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

Status Expected(std::string_view what) { return InvalidArgument("expected {}", what); }

Apply Text(std::string Config::*member) {
  return [member](const toml::node& node, Config* config) {
    const auto value = node.value_exact<std::string>();
    if (!value) return Expected("a text in quotes");
    config->*member = *value;
    return OkStatus();
  };
}

// A whole number between `low` and `high`, put where `place` says.
template <typename Place>
Apply Number(int64_t low, int64_t high, Place place) {
  return [low, high, place](const toml::node& node, Config* config) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < low || *value > high)
      return Expected(fmt::format("a whole number from {} to {}", low, high));
    place(*config, *value);
    return OkStatus();
  };
}

template <typename Place>
Apply Millis(int64_t low, int64_t high, Place place) {
  return Number(low, high,
                [place](Config& config, int64_t value) { place(config) = milliseconds(value); });
}

template <typename Place>
Apply Limit(Place place) {
  return Number(1, 1'000'000, [place](Config& config, int64_t value) {
    place(config) = static_cast<uint32_t>(value);
  });
}

Status ApplyListen(const toml::node& node, Config* config) {
  const std::string_view expected = "a list with one address, as in [\"[::]:11205\"]";
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() != 1) return Expected(expected);
  const auto text = list->get(0)->value_exact<std::string>();
  const auto address = text ? SocketAddress::Parse(*text) : std::nullopt;
  if (!address) return Expected(expected);
  config->listen = *address;
  return OkStatus();
}

// A list of texts, each put in place by `add`, which says whether it is one.
template <typename Add>
Status ApplyList(const toml::node& node, size_t limit, const std::string& expected, Add add) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() > limit) return Expected(expected);
  for (const toml::node& each : *list) {
    const auto text = each.value_exact<std::string>();
    if (!text || !add(*text)) return Expected(expected);
  }
  return OkStatus();
}

Status ApplyAdvertise(const toml::node& node, Config* config) {
  config->advertise.clear();
  return ApplyList(node, kMaxAdvertised,
                   fmt::format("a list of at most {} addresses that others can dial, as in "
                               "[\"192.0.2.1:11205\", \"[2001:db8::1]:11205\"]",
                               kMaxAdvertised),
                   [config](const std::string& text) {
                     const auto address = SocketAddress::Parse(text);
                     if (!address || !path::AddressBook::CanBeDialled(*address)) return false;
                     config->advertise.push_back(*address);
                     return true;
                   });
}

Status ApplyServeMode(const toml::node& node, Config* config) {
  const auto value = node.value_exact<std::string>();
  const auto mode = value ? ParseServeMode(*value) : std::nullopt;
  if (!mode) return Expected("one of anyone, listed, nobody");
  config->serve.mode = *mode;
  return OkStatus();
}

Status ApplyServeNodes(const toml::node& node, Config* config) {
  config->serve.listed.clear();
  return ApplyList(node, kMaxListed,
                   fmt::format("a list of at most {} node ids: 64 hex digits or 52 base32 "
                               "characters each",
                               kMaxListed),
                   [config](const std::string& text) {
                     const auto id = wire::ParseNodeId(text);
                     if (id) config->serve.listed.push_back(*id);
                     return id.has_value();
                   });
}

Status ApplyPeers(const toml::node& node, Config* config) {
  const std::string expected = fmt::format(
      "a list of at most {} nodes, as in [\"NODE_ID\", \"NODE_ID@192.0.2.1:11205\"]", kMaxPeers);
  std::vector<engine::NamedProvider> peers;
  Status wrong;
  const Status status = ApplyList(node, kMaxPeers, expected, [&](const std::string& text) {
    auto peer = ParseNamedNode(text);
    if (!peer.ok()) {
      wrong = InvalidArgument("{}: {}; expected {}", text, Message(peer.status()), expected);
      return false;
    }
    const bool twice = std::any_of(peers.begin(), peers.end(), [&](const auto& earlier) {
      return earlier.provider == peer->provider;
    });
    if (twice) wrong = InvalidArgument("{} is in the list twice", ToString(peer->provider));
    peers.push_back(*std::move(peer));
    return !twice;
  });
  if (!status.ok()) return wrong.ok() ? status : wrong;
  config->engine.standing = std::move(peers);
  return OkStatus();
}

Status ApplyLogLevel(const toml::node& node, Config* config) {
  const auto value = node.value_exact<std::string>();
  if (!value ||
      (", " + std::string(kLogLevels) + ",").find(", " + *value + ",") == std::string::npos) {
    return Expected(fmt::format("one of {}", kLogLevels));
  }
  config->log_level = *value;
  return OkStatus();
}

ConfigKeys OwnKeys() {
  return {
      {"state_dir", Text(&Config::state_dir)},
      {"socket", Text(&Config::socket)},
      {"data_socket", Text(&Config::data_socket)},
      {"socket_group", Text(&Config::socket_group)},
      {"admin_group", Text(&Config::admin_group)},
      {"metrics_socket", Text(&Config::metrics_socket)},
      {"listen", ApplyListen},
      {"advertise", ApplyAdvertise},
      {"peers", ApplyPeers},
      {"log_level", ApplyLogLevel},
      {"serve.mode", ApplyServeMode},
      {"serve.nodes", ApplyServeNodes},
      {"serve.streams_per_node",
       Number(1, 65'535,
              [](Config& c, int64_t v) { c.serve.streams_per_node = static_cast<size_t>(v); })},
      {"serve.read_budget_mib",
       Number(1, 65'536,
              [](Config& c, int64_t v) { c.serve.read_budget = static_cast<uint64_t>(v) * kMiB; })},
      {"serve.stall_timeout_seconds",
       Number(1, 3600, [](Config& c, int64_t v) { c.serve.stall_timeout = seconds(v); })},
      {"store.max_bytes",
       Number(0, int64_t{1} << 60,
              [](Config& c, int64_t v) { c.keeper.max_bytes = static_cast<uint64_t>(v); })},
      {"store.lease_seconds",
       Number(0, 366LL * 86'400, [](Config& c, int64_t v) { c.keeper.lease = seconds(v); })},
      {"store.check_seconds",
       Number(1, 86'400, [](Config& c, int64_t v) { c.keeper.check_interval = seconds(v); })},
      {"workers",
       Number(0, 256, [](Config& c, int64_t v) { c.workers = static_cast<uint32_t>(v); })},
      {"drain_grace_ms",
       Millis(0, 600'000, [](Config& c) -> Duration& { return c.engine.drain_grace; })},
      {"stall_timeout_ms",
       Millis(100, 600'000, [](Config& c) -> Duration& { return c.stall_timeout; })},
      {"intents_per_uid",
       Number(1, 100'000'000,
              [](Config& c, int64_t v) { c.engine.intents_per_uid = static_cast<uint32_t>(v); })},
      {"limits.requests",
       Limit([](Config& c) -> uint32_t& { return c.engine.schedule.limits.requests; })},
      {"limits.requests_per_node",
       Limit([](Config& c) -> uint32_t& { return c.engine.schedule.limits.requests_per_node; })},
      {"limits.connections",
       Limit([](Config& c) -> uint32_t& { return c.engine.schedule.limits.connections; })},
      {"limits.dials_per_hash",
       Limit([](Config& c) -> uint32_t& { return c.engine.schedule.limits.dials_per_hash; })},
      {"limits.connections_per_mirror", Limit([](Config& c) -> uint32_t& {
         return c.engine.schedule.limits.connections_per_mirror;
       })},
      {"retry.initial_delay_ms",
       Millis(1, 3'600'000,
              [](Config& c) -> Duration& { return c.engine.schedule.node_retry.initial_delay; })},
      {"retry.retries", Number(0, 1000,
                               [](Config& c, int64_t v) {
                                 c.engine.schedule.node_retry.retries = static_cast<uint32_t>(v);
                               })},
      {"retry.unreachable_first_ms", Millis(1, 86'400'000,
                                            [](Config& c) -> Duration& {
                                              return c.engine.schedule.node_retry.unreachable_first;
                                            })},
      {"retry.unreachable_max_ms",
       Millis(1, 86'400'000,
              [](Config& c) -> Duration& { return c.engine.schedule.node_retry.unreachable_max; })},
  };
}

const ConfigKeys& Keys() {
  static const ConfigKeys keys = [] {
    ConfigKeys all = OwnKeys();
    all.merge(LookupKeys());
    all.merge(RateKeys());
    return all;
  }();
  return keys;
}

std::string AsWritten(const toml::node& node) {
  std::ostringstream text;
  node.visit([&text](const auto& value) { text << value; });
  std::string line;
  for (const char c : text.str()) {
    const bool space = c == '\n' || c == ' ';
    if (!space) line += c;
    if (space && !line.empty() && line.back() != ' ') line += ' ';
  }
  return line;
}

Status At(const std::string& file, const toml::source_region& region, const std::string& message) {
  return InvalidArgument("{}:{}: {}", file, region.begin.line, message);
}

Status ApplyTable(const toml::table& table, const std::string& prefix, const std::string& file,
                  Config* config) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      if (name == "mirrors") {
        BLOBD_RETURN_IF_ERROR(ApplyMirrors(*inner, file, &config->mirrors));
        // Headers are secrets: only that something changed may be seen.
        // Each file that says something of them counts.
        std::string& written = config->written[name];
        written = fmt::format("settings {:08x}",
                              std::hash<std::string>{}(written + AsWritten(*inner)) >> 32);
        continue;
      }
      const auto next = Keys().lower_bound(name + ".");
      if (next != Keys().end() && next->first.starts_with(name + ".")) {
        BLOBD_RETURN_IF_ERROR(ApplyTable(*inner, name + ".", file, config));
        continue;
      }
    }
    const auto it = Keys().find(name);
    if (it == Keys().end()) return At(file, key.source(), fmt::format("unknown key {}", name));
    if (const Status status = it->second(node, config); !status.ok()) {
      return At(file, node.source(), fmt::format("{}: {}", name, Message(status)));
    }
    config->written[name] = AsWritten(node);
  }
  return OkStatus();
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
  config.listen = *SocketAddress::Parse("[::]:11205");
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
  Config changed = *config;
  try {
    BLOBD_RETURN_IF_ERROR(ApplyTable(toml::parse(text, file), "", file, &changed));
  } catch (const toml::parse_error& error) {
    return At(file, error.source(), std::string(error.description()));
  }
  *config = std::move(changed);
  return OkStatus();
}

}  // namespace blobd::daemon
