#include "lookup/local_discovery.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "lookup/swarm_message.h"

namespace blobd::lookup {
namespace {

constexpr int kDatagramsPerTurn = 64;

// Without its interface a link-local IPv6 address cannot be dialled.
NodeRecord WithoutLinkLocal(const NodeRecord& record) {
  NodeRecord rest = record;
  std::erase_if(rest.addresses, [](const SocketAddress& address) {
    return !address.is_v4() && address.is_link_local();
  });
  return rest;
}

}  // namespace

LocalDiscovery::LocalDiscovery(loop::Loop& loop, const NodeId& self, Options options)
    : loop_(loop),
      self_(self),
      options_(std::move(options)),
      rng_(options_.seed),
      rhythm_(options_.rhythm, rng_, loop.Now()) {}

StatusOr<std::unique_ptr<LocalDiscovery>> LocalDiscovery::Open(loop::Loop& loop, const NodeId& self,
                                                               Options options) {
  std::unique_ptr<LocalDiscovery> opened(new LocalDiscovery(loop, self, std::move(options)));
  BLOBD_RETURN_IF_ERROR(opened->Start());
  return opened;
}

Status LocalDiscovery::Start() {
  for (const std::string& name : options_.swarms) {
    BLOBD_ASSIGN_OR_RETURN(DnsName swarm, DnsName::Parse(name));
    swarms_.push_back(std::move(swarm));
  }
  Status last = Unavailable("no multicast group is configured");
  for (const SocketAddress& group : options_.groups) {
    StatusOr<std::unique_ptr<MulticastSocket>> socket = MulticastSocket::Open(group);
    if (!socket.ok()) {
      last = socket.status();
      continue;
    }
    MulticastSocket& opened = **socket;
    opened.JoinAll();
    BLOBD_RETURN_IF_ERROR(
        loop_.Watch(opened.fd(), EPOLLIN, [this, &opened](uint32_t) { Read(opened); }));
    sockets_.push_back(std::move(*socket));
  }
  if (sockets_.empty()) return last;
  Turn();
  return OkStatus();
}

LocalDiscovery::~LocalDiscovery() {
  for (const auto& socket : sockets_) loop_.Unwatch(socket->fd());
  for (const auto& [query, waiting] : waiting_) loop_.CancelTimer(waiting.timer);
  if (timer_ != 0) loop_.CancelTimer(timer_);
}

void LocalDiscovery::OnNetworkChanged() {
  for (const auto& socket : sockets_) socket->JoinAll();
  rhythm_.AskSoon(loop_.Now());
  Turn();
}

void LocalDiscovery::Resolve(QueryId query, const NodeId& node, ServiceSink* sink) {
  Waiting& waiting = waiting_[query];
  waiting.node = node;
  waiting.sink = sink;
  const auto heard = heard_.find(node);
  if (heard != heard_.end() && loop_.Now() < heard->second.at + kRemembered) {
    waiting.timer = loop_.AddTimer(
        loop_.Now(), [this, query, record = heard->second.record] { Found(query, record); });
    return;
  }
  waiting.timer = loop_.AddTimer(loop_.Now() + options_.patience, [this, query, sink] {
    waiting_.erase(query);
    sink->OnEnded(query, NotFound("nobody on the local network says where it is"));
  });
  rhythm_.AskSoon(loop_.Now());
  Turn();
}

void LocalDiscovery::Stop(QueryId query) {
  const auto waiting = waiting_.find(query);
  if (waiting == waiting_.end()) return;
  loop_.CancelTimer(waiting->second.timer);
  waiting_.erase(waiting);
}

void LocalDiscovery::Found(QueryId query, const NodeRecord& record) {
  const auto waiting = waiting_.find(query);
  if (waiting == waiting_.end()) return;
  ServiceSink* const sink = waiting->second.sink;
  loop_.CancelTimer(waiting->second.timer);
  sink->OnFound(query, record);
  // Whoever heard that may have stopped the query.
  if (waiting_.erase(query) != 0) sink->OnEnded(query, OkStatus());
}

void LocalDiscovery::Read(MulticastSocket& socket) {
  Bytes datagram;
  replaced_ = 0;
  for (int i = 0; i < kDatagramsPerTurn && socket.Receive(&datagram); ++i) {
    const StatusOr<SwarmMessage> message = SwarmMessage::Parse(datagram, swarms_);
    if (!message.ok()) {
      ++stats_.malformed;
      continue;
    }
    if (message->query) rhythm_.Asked(loop_.Now());
    size_t others = 0;
    for (const auto& [node, record] : message->peers) {
      if (node == self_) continue;  // we hear ourselves, too
      ++others;
      Learn(node, WithoutLinkLocal(record));
    }
    if (others == 0) continue;
    ++stats_.heard;
    rhythm_.Answered(others, loop_.Now());
  }
  Turn();
}

void LocalDiscovery::Learn(const NodeId& node, const NodeRecord& record) {
  if (record.empty()) return;
  std::vector<QueryId> answered;
  for (const auto& [query, waiting] : waiting_) {
    if (waiting.node == node) answered.push_back(query);
  }
  Remember(node, record, !answered.empty());
  for (const QueryId query : answered) Found(query, record);
}

void LocalDiscovery::Remember(const NodeId& node, const NodeRecord& record, bool wanted) {
  if (const auto known = heard_.find(node); known != heard_.end()) {
    known->second.record = record;
    known->second.at = loop_.Now();
    by_silence_.splice(by_silence_.end(), by_silence_, known->second.turn);
    return;
  }
  if (heard_.size() >= kMaxNodes) {
    if (!wanted && replaced_ >= kMaxReplacedPerTurn) return;
    ++replaced_;
    ForgetLongestSilent();
  }
  heard_[node] = {record, loop_.Now(), by_silence_.insert(by_silence_.end(), node)};
}

void LocalDiscovery::ForgetLongestSilent() {
  heard_.erase(by_silence_.front());
  by_silence_.pop_front();
}

void LocalDiscovery::Turn() {
  while (!by_silence_.empty() && loop_.Now() >= heard_.at(by_silence_.front()).at + kRemembered) {
    ForgetLongestSilent();
  }
  rhythm_.SetSize(heard_.size() + 1);
  switch (rhythm_.Tick(loop_.Now())) {
    case SwarmRhythm::Act::kNothing:
      break;
    case SwarmRhythm::Act::kAsk:
      ++stats_.asked;
      Say(EncodeSwarmQuery(swarms_));
      break;
    case SwarmRhythm::Act::kAnswer:
      if (own_.empty()) break;
      ++stats_.answered;
      Say(EncodeSwarmResponse(self_, own_, swarms_));
      break;
  }
  if (timer_ != 0) loop_.CancelTimer(timer_);
  timer_ = loop_.AddTimer(rhythm_.NextDeadline(), [this] {
    timer_ = 0;
    Turn();
  });
}

void LocalDiscovery::Say(ByteView message) {
  for (const auto& socket : sockets_) socket->Send(message);
}

}  // namespace blobd::lookup
