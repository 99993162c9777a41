#include "transfer/upload_core.h"

#include <algorithm>
#include <utility>

namespace blobd::transfer {
namespace {

// All limits on time are checked so often: one timer for all streams.
constexpr Duration kTickInterval = seconds(1);
// How long an observer's news gather before they are told: at most ten items a second.
constexpr Duration kNewsDelay = milliseconds(100);
// Time for a FIN to arrive before the stream is reset because of what was not read.
constexpr Duration kUnreadGrace = seconds(1);

// Application codes of connections (protocol/blobs.md, section 7).
constexpr uint64_t kCloseInOrder = 0;
constexpr quic::Refusal kRefusePermission = {1, "permission"};
constexpr uint64_t kStreamDropped = 0;

ServeQueue::Options QueueOptions(const ServeOptions& options) {
  ServeQueue::Options queue;
  queue.budget = std::max<uint64_t>(options.read_budget, ServeQueue::kLeastGrant);
  queue.reads_at_once = std::max<size_t>(options.reads_at_once, 1);
  return queue;
}

}  // namespace

UploadCore::UploadCore(Deps deps, std::shared_ptr<quic::Endpoint> endpoint, ServeOptions options,
                       UploadSink* sink)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      mode_(options_.mode),
      listed_(options_.listed.begin(), options_.listed.end()),
      endpoint_(std::move(endpoint)),
      sink_(sink),
      readers_(std::make_shared<ServeReaders>(options_.open_readers)),
      queue_(QueueOptions(options_)) {}

void UploadCore::Start() { endpoint_->SetAcceptor(this); }

void UploadCore::Shutdown() {
  CloseConnections();
  endpoint_->SetAcceptor(nullptr);
  endpoint_.reset();
  for (TimerId* timer : {&pace_timer_, &tick_timer_, &drain_timer_}) {
    if (*timer != 0) deps_.timers.CancelTimer(std::exchange(*timer, 0));
  }
}

UploadServer::Snapshot UploadCore::Take() const {
  UploadServer::Snapshot snapshot;
  snapshot.totals = totals_;
  for (const auto& [id, node] : nodes_) {
    UploadInfo info = node.info;
    info.streams = static_cast<uint32_t>(node.streams.size());
    snapshot.nodes.push_back(info);
  }
  std::sort(snapshot.nodes.begin(), snapshot.nodes.end(),
            [](const UploadInfo& a, const UploadInfo& b) { return a.node < b.node; });
  return snapshot;
}

// ---- Connections ----

bool UploadCore::MayConnect(const NodeId& node) const {
  switch (mode_) {
    case ServeMode::kAnyone:
      return true;
    case ServeMode::kListed:
      return listed_.count(node) != 0;
    case ServeMode::kNobody:
      return false;
  }
  return false;
}

void UploadCore::SetPolicy(ServeMode mode, std::vector<NodeId> listed) {
  mode_ = mode;
  listed_ = std::unordered_set<NodeId>(listed.begin(), listed.end());
  if (endpoint_ == nullptr) return;
  std::vector<quic::ConnectionId> unwelcome;
  for (const auto& [id, node] : connections_)
    if (!MayConnect(node)) unwelcome.push_back(id);
  for (const quic::ConnectionId id : unwelcome) CloseOne(id, kRefusePermission);
}

bool UploadCore::Disconnect(const NodeId& node) {
  if (endpoint_ == nullptr) return false;
  std::vector<quic::ConnectionId> its;
  for (const auto& [id, peer] : connections_)
    if (peer == node) its.push_back(id);
  for (const quic::ConnectionId id : its) CloseOne(id, quic::Refusal{kCloseInOrder, ""});
  WantPump();  // others may read now
  return !its.empty();
}

// Its streams' handlers are not called any more, and the acceptor does not hear of it.
void UploadCore::CloseOne(quic::ConnectionId id, const quic::Refusal& why) {
  std::vector<uint64_t> streams;
  for (const auto& [number, stream] : streams_)
    if (stream->connection == id) streams.push_back(number);
  for (const uint64_t number : streams) Forget(*streams_.at(number));
  std::erase_if(to_refuse_, [id](const auto& refused) { return refused.first == id; });
  endpoint_->CloseConnection(id, why.code, why.reason);
  OnClosed(id, {});
}

uint32_t UploadCore::WeightOf(const NodeId& node) const {
  const auto it = options_.weights.find(node);
  return it == options_.weights.end() ? 1 : std::max<uint32_t>(it->second, 1);
}

std::optional<quic::Refusal> UploadCore::OnAccepted(quic::ConnectionId id,
                                                    const quic::ConnectionInfo& info) {
  if (draining_) return quic::Refusal{kCloseInOrder, ""};
  if (!MayConnect(info.peer)) {
    ++totals_.refused;
    return kRefusePermission;
  }
  connections_[id] = info.peer;
  if (nodes_.empty() && deps_.on_first_node) deps_.control.Post(deps_.on_first_node);
  UploadInfo& node = nodes_[info.peer].info;
  if (node.connections++ == 0) {
    node.node = info.peer;
    node.since = deps_.clock.WallNow();
  }
  node.address = info.address;
  return std::nullopt;
}

void UploadCore::OnClosed(quic::ConnectionId id, const quic::CloseReason& /*why*/) {
  const auto connection = connections_.find(id);
  if (connection == connections_.end()) return;
  const auto node = nodes_.find(connection->second);
  connections_.erase(connection);
  if (--node->second.info.connections == 0) nodes_.erase(node);
}

// ---- Turns and times ----

void UploadCore::WantPump() {
  if (std::exchange(pump_posted_, true)) return;
  deps_.network.Post([weak = weak_from_this()] {
    const auto core = weak.lock();
    if (core != nullptr && core->endpoint_ != nullptr) core->Pump();
  });
}

void UploadCore::Pump() {
  pump_posted_ = false;
  forgotten_.clear();
  for (const auto& [connection, stream] : std::exchange(to_refuse_, {}))
    endpoint_->StopStream(connection, stream, kServeResetLimit);
  while (const auto grant = NextRead()) {
    const ServeStream& stream = *streams_.at(grant->stream);
    if (stream.session == nullptr) {  // an observer that was ended while it had news
      queue_.OnRead(grant->stream, 0, false, Now());
      continue;
    }
    stream.strand->Post(
        [session = stream.session, bytes = grant->bytes] { session->Produce(bytes); });
  }
  MaybeDrained();
}

void UploadCore::PaceNews(uint64_t number) {
  news_.emplace_back(Now() + kNewsDelay, number);
  if (pace_timer_ == 0) ArmPace();
}

void UploadCore::ArmPace() {
  pace_timer_ = deps_.timers.AddTimer(news_.front().first, [this] {
    pace_timer_ = 0;
    for (; !news_.empty() && news_.front().first <= Now(); news_.pop_front())
      queue_.Want(news_.front().second);
    if (!news_.empty()) ArmPace();
    WantPump();
  });
}

void UploadCore::ArmTick() {
  if (tick_timer_ != 0) return;
  tick_timer_ = deps_.timers.AddTimer(Now() + kTickInterval, [this] {
    tick_timer_ = 0;
    Tick();
    if (!streams_.empty()) ArmTick();
  });
}

void UploadCore::Tick() {
  std::vector<uint64_t> unread;
  std::vector<uint64_t> stalled;
  for (const auto& [number, stream] : streams_) {
    const Duration quiet = Now() - stream->last_progress;
    if (stream->phase == ServeStream::Phase::kUnread) {
      if (quiet >= kUnreadGrace) unread.push_back(number);
    } else if (stream->waits_for_peer() && quiet >= options_.stall_timeout) {
      stalled.push_back(number);
    }
  }
  for (const uint64_t number : unread) Reset(*streams_.at(number), kStreamDropped);
  for (const uint64_t number : stalled) Reset(*streams_.at(number), kServeResetInternal);
  totals_.stalled += stalled.size();
  ResetStalled();
}

// While others wait for the memory that they hold, stalled nodes have less time.
void UploadCore::ResetStalled() {
  if (!queue_.is_starved()) return;
  const auto stalled = queue_.StreamsOfStalledNodes(Now(), options_.starving_stall_timeout);
  for (const uint64_t number : stalled) Reset(*streams_.at(number), kServeResetLimit);
  totals_.stalled += stalled.size();
}

// ---- The end ----

void UploadCore::Drain(Duration grace, UniqueFunction<void()> done) {
  if (endpoint_ == nullptr) return deps_.control.Post(std::move(done));
  draining_ = true;
  drained_.push_back(std::move(done));
  std::vector<uint64_t> observers;
  for (const auto& [number, stream] : streams_) {
    if (stream->observes && stream->phase == ServeStream::Phase::kAnswer)
      observers.push_back(number);
  }
  for (const uint64_t number : observers) {
    if (ServeStream* stream = Find(number)) Finish(*stream);
  }
  if (drain_timer_ != 0) deps_.timers.CancelTimer(drain_timer_);
  drain_timer_ = deps_.timers.AddTimer(Now() + grace, [this] {
    drain_timer_ = 0;
    CloseConnections();
    MaybeDrained();
  });
  WantPump();
}

void UploadCore::MaybeDrained() {
  if (drained_.empty() || !streams_.empty()) return;
  CloseConnections();
  if (drain_timer_ != 0) deps_.timers.CancelTimer(std::exchange(drain_timer_, 0));
  for (auto& done : std::exchange(drained_, {})) deps_.control.Post(std::move(done));
}

// Its streams' handlers are not called any more.
void UploadCore::CloseConnections() {
  while (!streams_.empty()) Forget(*streams_.begin()->second);
  to_refuse_.clear();
  for (const auto& [id, node] : std::exchange(connections_, {}))
    endpoint_->CloseConnection(id, kCloseInOrder);
  nodes_.clear();
}

}  // namespace blobd::transfer
