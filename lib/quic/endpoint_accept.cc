// Connections that peers open: who is let in, what the acceptor hears, and what answers are sent.
#include <utility>

#include "base/check.h"
#include "quic/link.h"

namespace blobd::quic {
namespace {

// Connections to one address that a datagram without a known id is shown to: it may be the
// stateless reset of any.
constexpr size_t kResetCandidates = 4;
// Requests are short; what is consumed is given back.
constexpr uint64_t kVisitWindow = 64 << 10;

}  // namespace

void EndpointImpl::SetAcceptor(Acceptor* acceptor) {
  if (acceptor == acceptor_) return;
  acceptor_ = acceptor;
  for (auto& [id, peer] : peers_) {
    if (peer->visit) CloseConnection(id, 0, {});
  }
}

void EndpointImpl::OnStranger(const SocketAddress& from, ByteView datagram) {
  constexpr uint8_t kLongHeader = 0x80;
  if ((datagram[0] & kLongHeader) == 0 && ShowToDialled(from, datagram)) return;
  if (acceptor_ == nullptr) return;
  const Doorman::Verdict verdict = doorman_.OnDatagram(from, datagram, loop_.Now());
  if (!verdict.answer.empty()) SendAside(from, verdict.answer, socket_->asked_at());
  if (verdict.newcomer) Admit(from, datagram, *verdict.newcomer);
}

// True if it was the stateless reset of one of them.
bool EndpointImpl::ShowToDialled(const SocketAddress& from, ByteView datagram) {
  const auto [begin, end] = by_address_.equal_range(from);
  size_t shown = 0;
  for (auto it = begin; it != end && shown < kResetCandidates; ++it, ++shown) {
    Link& link = *it->second;
    if (link.connection->ended()) continue;
    link.connection->Receive(from, datagram, loop_.Now());
    MarkDirty(link);
    if (link.connection->ended()) return true;
  }
  return false;
}

ConnectionOptions EndpointImpl::VisitOptionsFor(const SocketAddress& from) {
  ConnectionOptions options;
  options.stream_window = options.connection_window = kVisitWindow;
  options.peer_streams = options_.peer_streams;
  options.idle_timeout = options_.idle_timeout;
  options.handshake_timeout = options_.handshake_timeout;
  options.payload = path_mtu_.For(socket_->local_address(), from, loop_.Now());
  options.reset_secret = reset_secret_;
  return options;
}

void EndpointImpl::Admit(const SocketAddress& from, ByteView datagram,
                         const Doorman::Newcomer& newcomer) {
  const ConnectionId id{next_id_++};
  auto link = std::make_unique<Link>(*this, id, Link::Side::kVisiting, from);
  auto connection =
      Connection::Accept(*tls_, newcomer.first, newcomer.original, VisitOptionsFor(from),
                         socket_->local_address(), from, loop_.Now(), link.get());
  if (!connection.ok()) return;  // out of memory; the client will try again
  link->connection = std::move(*connection);
  link->heard = true;
  link->asked_at = socket_->asked_at();
  auto peer = std::make_unique<Peer>();
  peer->id = id;
  peer->visit = Visit{from};
  peer->link = std::move(link);
  Link& visiting = *peer->link;
  peers_.emplace(id, std::move(peer));
  doorman_.Entered(from);
  visiting.connection->Receive(from, datagram, loop_.Now());
  MarkDirty(visiting);
}

void EndpointImpl::Announce(Peer& peer) {
  const ConnectionId id = peer.id;
  const Connection& connection = *peer.link->connection;
  peer.node = *connection.peer();
  peer.visit->half_open = false;
  doorman_.Authenticated();
  peer.visit->accepted = true;
  ++visits_of_[peer.node];
  const std::optional<Refusal> refusal =
      acceptor_->OnAccepted(id, {peer.node, connection.remote(), connection.rtt()});
  if (refusal) CloseConnection(id, refusal->code, refusal->reason);
}

void EndpointImpl::OpenServed(Peer& peer, StreamId stream) {
  const ConnectionId id = peer.id;
  peer.served[stream];
  StreamHandler* handler = acceptor_->OnStreamOpened(id, stream);
  // It may have been stopped, or the connection closed, in the call.
  Peer* still = Find(id);
  if (still == nullptr) return;
  const auto served = still->served.find(stream);
  if (served == still->served.end()) return;
  BLOBD_CHECK(handler != nullptr);
  served->second.handler = handler;
}

Status EndpointImpl::Send(ConnectionId id, StreamId stream, Bytes bytes, bool fin) {
  Peer* peer = Find(id);
  if (peer == nullptr || peer->link == nullptr) return NotFound("the connection is gone");
  BLOBD_RETURN_IF_ERROR(peer->link->connection->Send(stream, std::move(bytes), fin));
  MarkDirty(*peer->link);
  return OkStatus();
}

}  // namespace blobd::quic
