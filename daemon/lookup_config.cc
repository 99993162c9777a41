#include "daemon/lookup_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/socket_address.h"
#include "daemon/config_values.h"
#include "daemon/named_node.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxNodes = 10'000;
constexpr size_t kMaxServers = 8;
constexpr size_t kMaxUrl = 1024;
// "_iroh.", the 52 characters of a node and a dot stand before the origin.
constexpr size_t kMaxOrigin = 253 - 59;
constexpr uint16_t kDnsPort = 53;

// An IP address, with or without a port.
bool IsServer(const std::string& text) {
  const auto with_port = SocketAddress::Parse(text);
  if (with_port) return with_port->port() != 0;
  return SocketAddress::Parse(fmt::format("{}:{}", text, kDnsPort)).has_value() ||
         SocketAddress::Parse(fmt::format("[{}]:{}", text, kDnsPort)).has_value();
}

ConfigKey Servers() {
  const std::string valid = fmt::format(
      "a list of at most {} addresses, as in [\"192.0.2.1\", \"[2001:db8::1]:53\"]", kMaxServers);
  const auto apply = [valid](const toml::node& node, Config* config) {
    auto servers = TextsOf(node, kMaxServers);
    if (!servers || !std::all_of(servers->begin(), servers->end(), IsServer))
      return Expected(valid);
    config->lookup.dns_servers = *std::move(servers);
    return OkStatus();
  };
  return Key(
      valid, "[]", [](auto& c) -> auto& { return c.lookup.dns_servers; }, apply);
}

ConfigKey Origin() {
  ConfigKey key = Text([](auto& c) -> auto& { return c.lookup.dns_origin; });
  key.valid =
      fmt::format("a domain name of at most {} bytes, as in \"dns.example.org\"", kMaxOrigin);
  key.apply = [valid = key.valid](const toml::node& node, Config* config) {
    const auto origin = node.value_exact<std::string>();
    const auto name = origin ? lookup::DnsName::Parse(*origin) : InvalidArgument("no text");
    if (!name.ok() || name->labels().empty() || origin->size() > kMaxOrigin) return Expected(valid);
    config->lookup.dns_origin = *origin;
    return OkStatus();
  };
  return key;
}

ConfigKey Relay() {
  ConfigKey key = Text([](auto& c) -> auto& { return c.lookup.pkarr_relay; });
  key.valid = "a URL of http or https, as in \"https://relay.example.org/pkarr\"";
  key.apply = [valid = key.valid](const toml::node& node, Config* config) {
    const auto url = node.value_exact<std::string>();
    const bool is_url =
        url && url->size() <= kMaxUrl &&
        (url->starts_with("https://") || url->starts_with("http://")) &&
        std::all_of(url->begin(), url->end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (!is_url) return Expected(valid);
    config->lookup.pkarr_relay = *url;
    return OkStatus();
  };
  return Secret(Secrecy::kUrl, key);
}

std::string ValidNodes() {
  return fmt::format("a list of at most {} nodes, as in [\"NODE_ID@192.0.2.1:11205\"]", kMaxNodes);
}

Status ApplyNodes(const toml::node& node, Config* config) {
  const std::string expected = ValidNodes();
  const auto texts = TextsOf(node, kMaxNodes);
  if (!texts) return Expected(expected);
  engine::LookupServices::StaticNodes nodes;
  for (const std::string& text : *texts) {
    const auto named = ParseNamedNode(text);
    if (!named.ok()) {
      return InvalidArgument("{}: {}; expected {}", text, Message(named.status()), expected);
    }
    if (named->addresses.empty()) {
      return InvalidArgument("{}: no address; expected {}", text, expected);
    }
    lookup::NodeRecord record;
    for (const SocketAddress& address : named->addresses) record.AddAddress(address);
    if (!nodes.emplace(std::get<NodeId>(named->provider), std::move(record)).second) {
      return InvalidArgument("{} is in the list twice", ToString(named->provider));
    }
  }
  config->lookup.nodes = std::move(nodes);
  return OkStatus();
}

}  // namespace

ConfigKeys LookupKeys() {
  return {
      {"lookup.static", Flag([](auto& c) -> auto& { return c.lookup.known; })},
      {"lookup.nodes",
       Key(
           ValidNodes(), "[]", [](auto& c) -> auto& { return c.lookup.nodes; }, ApplyNodes)},
      {"lookup.registry", Flag([](auto& c) -> auto& { return c.lookup.registry; })},
      {"lookup.dns", Flag([](auto& c) -> auto& { return c.lookup.dns; })},
      {"lookup.dns_origin", Origin()},
      {"lookup.dns_servers", Servers()},
      {"lookup.pkarr", Flag([](auto& c) -> auto& { return c.lookup.pkarr; })},
      {"lookup.pkarr_relay", Relay()},
      {"lookup.pkarr_publish", Flag([](auto& c) -> auto& { return c.lookup.pkarr_publish; })},
      {"lookup.local", Flag([](auto& c) -> auto& { return c.lookup.local; })},
      {"lookup.local_publish", Flag([](auto& c) -> auto& { return c.lookup.local_publish; })},
      {"lookup.timeout_ms",
       Number(
           100, 60'000, milliseconds(1), [](auto& c) -> auto& { return c.lookup.timeout; })},
  };
}

lookup::ServicesOptions LookupConfig::Options(uint64_t seed) const {
  lookup::ServicesOptions options;
  options.known = known;
  options.registry = registry;
  options.timeout = timeout;
  if (dns) options.dns = lookup::ServicesOptions::Dns{dns_origin, dns_servers};
  if (pkarr || pkarr_publish) {
    lookup::ServicesOptions::Pkarr both;
    both.base = pkarr_relay;
    both.resolve = pkarr;
    both.publish = both.publish_addresses = pkarr_publish;
    options.pkarr = std::move(both);
  }
  if (local) {
    lookup::ServicesOptions::Local neighbours;
    neighbours.discovery.seed = seed;
    neighbours.publish = local_publish;
    options.local = std::move(neighbours);
  }
  return options;
}

}  // namespace blobd::daemon
