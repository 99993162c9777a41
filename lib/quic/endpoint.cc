// The calls of the endpoint, and what happens at the end of a turn.
#include "quic/endpoint.h"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "quic/link.h"

namespace blobd::quic {
namespace {

// Rounds of settling and writing per turn: callbacks may ask for more of both, but the loop goes on
// with other things in between.
constexpr int kRoundsPerTurn = 4;

}  // namespace

StatusOr<std::unique_ptr<Endpoint>> Endpoint::Open(loop::Loop& loop, const Identity& identity,
                                                   const EndpointOptions& options) {
  BLOBD_CHECK(sodium_init() >= 0);
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<TlsContext> tls, TlsContext::Create(identity));
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<UdpSocket> socket, UdpSocket::Open(options.listen));
  auto endpoint =
      std::make_unique<EndpointImpl>(loop, identity, options, std::move(tls), std::move(socket));
  BLOBD_RETURN_IF_ERROR(endpoint->Start());
  return std::unique_ptr<Endpoint>(std::move(endpoint));
}

EndpointImpl::EndpointImpl(loop::Loop& loop, const Identity& identity,
                           const EndpointOptions& options, std::unique_ptr<TlsContext> tls,
                           std::unique_ptr<UdpSocket> socket)
    : loop_(loop),
      node_id_(identity.node_id()),
      options_(options),
      tls_(std::move(tls)),
      socket_(std::move(socket)),
      disco_(identity),
      reset_secret_(identity.Secret("stateless reset")),
      doorman_({options.incoming, options.incoming_per_address, options.half_open_before_retry},
               reset_secret_),
      budget_(options.receive_budget) {
  take_datagram_ = [this](const SocketAddress& from, ByteView datagram) {
    OnDatagram(from, datagram);
  };
}

Status EndpointImpl::Start() {
  return loop_.Watch(socket_->fd(), EPOLLIN, [this](uint32_t events) { OnSocket(events); });
}

EndpointImpl::~EndpointImpl() {
  self_.reset();
  loop_.Unwatch(socket_->fd());
  for (auto& [id, peer] : peers_) {
    if (peer->timer != 0) loop_.CancelTimer(peer->timer);
    for (auto& attempt : peer->attempts) Retire(std::move(attempt), Goodbye());
    if (peer->link != nullptr) Retire(std::move(peer->link), Goodbye());
  }
  retired_.clear();
  sodium_memzero(reset_secret_.data(), reset_secret_.size());
}

// A connection that its owner gave up is no longer there for anybody.
EndpointImpl::Peer* EndpointImpl::Find(ConnectionId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second->goodbye) return nullptr;
  return found->second.get();
}

ConnectionId EndpointImpl::Dial(const NodeId& node, std::vector<SocketAddress> addresses,
                                ConnectionObserver* observer) {
  const ConnectionId id{next_id_++};
  auto peer = std::make_unique<Peer>();
  peer->id = id;
  peer->node = node;
  peer->observer = observer;
  peer->race.emplace(
      path::DialOptions{options_.dial_timeout, options_.race_delay, options_.race_width},
      loop_.Now());
  peer->race->Add(addresses);
  Mark(*peer);
  peers_.emplace(id, std::move(peer));
  return id;
}

void EndpointImpl::AddAddresses(ConnectionId id, std::vector<SocketAddress> addresses) {
  Peer* peer = Find(id);
  if (peer == nullptr || !peer->race) return;
  peer->race->Add(addresses);
  Mark(*peer);
}

void EndpointImpl::KeepOpen(ConnectionId id, bool open) {
  Peer* peer = Find(id);
  if (peer == nullptr || !peer->race) return;
  peer->race->KeepOpen(open);
  Mark(*peer);
}

void EndpointImpl::CloseConnection(ConnectionId id, uint64_t code, std::string_view reason) {
  Peer* peer = Find(id);
  if (peer == nullptr) return;
  peer->goodbye = Goodbye{code, std::string(reason)};
  peer->observer = nullptr;
  peer->readers.clear();
  peer->served.clear();
  Mark(*peer);
}

StatusOr<StreamId> EndpointImpl::OpenRequest(ConnectionId id, Bytes request, StreamReader* reader) {
  Peer* peer = Find(id);
  if (peer == nullptr) return NotFound("the connection is gone");
  if (peer->race) return ResourceExhausted("the connection is not up yet");
  if (peer->link == nullptr || !peer->link->connection->ready()) {
    return NotFound("the connection is gone");
  }
  Connection& connection = *peer->link->connection;
  BLOBD_ASSIGN_OR_RETURN(const StreamId stream, connection.OpenStream());
  BLOBD_RETURN_IF_ERROR(connection.Send(stream, std::move(request), true));
  peer->readers.emplace(stream, reader);
  MarkDirty(*peer->link);
  return stream;
}

void EndpointImpl::Consumed(ConnectionId id, StreamId stream, uint64_t bytes) {
  Peer* peer = Find(id);
  if (peer == nullptr || peer->link == nullptr) return;
  Connection& connection = *peer->link->connection;
  connection.Consumed(stream, bytes);
  if (!peer->visit) {
    const uint64_t more = budget_.Grow(peer->window, WantedWindow());
    peer->window += more;
    if (more > 0) connection.GrowWindow(more);
  }
  MarkDirty(*peer->link);
}

uint64_t EndpointImpl::WantedWindow() const {
  return std::min(options_.connection_window, window_limit_.value_or(UINT64_MAX));
}

uint64_t EndpointImpl::Withhold(ConnectionId id, StreamId stream, uint64_t bytes) {
  Peer* peer = Find(id);
  if (peer == nullptr || peer->link == nullptr || peer->visit) return 0;
  const uint64_t wanted = WantedWindow();
  if (peer->window <= wanted) return 0;
  bytes = peer->link->connection->Withhold(stream, std::min(bytes, peer->window - wanted));
  peer->window -= bytes;
  budget_.Release(bytes);
  MarkDirty(*peer->link);
  return bytes;
}

void EndpointImpl::StopStream(ConnectionId id, StreamId stream, uint64_t code) {
  Peer* peer = Find(id);
  if (peer == nullptr) return;
  peer->readers.erase(stream);
  peer->served.erase(stream);
  if (peer->link == nullptr) return;
  peer->link->connection->StopStream(stream, code);
  MarkDirty(*peer->link);
}

const Silence* EndpointImpl::SilenceOf(ConnectionId id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second->link == nullptr) return nullptr;
  return &found->second->link->connection->silence();
}

EndpointStats EndpointImpl::stats() const {
  return {socket_->stats(), doorman_.stats(), doorman_.inside(), doorman_.half_open()};
}

void EndpointImpl::Mark(Peer& peer) {
  if (!std::exchange(peer.marked, true)) marked_.push_back(peer.id);
  Schedule();
}

void EndpointImpl::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  loop_.AtTurnEnd([weak = std::weak_ptr<EndpointImpl*>(self_)] {
    if (const auto self = weak.lock()) (*self)->Flush();
  });
}

void EndpointImpl::Flush() {
  for (int round = 0; round < kRoundsPerTurn && (!marked_.empty() || !dirty_.empty()); ++round) {
    std::vector<ConnectionId> marked;
    marked.swap(marked_);
    for (const ConnectionId id : marked) Settle(id);
    WriteDirty();
    if (!blocked_.empty() && marked_.empty()) break;
  }
  retired_.clear();
  scheduled_ = false;
  // A full socket is waited for, not asked again and again.
  if (!marked_.empty() || (!dirty_.empty() && blocked_.empty())) Schedule();
}

void EndpointImpl::Settle(ConnectionId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  Peer& peer = *found->second;
  peer.marked = false;
  if (peer.goodbye) {
    const std::unique_ptr<Peer> gone = Remove(id);
    for (auto& attempt : gone->attempts) Retire(std::move(attempt), gone->goodbye);
    if (gone->link != nullptr) Retire(std::move(gone->link), gone->goodbye);
    return;
  }
  if (peer.race) return SettleDial(peer);
  if (peer.link == nullptr) return;
  if (!peer.moves.empty()) TellMoves(peer);
  if (const auto& ended = peer.link->connection->ended()) {
    const CloseReason why = *ended;
    End(id, why);
  } else if (peer.link->dark(loop_.Now())) {
    End(id, {CloseReason::Kind::kLost, 0, "the peer cannot be reached any more"});
  }
}

// Tells the streams, then who opened or took the connection. Each call may take others away, or the
// connection as a whole.
void EndpointImpl::End(ConnectionId id, const CloseReason& why) {
  if (Peer* peer = Find(id); peer->link != nullptr) Retire(std::move(peer->link), std::nullopt);
  while (LoseStream(id, why)) {
  }
  if (Find(id) == nullptr) return;  // closed by a callback; settled as that
  const std::unique_ptr<Peer> peer = Remove(id);
  if (!peer->visit) return peer->observer->OnClosed(id, why);
  if (peer->visit->accepted) acceptor_->OnClosed(id, why);
}

// Takes one stream that is left, and tells it; false if there is none.
bool EndpointImpl::LoseStream(ConnectionId id, const CloseReason& why) {
  Peer* peer = Find(id);
  if (peer == nullptr) return false;
  StreamReader* reader = nullptr;
  if (!peer->readers.empty()) {
    reader = peer->readers.begin()->second;
    peer->readers.erase(peer->readers.begin());
  } else if (!peer->served.empty()) {
    reader = peer->served.begin()->second.handler;
    peer->served.erase(peer->served.begin());
  } else {
    return false;
  }
  reader->OnLost(why);
  return true;
}

std::unique_ptr<EndpointImpl::Peer> EndpointImpl::Remove(ConnectionId id) {
  std::unique_ptr<Peer> peer = std::move(peers_.extract(id).mapped());
  if (peer->timer != 0) loop_.CancelTimer(peer->timer);
  if (peer->visit) doorman_.Left(peer->visit->from, peer->visit->half_open);
  if (peer->visit && peer->visit->accepted) {
    const auto visits = visits_of_.find(peer->node);
    if (--visits->second == 0) visits_of_.erase(visits);
  }
  budget_.Release(peer->window);
  return peer;
}

}  // namespace blobd::quic
