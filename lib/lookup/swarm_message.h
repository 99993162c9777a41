// What nodes say to each other on the local network, in the form of iroh (the swarm-discovery
// crate; protocol/transport.md, section 9): DNS messages by multicast, under a name for the whole
// swarm, such as _irohv1._udp.local. or, before iroh 0.93, _iroh.local.swarm._udp.local.
//
//   query     one PTR question for the swarm's name
//   response  answers: SRV <peer>.<swarm>, port and target <peer>-<port>.local.; TXT <peer>.<swarm>
//             additionals: A and AAAA of the targets
//
// <peer> is the node id in base32. Nothing is signed: it is all hearsay.
//
// Pure functions; any thread.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/status.h"
#include "lookup/dns_message.h"
#include "lookup/node_record.h"

namespace blobd::lookup {

struct SwarmMessage {
  static constexpr size_t kMaxPeers = 32;  // of one response; more are passed over

  // One of the swarms was asked for. A message that asks says nothing else.
  bool query = false;
  // What is said of whom: of nodes with an address only.
  std::map<NodeId, NodeRecord> peers;

  // kInvalidArgument if it is no DNS message. One that is about other things says nothing.
  static StatusOr<SwarmMessage> Parse(ByteView bytes, const std::vector<DnsName>& swarms);
};

// Asks all swarms at once.
Bytes EncodeSwarmQuery(const std::vector<DnsName>& swarms);
// What `own` says of `node`, in all swarms. Addresses that would make it longer than a datagram may
// be are left out.
Bytes EncodeSwarmResponse(const NodeId& node, const NodeRecord& own,
                          const std::vector<DnsName>& swarms);

}  // namespace blobd::lookup
