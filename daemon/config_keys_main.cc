// The keys of the daemon as a whole, and of parts that have no file of their own here.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/units.h"
#include "daemon/config_values.h"
#include "daemon/named_node.h"
#include "path/address_book.h"
#include "wire/text.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxAdvertised = 32;  // a ticket has room for no more
constexpr size_t kMaxListed = 10'000;
constexpr size_t kMaxPeers = 256;
constexpr std::array<std::string_view, 5> kLogLevels = {"debug", "info", "notice", "warning",
                                                        "error"};

ConfigKey Listen() {
  const std::string valid = "a list with one address, as in [\"[::]:11205\"]";
  const auto place = [](auto& c) -> auto& { return c.quic.listen; };
  ConfigKey key = Key(valid, "", place, [valid](const toml::node& node, Config* config) {
    const auto texts = TextsOf(node, 1);
    const auto address =
        texts && texts->size() == 1 ? SocketAddress::Parse(texts->front()) : std::nullopt;
    if (!address) return Expected(valid);
    config->quic.listen = *address;
    return OkStatus();
  });
  key.by_default = [](const Config& defaults) {
    return ListToToml({defaults.quic.listen.ToString()});
  };
  return key;
}

ConfigKey Advertise() {
  const std::string valid = fmt::format(
      "a list of at most {} addresses that others can dial, as in [\"192.0.2.1:11205\", "
      "\"[2001:db8::1]:11205\"]",
      kMaxAdvertised);
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto texts = TextsOf(node, kMaxAdvertised);
    if (!texts) return Expected(valid);
    std::vector<SocketAddress> addresses;
    for (const std::string& text : *texts) {
      const auto address = SocketAddress::Parse(text);
      if (!address || !path::AddressBook::CanBeDialled(*address)) return Expected(valid);
      addresses.push_back(*address);
    }
    config->advertise = std::move(addresses);
    return OkStatus();
  };
  return Key(
      valid, "[]", [](auto& c) -> auto& { return c.advertise; }, apply);
}

ConfigKey ServeMode() {
  const std::string valid = "one of anyone, listed, nobody";
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto value = node.value_exact<std::string>();
    const auto mode = value ? ParseServeMode(*value) : std::nullopt;
    if (!mode) return Expected(valid);
    config->serve.mode = *mode;
    return OkStatus();
  };
  ConfigKey key = Key(
      valid, "\"listed\"", [](auto& c) -> auto& { return c.serve.mode; }, apply);
  key.is_text = true;
  return key;
}

ConfigKey ServeNodes() {
  const std::string valid = fmt::format(
      "a list of at most {} node ids: 64 hex digits or 52 base32 characters each", kMaxListed);
  const auto apply = [valid](const toml::node& node, Config* config) {
    const auto texts = TextsOf(node, kMaxListed);
    if (!texts) return Expected(valid);
    std::vector<NodeId> nodes;
    for (const std::string& text : *texts) {
      const auto id = wire::ParseNodeId(text);
      if (!id) return Expected(valid);
      nodes.push_back(*id);
    }
    config->serve.listed = std::move(nodes);
    return OkStatus();
  };
  return Key(
      valid, "[]", [](auto& c) -> auto& { return c.serve.listed; }, apply);
}

Status ApplyPeers(const std::string& valid, const toml::node& node, Config* config) {
  const auto texts = TextsOf(node, kMaxPeers);
  if (!texts) return Expected(valid);
  std::vector<engine::NamedProvider> peers;
  for (const std::string& text : *texts) {
    auto peer = ParseNamedNode(text);
    if (!peer.ok())
      return InvalidArgument("{}: {}; expected {}", text, Message(peer.status()), valid);
    const bool twice = std::any_of(peers.begin(), peers.end(), [&](const auto& earlier) {
      return earlier.provider == peer->provider;
    });
    if (twice) return InvalidArgument("{} is in the list twice", ToString(peer->provider));
    peers.push_back(*std::move(peer));
  }
  config->engine.standing = std::move(peers);
  return OkStatus();
}

ConfigKey Peers() {
  const std::string valid = fmt::format(
      "a list of at most {} nodes, as in [\"NODE_ID\", \"NODE_ID@192.0.2.1:11205\"]", kMaxPeers);
  return Key(
      valid, "[]", [](auto& c) -> auto& { return c.engine.standing; },
      [valid](const toml::node& node, Config* config) { return ApplyPeers(valid, node, config); });
}

ConfigKey LogLevel() {
  const std::string valid = fmt::format("one of {}", fmt::join(kLogLevels, ", "));
  ConfigKey key = Text([](auto& c) -> auto& { return c.log_level; });
  key.valid = valid;
  key.apply = [valid](const toml::node& node, Config* config) {
    const auto value = node.value_exact<std::string>();
    if (!value || std::find(kLogLevels.begin(), kLogLevels.end(), *value) == kLogLevels.end())
      return Expected(valid);
    config->log_level = *value;
    return OkStatus();
  };
  return key;
}

// Without it, it lies beside the other socket, wherever that is.
ConfigKey DataSocket() {
  ConfigKey key = Text([](auto& c) -> auto& { return c.data_socket; });
  key.by_default = [](const Config& defaults) { return TextToToml(DataSocketPath(defaults)); };
  return key;
}

template <typename Place>
ConfigKey Limit(Place place) {
  return Live(Number(1, 1'000'000, 1, place));
}

template <typename Place>
ConfigKey Millis(int64_t low, int64_t high, Place place) {
  return Number(low, high, milliseconds(1), place);
}

template <typename Place>
ConfigKey Seconds(int64_t low, int64_t high, Place place) {
  return Number(low, high, seconds(1), place);
}

}  // namespace

ConfigKeys MainKeys() {
  return {
      {"state_dir", Text([](auto& c) -> auto& { return c.state_dir; })},
      {"socket", Text([](auto& c) -> auto& { return c.socket; })},
      {"data_socket", DataSocket()},
      {"socket_group", Text([](auto& c) -> auto& { return c.socket_group; })},
      {"admin_group", Text([](auto& c) -> auto& { return c.admin_group; })},
      {"metrics_socket", Text([](auto& c) -> auto& { return c.metrics_socket; })},
      {"listen", Listen()},
      {"advertise", Live(Advertise())},
      {"peers", Peers()},
      {"log_level", Live(LogLevel())},
      {"workers", Number(
                      0, 256, 1, [](auto& c) -> auto& { return c.workers; })},
      {"drain_grace_ms", Live(Millis(
                             0, 600'000, [](auto& c) -> auto& { return c.engine.drain_grace; }))},
      {"stall_timeout_ms", Millis(
                               100, 600'000, [](auto& c) -> auto& { return c.stall_timeout; })},
      {"receive_budget_mib",
       Number(
           16, 65'536, kMiB, [](auto& c) -> auto& { return c.quic.receive_budget; })},
      {"intents_per_uid",
       Live(Number(
           1, 100'000'000, 1, [](auto& c) -> auto& { return c.engine.intents_per_uid; }))},
      {"bytes_per_uid",
       Live(Bytes(
           int64_t{1} << 60, [](auto& c) -> auto& { return c.engine.bytes_per_uid; }))},
      {"serve.mode", Live(ServeMode())},
      {"serve.nodes", Live(ServeNodes())},
      {"serve.streams_per_node",
       Number(
           1, 65'535, 1, [](auto& c) -> auto& { return c.serve.streams_per_node; })},
      {"serve.connections", Number(
                                1, 1'000'000, 1, [](auto& c) -> auto& { return c.quic.incoming; })},
      {"serve.connections_per_address",
       Number(
           1, 1'000'000, 1, [](auto& c) -> auto& { return c.quic.incoming_per_address; })},
      {"serve.read_budget_mib",
       Number(
           1, 65'536, kMiB, [](auto& c) -> auto& { return c.serve.read_budget; })},
      {"serve.stall_timeout_seconds",
       Seconds(
           1, 3600, [](auto& c) -> auto& { return c.serve.stall_timeout; })},
      {"store.max_bytes",
       Live(Bytes(
           int64_t{1} << 60, [](auto& c) -> auto& { return c.keeper.max_bytes; }))},
      {"store.lease_seconds",
       Live(Seconds(
           0, 366LL * 86'400, [](auto& c) -> auto& { return c.keeper.lease; }))},
      {"store.check_seconds",
       Live(Seconds(
           1, 86'400, [](auto& c) -> auto& { return c.keeper.check_interval; }))},
      {"limits.requests",
       Limit([](auto& c) -> auto& { return c.engine.schedule.limits.requests; })},
      {"limits.requests_per_node",
       Limit([](auto& c) -> auto& { return c.engine.schedule.limits.requests_per_node; })},
      {"limits.connections",
       Limit([](auto& c) -> auto& { return c.engine.schedule.limits.connections; })},
      {"limits.dials_per_hash",
       Limit([](auto& c) -> auto& { return c.engine.schedule.limits.dials_per_hash; })},
      {"limits.connections_per_mirror",
       Limit([](auto& c) -> auto& { return c.engine.schedule.limits.connections_per_mirror; })},
      {"retry.initial_delay_ms", Millis(
                                     1, 3'600'000, [](auto& c) -> auto& {
                                       return c.engine.schedule.node_retry.initial_delay;
                                     })},
      {"retry.retries",
       Number(
           0, 1000, 1, [](auto& c) -> auto& { return c.engine.schedule.node_retry.retries; })},
      {"retry.unreachable_first_ms", Millis(
                                         1, 86'400'000, [](auto& c) -> auto& {
                                           return c.engine.schedule.node_retry.unreachable_first;
                                         })},
      {"retry.unreachable_max_ms", Millis(
                                       1, 86'400'000, [](auto& c) -> auto& {
                                         return c.engine.schedule.node_retry.unreachable_max;
                                       })},
  };
}

}  // namespace blobd::daemon
