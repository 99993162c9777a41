// What a neighbour says is bounded, and what it says of one node can be said again.
#include "base/check.h"
#include "lookup/swarm_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using blobd::lookup::DnsName;
  using blobd::lookup::SwarmMessage;
  static const std::vector<DnsName> swarms = {*DnsName::Parse("_irohv1._udp.local")};
  const auto message = SwarmMessage::Parse({data, size}, swarms);
  if (!message.ok()) return 0;
  BLOBD_CHECK(message->peers.size() <= SwarmMessage::kMaxPeers);
  for (const auto& [node, record] : message->peers) {
    BLOBD_CHECK(!record.empty());
    const auto again =
        SwarmMessage::Parse(blobd::lookup::EncodeSwarmResponse(node, record, swarms), swarms);
    BLOBD_CHECK(again.ok());
    if (!record.addresses.empty()) BLOBD_CHECK(again->peers.count(node) == 1);
  }
  return 0;
}
