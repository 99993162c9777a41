#include "daemon/lookup_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/socket_address.h"
#include "daemon/config_keys.h"
#include "daemon/named_node.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxNodes = 10'000;
constexpr size_t kMaxServers = 8;
constexpr size_t kMaxUrl = 1024;
// "_iroh.", the 52 characters of a node and a dot stand before the origin.
constexpr size_t kMaxOrigin = 253 - 59;
constexpr uint16_t kDnsPort = 53;

Status Expected(const std::string& what) { return InvalidArgument("expected {}", what); }

Apply Flag(bool LookupConfig::*member) {
  return [member](const toml::node& node, Config* config) {
    const auto value = node.value_exact<bool>();
    if (!value) return Expected("true or false");
    config->lookup.*member = *value;
    return OkStatus();
  };
}

// The texts of a list; nullopt if it is no list of at most `limit` texts.
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

// An IP address, with or without a port.
bool IsServer(const std::string& text) {
  const auto with_port = SocketAddress::Parse(text);
  if (with_port) return with_port->port() != 0;
  return SocketAddress::Parse(fmt::format("{}:{}", text, kDnsPort)).has_value() ||
         SocketAddress::Parse(fmt::format("[{}]:{}", text, kDnsPort)).has_value();
}

Status ApplyServers(const toml::node& node, Config* config) {
  auto servers = TextsOf(node, kMaxServers);
  if (!servers || !std::all_of(servers->begin(), servers->end(), IsServer)) {
    return Expected(
        fmt::format("a list of at most {} addresses, as in [\"192.0.2.1\", \"[2001:db8::1]:53\"]",
                    kMaxServers));
  }
  config->lookup.dns_servers = *std::move(servers);
  return OkStatus();
}

Status ApplyOrigin(const toml::node& node, Config* config) {
  const auto origin = node.value_exact<std::string>();
  const auto name = origin ? lookup::DnsName::Parse(*origin) : InvalidArgument("no text");
  if (!name.ok() || name->labels().empty() || origin->size() > kMaxOrigin) {
    return Expected(
        fmt::format("a domain name of at most {} bytes, as in \"dns.example.org\"", kMaxOrigin));
  }
  config->lookup.dns_origin = *origin;
  return OkStatus();
}

Status ApplyRelay(const toml::node& node, Config* config) {
  const auto url = node.value_exact<std::string>();
  const bool is_url =
      url && url->size() <= kMaxUrl &&
      (url->starts_with("https://") || url->starts_with("http://")) &&
      std::all_of(url->begin(), url->end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!is_url) {
    return Expected("a URL of http or https, as in \"https://relay.example.org/pkarr\"");
  }
  config->lookup.pkarr_relay = *url;
  return OkStatus();
}

Status ApplyTimeout(const toml::node& node, Config* config) {
  const auto value = node.value_exact<int64_t>();
  if (!value || *value < 100 || *value > 60'000) {
    return Expected("a whole number from 100 to 60000");
  }
  config->lookup.timeout = milliseconds(*value);
  return OkStatus();
}

Status ApplyNodes(const toml::node& node, Config* config) {
  const std::string expected =
      fmt::format("a list of at most {} nodes, as in [\"NODE_ID@192.0.2.1:11205\"]", kMaxNodes);
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
      {"lookup.static", Flag(&LookupConfig::known)},
      {"lookup.nodes", ApplyNodes},
      {"lookup.registry", Flag(&LookupConfig::registry)},
      {"lookup.dns", Flag(&LookupConfig::dns)},
      {"lookup.dns_origin", ApplyOrigin},
      {"lookup.dns_servers", ApplyServers},
      {"lookup.pkarr", Flag(&LookupConfig::pkarr)},
      {"lookup.pkarr_relay", ApplyRelay},
      {"lookup.pkarr_publish", Flag(&LookupConfig::pkarr_publish)},
      {"lookup.local", Flag(&LookupConfig::local)},
      {"lookup.local_publish", Flag(&LookupConfig::local_publish)},
      {"lookup.timeout_ms", ApplyTimeout},
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
