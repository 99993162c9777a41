// LocalDiscovery: nodes of the local network find each other without any server, in the form of
// iroh's mDNS discovery (swarm_message.h says what is said, swarm_rhythm.h when). It answers from
// what it has heard, and asks when it has heard nothing.
//
// Thread:  the loop's.
// Bounded: 4,096 nodes are remembered, each for two minutes after it was heard of; then, or when
//          there are more, the longest silent goes. 64 datagrams are read per turn; once it is
//          full, at most 64 nodes per turn take another's place, so that those that speak again
//          stay.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lookup/dns_message.h"
#include "lookup/multicast_socket.h"
#include "lookup/service.h"
#include "lookup/swarm_rhythm.h"
#include "loop/loop.h"

namespace blobd::lookup {

class LocalDiscovery final : public Service, public Publisher {
 public:
  static constexpr size_t kMaxNodes = 4096;
  static constexpr size_t kMaxReplacedPerTurn = 64;
  static constexpr Duration kRemembered = seconds(120);

  struct Options {
    // Spoken on those that can be had; the first swarm is iroh's from 0.93 on, the second before.
    std::vector<SocketAddress> groups = {SocketAddress::V4({224, 0, 0, 251}, 5353),
                                         *SocketAddress::Parse("[ff02::fb]:5353")};
    std::vector<std::string> swarms = {"_irohv1._udp.local", "_iroh.local.swarm._udp.local"};
    // So long somebody may take to answer a query of ours.
    Duration patience = seconds(4);
    SwarmRhythm::Options rhythm;
    uint64_t seed = 0;  // of the random waits; every node wants another
  };
  struct Stats {
    uint64_t asked = 0;
    uint64_t answered = 0;
    uint64_t heard = 0;      // messages that said something
    uint64_t malformed = 0;  // datagrams that are no DNS message
  };

  // kUnavailable if no group can be spoken on; then `local` is off. REQUIRES: `loop` outlives it
  static StatusOr<std::unique_ptr<LocalDiscovery>> Open(loop::Loop& loop, const NodeId& self,
                                                        Options options);
  ~LocalDiscovery() override;

  std::string_view name() const override { return "local"; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) override;
  void Stop(QueryId query) override;
  // Without an address nothing is said, and others' questions are not answered.
  void Publish(const NodeRecord& own) override { own_ = own; }

  // Interfaces came or went.
  void OnNetworkChanged();
  const Stats& stats() const { return stats_; }
  size_t remembered() const { return heard_.size(); }

 private:
  struct Heard {
    NodeRecord record;
    Instant at;
    std::list<NodeId>::iterator turn;  // its place in by_silence_
  };
  struct Waiting {
    NodeId node;
    ServiceSink* sink = nullptr;
    TimerId timer = 0;
  };

  LocalDiscovery(loop::Loop& loop, const NodeId& self, Options options);
  Status Start();
  void Read(MulticastSocket& socket);
  void Learn(const NodeId& node, const NodeRecord& record);
  void Remember(const NodeId& node, const NodeRecord& record, bool wanted);
  void ForgetLongestSilent();
  void Found(QueryId query, const NodeRecord& record);
  void Turn();
  void Say(ByteView message);

  loop::Loop& loop_;
  const NodeId self_;
  const Options options_;
  std::vector<DnsName> swarms_;
  std::vector<std::unique_ptr<MulticastSocket>> sockets_;
  Rng rng_;
  SwarmRhythm rhythm_;
  NodeRecord own_;
  std::map<NodeId, Heard> heard_;
  std::list<NodeId> by_silence_;  // keys of heard_, the longest silent first
  size_t replaced_ = 0;           // in this turn
  std::map<QueryId, Waiting> waiting_;
  TimerId timer_ = 0;
  Stats stats_;
};

}  // namespace blobd::lookup
