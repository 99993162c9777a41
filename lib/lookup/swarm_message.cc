#include "lookup/swarm_message.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

constexpr size_t kMaxDatagram = 1200;  // fits everywhere, and swarm-discovery reads 1472 at most

const DnsName& Local() {
  static const DnsName local = *DnsName::Parse("local");
  return local;
}

// The node of `<peer>.<swarm>`.
std::optional<NodeId> PeerOf(const DnsName& name, const std::vector<DnsName>& swarms) {
  if (name.labels().empty()) return std::nullopt;
  const DnsName parent = name.Parent();
  for (const DnsName& swarm : swarms) {
    if (parent != swarm) continue;
    const auto id = wire::FromBase32(name.labels().front());
    return id ? NodeId::FromBytes(*id) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<SocketAddress> AddressOf(const DnsRecord& record, uint16_t port) {
  if (const auto* a = std::get_if<DnsA>(&record.data)) return SocketAddress::V4(a->ip, port);
  if (const auto* aaaa = std::get_if<DnsAaaa>(&record.data)) {
    return SocketAddress::V6(aaaa->ip, port);
  }
  return std::nullopt;
}

}  // namespace

StatusOr<SwarmMessage> SwarmMessage::Parse(ByteView bytes, const std::vector<DnsName>& swarms) {
  BLOBD_ASSIGN_OR_RETURN(const DnsMessage message, DnsMessage::Parse(bytes));
  SwarmMessage said;
  for (const DnsQuestion& question : message.questions) {
    const bool asks =
        question.klass == kDnsIn && question.type == static_cast<uint16_t>(DnsType::kPtr);
    for (const DnsName& swarm : swarms) said.query = said.query || (asks && question.name == swarm);
  }
  if (said.query || !message.response) return said;

  // Ports by target first, since addresses come under the targets' names.
  std::map<DnsName, std::set<std::pair<NodeId, uint16_t>>> targets;
  for (const DnsRecord& record : message.answers) {
    const auto node = record.klass == kDnsIn ? PeerOf(record.name, swarms) : std::nullopt;
    if (!node) continue;
    if (said.peers.count(*node) == 0 && said.peers.size() >= kMaxPeers) continue;
    if (const auto* srv = std::get_if<DnsSrv>(&record.data)) {
      said.peers[*node];
      targets[srv->target].emplace(*node, srv->port);
    } else if (const auto* txt = std::get_if<DnsTxt>(&record.data)) {
      NodeRecord& peer = said.peers[*node];
      for (const std::string& text : txt->strings) peer.Read(text);
    }
  }
  for (const DnsRecord& record : message.additionals) {
    const auto found = targets.find(record.name);
    if (record.klass != kDnsIn || found == targets.end()) continue;
    for (const auto& [node, port] : found->second) {
      if (const auto address = AddressOf(record, port)) said.peers[node].AddAddress(*address);
    }
  }
  std::erase_if(said.peers, [](const auto& entry) { return entry.second.empty(); });
  return said;
}

Bytes EncodeSwarmQuery(const std::vector<DnsName>& swarms) {
  DnsMessage message;
  for (const DnsName& swarm : swarms) {
    message.questions.push_back({swarm, static_cast<uint16_t>(DnsType::kPtr), kDnsIn});
  }
  return message.Encode();
}

Bytes EncodeSwarmResponse(const NodeId& node, const NodeRecord& own,
                          const std::vector<DnsName>& swarms) {
  const std::string peer = wire::ToBase32(node.view());
  std::vector<std::string> strings;
  for (const std::string& url : own.relay_urls) {
    // iroh reads one relay.
    if (strings.empty() && url.size() <= 200) strings.push_back("relay=" + url);
  }
  if (!own.user_data.empty()) strings.push_back("user-data=" + own.user_data);
  for (size_t count = own.addresses.size();; --count) {
    DnsMessage message;
    message.response = true;
    message.authoritative = true;
    std::map<uint16_t, DnsName> targets;
    for (size_t i = 0; i < count; ++i) {
      const SocketAddress& address = own.addresses[i];
      auto& target = targets[address.port()];
      if (target.labels().empty()) {
        BLOBD_CHECK(target.Append(fmt::format("{}-{}", peer, address.port())));
        for (const std::string& label : Local().labels()) BLOBD_CHECK(target.Append(label));
      }
      DnsRecord record{target, kDnsIn, 0, {}};
      if (address.is_v4()) {
        record.data = DnsA{address.ip4()};
      } else {
        record.data = DnsAaaa{address.ip16()};
      }
      message.additionals.push_back(std::move(record));
    }
    for (const DnsName& swarm : swarms) {
      DnsName name;
      BLOBD_CHECK(name.Append(peer));
      for (const std::string& label : swarm.labels()) BLOBD_CHECK(name.Append(label));
      for (const auto& [port, target] : targets) {
        message.answers.push_back({name, kDnsIn, 0, DnsSrv{0, 0, port, target}});
      }
      if (!strings.empty()) message.answers.push_back({name, kDnsIn, 0, DnsTxt{strings}});
    }
    Bytes bytes = message.Encode();
    if (bytes.size() <= kMaxDatagram || count == 0) return bytes;
  }
}

}  // namespace blobd::lookup
