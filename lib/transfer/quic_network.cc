#include "transfer/quic_network.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "transfer/get_session.h"
#include "transfer/get_streams.h"
#include "transfer/path_watch.h"

namespace blobd::transfer {
namespace {

constexpr Duration kStallCheckInterval = seconds(1);
// How often a stream that the provider did not allow is tried again: about a round trip, which it
// takes at least.
constexpr Duration kTryAgainInterval = milliseconds(50);
constexpr size_t kMaxProbed = 4096;
// How peers end connections (protocol/blobs.md, section 7).
constexpr uint64_t kCloseCode = 0;  // in order
constexpr uint64_t kCloseUnwelcome = 1;
constexpr const char* kUnwelcome =
    "it does not serve this node: whoever runs it must allow our node id, which \"blobctl status\" "
    "shows (with blobd: serve.mode and serve.nodes)";

}  // namespace

// Everything here runs on the network loop.
class QuicNetwork::Core final : public quic::ConnectionObserver,
                                public quic::ProbeObserver,
                                public std::enable_shared_from_this<Core> {
 public:
  Core(Deps deps, std::shared_ptr<quic::Endpoint> endpoint, QuicNetworkOptions options)
      : deps_(deps), options_(options), endpoint_(std::move(endpoint)) {
    endpoint_->SetProbeObserver(this);
  }

  // Before the loop turns.
  void Start() {
    if (deps_.throttle == nullptr) return;
    deps_.throttle->OnChange([weak = weak_from_this()] {
      if (const auto core = weak.lock()) core->LimitWindows();
    });
  }

  void SetSink(NodeNetworkSink* sink) { sink_ = sink; }

  // The dial of each node that counts, by number. The control loop's alone.
  std::unordered_map<NodeId, uint64_t>& current() { return *current_; }

  void Dial(const NodeId& node, uint64_t dial, std::vector<SocketAddress> addresses, bool open) {
    const quic::ConnectionId id = endpoint_->Dial(node, std::move(addresses), this);
    endpoint_->KeepOpen(id, open);
    connections_[node] = id;
    nodes_[id] = {node, dial};
  }

  void ExtendDial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) {
    const auto it = connections_.find(node);
    if (it == connections_.end()) return;
    endpoint_->AddAddresses(it->second, std::move(addresses));
    endpoint_->KeepOpen(it->second, open);
  }

  void Disconnect(const NodeId& node) {
    const auto it = connections_.find(node);
    if (it == connections_.end()) return;
    const quic::ConnectionId id = it->second;
    DropReplacement(node);
    Forget(id);
    endpoint_->CloseConnection(id, kCloseCode);
    for (auto& [transfer, get] : gets_) get.streams->ConnectionClosed(id);
    TellSessions(node, {StreamEnd::Kind::kStopped, 0, "the connection was closed"});
  }

  void Move(const NodeId& node, const SocketAddress& to, bool immediate) {
    const auto id = ConnectionOf(node);
    if (!id || nodes_.at(*id).ended) return;  // its end, or what replaces it, is on its way
    DropReplacement(node);
    endpoint_->Move(*id, to, immediate);
  }

  void Reconnect(const NodeId& node, const SocketAddress& to) {
    const auto current = ConnectionOf(node);
    if (!current) return;  // its end is on its way
    DropReplacement(node);
    const quic::ConnectionId id = endpoint_->Dial(node, {to}, this);
    replacements_[node] = id;
    nodes_[id] = {node, nodes_.at(*current).dial};
    nodes_[id].replaces_at = to;
  }

  void Probe(const NodeId& node, const std::vector<SocketAddress>& addresses) {
    for (const SocketAddress& address : addresses) {
      // An address that two nodes are said to be at is a path of the one that asked last.
      if (probed_.size() >= kMaxProbed) probed_.clear();
      probed_[address] = node;
      endpoint_->Probe(node, address);
    }
  }

  void StartGet(TransferId id, const NodeId& node, const GetOrder& order) {
    auto strand = deps_.workers.MakeStrand();
    auto end = std::make_shared<End>(weak_from_this(), node, id);
    auto session = std::make_shared<GetSession>(
        GetSession::Deps{deps_.store, strand, end, end, deps_.clock, deps_.claims}, id, order,
        options_.get);
    if (path_timer_ == 0) ArmPathTimer();
    GetStreamShared shared = {*endpoint_, strand, session, [this] { WantFlush(); },
                              [this] { return deps_.network_loop.Now(); }};
    shared.being_replaced = [this, node] { return replacements_.count(node) != 0; };
    if (deps_.throttle != nullptr) SetThrottle(id, shared);
    gets_[id] = Get{node, session, strand, std::make_unique<GetStreams>(std::move(shared))};
    if (stall_timer_ == 0) ArmStallTimer();
    strand->Post([session] { session->Start(); });
  }

  void StopGet(TransferId id) {
    WithGet(id, [](GetStreams& get) { get.StopAll(); });
  }

  void LowerLimit(TransferId id, uint64_t boundary) {
    const auto it = gets_.find(id);
    if (it == gets_.end()) return;
    it->second.strand->Post(
        [session = it->second.session, boundary] { session->LowerLimit(boundary); });
  }

  void Prove(TransferId id, const RangeSet& groups) {
    const auto it = gets_.find(id);
    if (it == gets_.end()) return;
    it->second.strand->Post([session = it->second.session, groups] { session->Prove(groups); });
  }

  // quic::ConnectionObserver
  void OnConnected(quic::ConnectionId id, const quic::ConnectionInfo& info) override {
    Node& node = nodes_.at(id);
    node.connected = true;
    if (node.replaces_at) return TakeOver(id, info);
    TellOf(node, false,
           [info](NodeNetworkSink& sink) { sink.OnConnected(info.peer, info.address, info.rtt); });
  }

  void OnAttemptFailed(quic::ConnectionId id, const SocketAddress& address,
                       const std::string& reason) override {
    const Node& node = nodes_.at(id);
    TellOf(node, false, [node = node.id, address, reason](NodeNetworkSink& sink) {
      sink.OnAttemptFailed(node, address, reason);
    });
  }

  void OnMoved(quic::ConnectionId id, const SocketAddress& to) override {
    const Node& node = nodes_.at(id);
    DropReplacement(node.id);  // it was only slow
    TellOf(node, false, [node = node.id, to](NodeNetworkSink& sink) { sink.OnMoved(node, to); });
  }

  void OnMoveFailed(quic::ConnectionId id, const SocketAddress& to, bool not_yet) override {
    const Node& node = nodes_.at(id);
    if (replacements_.count(node.id) != 0) return;  // that one will tell
    TellMoveFailed(node, to, not_yet);
  }

  // quic::ProbeObserver
  void OnProbeAnswered(const SocketAddress& address, Duration rtt) override {
    const auto asker = probed_.find(address);
    if (asker == probed_.end()) return;
    Tell([node = asker->second, address, rtt](NodeNetworkSink& sink) {
      sink.OnProbeAnswered(node, address, rtt);
    });
  }

  void OnClosed(quic::ConnectionId id, const quic::CloseReason& why) override {
    const auto it = nodes_.find(id);
    if (it == nodes_.end()) return;
    if (it->second.replaces_at) {
      return NotReplaced(id, why.kind == quic::CloseReason::Kind::kLocalFault);
    }
    if (replacements_.count(it->second.id) != 0) {
      it->second.ended = why;
      return;
    }
    const Node node = it->second;
    Forget(id);
    if (node.connected) {
      TellDisconnected(node, why);
    } else {
      const bool local = why.kind == quic::CloseReason::Kind::kLocalFault;
      TellOf(node, true, [id = node.id, local, reason = why.reason](NodeNetworkSink& sink) mutable {
        sink.OnDialFailed(id, local, std::move(reason));
      });
    }
  }

  void Shutdown() {
    gets_.clear();
    if (stall_timer_ != 0) deps_.network_loop.CancelTimer(stall_timer_);
    if (try_timer_ != 0) deps_.network_loop.CancelTimer(try_timer_);
    if (path_timer_ != 0) deps_.network_loop.CancelTimer(path_timer_);
    endpoint_->SetProbeObserver(nullptr);
    endpoint_.reset();
  }

 private:
  struct Node {
    NodeId id;
    uint64_t dial = 0;
    bool connected = false;
    PathWatch path = {};
    // While another one is being made that is to take its place: how it ended, not told yet.
    std::optional<quic::CloseReason> ended = {};
    std::optional<SocketAddress> replaces_at = {};  // it is that other one, there
  };
  struct Get {
    NodeId node;
    std::shared_ptr<GetSession> session;  // on its strand
    std::shared_ptr<Executor> strand;
    std::unique_ptr<GetStreams> streams;
    bool held_back = false;  // as was told
  };

  // What a session sees of us, from its strand: every call is posted to the network loop, ends to
  // the control loop.
  class End final : public GetPort, public GetObserver {
   public:
    End(std::weak_ptr<Core> core, const NodeId& node, TransferId id)
        : core_(std::move(core)), node_(node), id_(id), loop_(core_.lock()->deps_.network_loop) {}

    void Open(uint64_t stream, Bytes request, bool patient) override {
      Post([node = node_, id = id_, stream, request = std::move(request),
            patient](Core& core) mutable {
        core.WithGet(id, [&](GetStreams& get) {
          get.Open(core.ConnectionOf(node), stream, std::move(request), patient);
          if (get.waiting()) core.ArmTryTimer();
        });
      });
    }
    void Consumed(uint64_t stream, uint64_t bytes) override {
      Post([id = id_, stream, bytes](Core& core) {
        core.WithGet(id, [&](GetStreams& get) { get.Consumed(stream, bytes); });
      });
    }
    void Stop(uint64_t stream) override {
      Post([id = id_, stream](Core& core) {
        core.WithGet(id, [&](GetStreams& get) { get.Stop(stream); });
      });
    }
    void OnProgress(TransferId id, const GetProgress& progress) override {
      Post([id, progress](Core& core) {
        core.Tell([id, progress](NodeNetworkSink& sink) { sink.OnGetProgress(id, progress); });
      });
    }
    void OnContent(TransferId id, const GetContent& content) override {
      Post([id, content](Core& core) {
        core.Tell([id, content](NodeNetworkSink& sink) { sink.OnGetContent(id, content); });
      });
    }
    void OnBoundary(TransferId id, uint64_t boundary) override {
      Post([id, boundary](Core& core) {
        core.Tell([id, boundary](NodeNetworkSink& sink) { sink.OnBoundary(id, boundary); });
      });
    }
    void OnEnded(TransferId id, const GetProgress& progress, const GetEnd& end) override {
      Post([id, progress, end](Core& core) {
        core.gets_.erase(id);
        core.Tell(
            [id, progress, end](NodeNetworkSink& sink) { sink.OnGetEnded(id, progress, end); });
      });
    }

   private:
    template <typename F>
    void Post(F f) {
      loop_.Post([core = core_, f = std::move(f)]() mutable {
        if (const auto alive = core.lock()) f(*alive);
      });
    }
    const std::weak_ptr<Core> core_;
    const NodeId node_;
    const TransferId id_;
    loop::Loop& loop_;
  };

  template <typename F>
  void WithGet(TransferId id, F f) {
    const auto it = gets_.find(id);
    if (it != gets_.end()) f(*it->second.streams);
  }

  template <typename F>
  void Tell(F f) {
    deps_.control.Post([sink = sink_, f = std::move(f)]() mutable { f(*sink); });
  }

  // Unless the dial or its connection was given up meanwhile: what it still had to say then is not
  // of the next one.
  template <typename F>
  void TellOf(const Node& node, bool last, F f) {
    deps_.control.Post([sink = sink_, current = current_, id = node.id, dial = node.dial, last,
                        f = std::move(f)]() mutable {
      const auto it = current->find(id);
      if (it == current->end() || it->second != dial) return;
      if (last) current->erase(it);
      f(*sink);
    });
  }

  void TellMoveFailed(const Node& node, const SocketAddress& to, bool not_yet) {
    TellOf(node, false, [node = node.id, to, not_yet](NodeNetworkSink& sink) {
      sink.OnMoveFailed(node, to, not_yet);
    });
  }

  // For those that have no stream now.
  void TellSessions(const NodeId& node, const StreamEnd& end) {
    for (auto& [transfer, get] : gets_) {
      if (get.node != node) continue;
      get.strand->Post([session = get.session, end] { session->OnConnectionEnd(end); });
    }
  }

  void TellDisconnected(const Node& node, const quic::CloseReason& why) {
    TellSessions(node.id, {StreamEnd::Kind::kLost, 0, why.reason});
    const bool by_peer = why.kind == quic::CloseReason::Kind::kPeerClosed;
    const bool in_order = by_peer && why.code == kCloseCode;
    // It says no more than a word (protocol/blobs.md, section 7).
    const bool unwelcome = by_peer && why.code == kCloseUnwelcome;
    TellOf(node, true,
           [id = node.id, in_order, reason = unwelcome ? std::string(kUnwelcome) : why.reason](
               NodeNetworkSink& sink) mutable {
             sink.OnDisconnected(id, in_order, std::move(reason));
           });
  }

  // ---- A connection that takes another's place ----

  void TakeOver(quic::ConnectionId id, const quic::ConnectionInfo& info) {
    Node& node = nodes_.at(id);
    node.replaces_at.reset();
    replacements_.erase(node.id);
    const quic::ConnectionId old = std::exchange(connections_.at(node.id), id);
    for (auto& [transfer, get] : gets_) get.streams->ConnectionReplaced(old);
    nodes_.erase(old);
    endpoint_->CloseConnection(old, kCloseCode);
    TellOf(node, false,
           [info](NodeNetworkSink& sink) { sink.OnReplaced(info.peer, info.address, info.rtt); });
  }

  // The dial came to nothing: what is left is the present connection, if it is.
  // What we could not even try says nothing of the address.
  void NotReplaced(quic::ConnectionId id, bool is_our_fault) {
    const SocketAddress at = *nodes_.at(id).replaces_at;
    const quic::ConnectionId present = connections_.at(nodes_.at(id).id);
    replacements_.erase(nodes_.at(id).id);
    nodes_.erase(id);
    const Node node = nodes_.at(present);
    if (!node.ended) return TellMoveFailed(node, at, is_our_fault);
    Forget(present);
    for (auto& [transfer, get] : gets_) {
      if (get.node == node.id) get.streams->NotReplaced();
    }
    TellDisconnected(node, *node.ended);
  }

  void DropReplacement(const NodeId& node) {
    const auto it = replacements_.find(node);
    if (it == replacements_.end()) return;
    const quic::ConnectionId id = it->second;
    replacements_.erase(it);
    nodes_.erase(id);
    endpoint_->CloseConnection(id, kCloseCode);
  }

  std::optional<quic::ConnectionId> ConnectionOf(const NodeId& node) const {
    const auto it = connections_.find(node);
    if (it == connections_.end() || !nodes_.at(it->second).connected) return std::nullopt;
    return it->second;
  }

  void Forget(quic::ConnectionId id) {
    const auto it = nodes_.find(id);
    connections_.erase(it->second.id);
    nodes_.erase(it);
  }

  // Once per batch of datagrams: the posted task runs after all of them were read.
  void WantFlush() {
    if (std::exchange(flush_posted_, true)) return;
    deps_.network_loop.Post([weak = weak_from_this()] {
      const auto core = weak.lock();
      if (core == nullptr) return;
      core->flush_posted_ = false;
      for (auto& [id, get] : core->gets_) get.streams->Flush();
    });
  }

  // ---- The limit of the bandwidth ----

  void SetThrottle(TransferId id, GetStreamShared& shared) {
    shared.throttle = deps_.throttle;
    shared.wait_for_rate = [this, id](uint64_t number, quic::ConnectionId connection,
                                      quic::StreamId stream, uint64_t bytes) {
      throttled_[connection] += bytes;
      deps_.throttle->Ask(id.value, bytes,
                          [weak = weak_from_this(), id, number, connection, stream](uint64_t n) {
                            if (const auto core = weak.lock())
                              core->OnRate(id, number, connection, stream, n);
                          });
    };
    shared.is_throttled = [this](quic::ConnectionId connection) {
      return throttled_.count(connection) != 0;
    };
    shared.release_rate = [this, id] { deps_.throttle->Release(id.value); };
  }

  void OnRate(TransferId id, uint64_t number, quic::ConnectionId connection, quic::StreamId stream,
              uint64_t bytes) {
    const auto held = throttled_.find(connection);
    if (held != throttled_.end() && (held->second -= std::min(held->second, bytes)) == 0)
      throttled_.erase(held);
    const auto get = gets_.find(id);
    if (get != gets_.end() && get->second.streams->Granted(number, bytes)) return;
    if (endpoint_ != nullptr) endpoint_->Consumed(connection, stream, bytes);
  }

  void LimitWindows() {
    if (endpoint_ == nullptr) return;
    std::optional<uint64_t> window;
    if (deps_.throttle->rate()) window = deps_.throttle->window();
    endpoint_->LimitWindows(window);
  }

  void ArmStallTimer() {
    stall_timer_ =
        deps_.network_loop.AddTimer(deps_.network_loop.Now() + kStallCheckInterval, [this] {
          stall_timer_ = 0;
          for (auto& [id, get] : gets_) {
            get.streams->CheckStalls(deps_.network_loop.Now(), options_.stall_timeout);
            get.strand->Post([session = get.session] { session->Beat(); });
            TellHeldBack(id, get.held_back);
          }
          if (!gets_.empty()) ArmStallTimer();
        });
  }

  void TellHeldBack(TransferId id, bool& told) {
    const bool now = deps_.throttle != nullptr && deps_.throttle->HoldsBack(id.value);
    if (std::exchange(told, now) == now) return;
    Tell([id, now](NodeNetworkSink& sink) { sink.OnGetHeldBack(id, now); });
  }

  void ArmPathTimer() {
    path_timer_ =
        deps_.network_loop.AddTimer(deps_.network_loop.Now() + PathWatch::kInterval, [this] {
          path_timer_ = 0;
          LookAtPaths();
          if (!gets_.empty()) ArmPathTimer();
        });
  }

  void LookAtPaths() {
    std::set<NodeId> wanted;
    for (const auto& [id, get] : gets_) wanted.insert(get.node);
    for (auto& [id, node] : nodes_) {
      if (!node.connected) continue;
      const auto path = endpoint_->PathOf(id);
      if (!path) continue;
      const PathWatch::News news =
          node.path.Look(*path, wanted.count(node.id) != 0, deps_.network_loop.Now());
      if (news.rtt) {
        TellOf(node, false,
               [id = node.id, rtt = *news.rtt, heard = path->heard](NodeNetworkSink& sink) {
                 sink.OnPathRtt(id, rtt, heard);
               });
      }
      if (news.went_dark) {
        TellOf(node, false, [id = node.id](NodeNetworkSink& sink) { sink.OnPathDark(id); });
      }
    }
  }

  void ArmTryTimer() {
    if (try_timer_ != 0) return;
    try_timer_ = deps_.network_loop.AddTimer(deps_.network_loop.Now() + kTryAgainInterval, [this] {
      try_timer_ = 0;
      bool waiting = false;
      for (auto& [id, get] : gets_) {
        get.streams->TryAgain();
        waiting = waiting || get.streams->waiting();
      }
      if (waiting) ArmTryTimer();
    });
  }

  const Deps deps_;
  const QuicNetworkOptions options_;
  std::shared_ptr<quic::Endpoint> endpoint_;
  NodeNetworkSink* sink_ = nullptr;
  // Shared with what was posted to the control loop.
  const std::shared_ptr<std::unordered_map<NodeId, uint64_t>> current_ =
      std::make_shared<std::unordered_map<NodeId, uint64_t>>();
  std::unordered_map<NodeId, quic::ConnectionId> connections_;   // dialling or connected
  std::unordered_map<NodeId, quic::ConnectionId> replacements_;  // dialling; not in connections_
  std::unordered_map<quic::ConnectionId, Node> nodes_;           // of both, by connection
  std::map<TransferId, Get> gets_;
  // Consumed bytes whose credit waits for the bandwidth; never 0.
  std::unordered_map<quic::ConnectionId, uint64_t> throttled_;
  bool flush_posted_ = false;
  loop::TimerId stall_timer_ = 0;
  loop::TimerId try_timer_ = 0;
  loop::TimerId path_timer_ = 0;
  std::unordered_map<SocketAddress, NodeId> probed_;  // who asked at the address, the latest
};

QuicNetwork::QuicNetwork(Deps deps, std::shared_ptr<quic::Endpoint> endpoint,
                         QuicNetworkOptions options)
    : network_loop_(deps.network_loop),
      core_(std::make_shared<Core>(deps, std::move(endpoint), options)) {
  core_->Start();
}

QuicNetwork::~QuicNetwork() { core_->Shutdown(); }

void QuicNetwork::SetSink(NodeNetworkSink* sink) { core_->SetSink(sink); }

void QuicNetwork::Dial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) {
  core_->current()[node] = ++dials_;
  network_loop_.Post([core = core_, node, dial = dials_, addresses = std::move(addresses),
                      open]() mutable { core->Dial(node, dial, std::move(addresses), open); });
}

void QuicNetwork::ExtendDial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) {
  network_loop_.Post([core = core_, node, addresses = std::move(addresses), open]() mutable {
    core->ExtendDial(node, std::move(addresses), open);
  });
}

void QuicNetwork::Disconnect(const NodeId& node) {
  core_->current().erase(node);
  network_loop_.Post([core = core_, node] { core->Disconnect(node); });
}

void QuicNetwork::Move(const NodeId& node, const SocketAddress& to, bool immediate) {
  network_loop_.Post([core = core_, node, to, immediate] { core->Move(node, to, immediate); });
}

void QuicNetwork::Reconnect(const NodeId& node, const SocketAddress& to) {
  network_loop_.Post([core = core_, node, to] { core->Reconnect(node, to); });
}

void QuicNetwork::Probe(const NodeId& node, std::vector<SocketAddress> addresses) {
  network_loop_.Post(
      [core = core_, node, addresses = std::move(addresses)] { core->Probe(node, addresses); });
}

void QuicNetwork::StartGet(TransferId id, const NodeId& node, const GetOrder& order) {
  network_loop_.Post([core = core_, id, node, order] { core->StartGet(id, node, order); });
}

void QuicNetwork::LowerLimit(TransferId id, uint64_t boundary) {
  network_loop_.Post([core = core_, id, boundary] { core->LowerLimit(id, boundary); });
}

void QuicNetwork::Prove(TransferId id, const RangeSet& groups) {
  network_loop_.Post([core = core_, id, groups] { core->Prove(id, groups); });
}

void QuicNetwork::StopGet(TransferId id) {
  network_loop_.Post([core = core_, id] { core->StopGet(id); });
}

}  // namespace blobd::transfer
