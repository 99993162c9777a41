// Between socket and connections: who a datagram belongs to, and when which connection is written.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "quic/link.h"

namespace blobd::quic {
namespace {

// How long an ended connection is remembered, in probe timeouts (RFC 9000, section 10.2).
constexpr int kFarewellPtos = 3;
// While the socket takes nothing, timers of connections need no more precision than that.
constexpr Duration kBlockedTimer = milliseconds(1);

}  // namespace

void EndpointImpl::OnSocket(uint32_t events) {
  if ((events & EPOLLOUT) != 0) SendBlocked();
  // One batch per turn: what is left makes the descriptor ready again.
  if ((events & (EPOLLIN | EPOLLERR)) != 0) socket_->Receive(take_datagram_);
}

void EndpointImpl::OnDatagram(const SocketAddress& from, ByteView datagram) {
  if (IsDisco(datagram)) {
    if (const auto pong = disco_.Answer(datagram, from, loop_.Now(), socket_->asked_at()))
      SendAside(from, *pong, socket_->asked_at());
    return;
  }
  if (datagram.empty()) return;
  ngtcp2_version_cid header{};
  const int error =
      ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(), kOwnCidSize);
  if (error == NGTCP2_ERR_VERSION_NEGOTIATION) return OnStranger(from, datagram);
  if (error != 0 || header.dcidlen > NGTCP2_MAX_CIDLEN) return;
  const Cid cid = Cid::From(ByteView(header.dcid, header.dcidlen));
  Link* link = FindLink(cid);
  if (link == nullptr) {
    if (header.version == 0 && TakeProbeAnswer(from, header)) return;
    if (const auto late = farewells_.OnDatagram(cid, loop_.Now())) {
      if (!late->answer.empty()) SendAside(late->to, late->answer, socket_->asked_at());
      return;
    }
    return OnStranger(from, datagram);
  }
  // A node we dialled is where we look for it. One that dialled us may move: the connection
  // validates its new address before much is sent there.
  if (!link->visiting() && !link->connection->Expects(from)) return;
  if (link->connection->Receive(from, datagram, loop_.Now())) {
    link->heard = true;
    link->dark_since.reset();
    link->asked_at = socket_->asked_at();
  }
  MarkDirty(*link);
}

EndpointImpl::Link* EndpointImpl::FindLink(const Cid& cid) {
  const auto found = by_cid_.find(cid);
  return found == by_cid_.end() ? nullptr : found->second;
}

void EndpointImpl::MarkDirty(Link& link) {
  if (!std::exchange(link.dirty, true)) dirty_.push_back(&link);
  Schedule();
}

// One batch of each, in the order they asked. Those with more to say queue up behind all others,
// also behind those that a full socket gave no turn.
void EndpointImpl::WriteDirty() {
  std::vector<Link*> links;
  links.swap(dirty_);
  for (Link* link : links) link->dirty = false;
  std::vector<Link*> again;
  for (Link* link : links) {
    if (!blocked_.empty()) {
      MarkDirty(*link);
    } else if (Write(*link)) {
      again.push_back(link);
    }
    Arm(*link);
    // Handshake, end and failure to send are for Settle to see.
    Peer* peer = Find(link->owner());
    if (peer == nullptr) continue;
    if (link->connection->ended() || peer->race || link->dark(loop_.Now())) Mark(*peer);
  }
  for (Link* link : again) MarkDirty(*link);
}

// True if the connection could have written more at once.
bool EndpointImpl::Write(Link& link) {
  writing_ = &link;
  link.pinged = false;
  const bool more = link.connection->Write(loop_.Now(), scratch_, *this);
  writing_ = nullptr;
  if (link.connection->TakeLargeLost()) {
    path_mtu_.MarkSmall(link.connection->remote(), loop_.Now());
  }
  return more;
}

bool EndpointImpl::Send(const SocketAddress& to, ByteView bytes, size_t segment) {
  Link& link = *writing_;
  constexpr uint8_t kLongHeader = 0x80;
  if (!link.visiting() && !link.pinged && !link.connection->handshake_completed() &&
      (bytes[0] & kLongHeader) != 0) {
    // A node up to 0.95 hears QUIC only from addresses that have pinged it.
    link.pinged = true;
    const Peer* peer = Find(link.owner());
    if (peer != nullptr) SendPing(peer->node, to);
  }
  switch (socket_->Send(to, bytes, segment, link.source())) {
    case SendOutcome::kSent:
      link.dark_since.reset();
      return true;
    case SendOutcome::kTooLarge:
      return true;
    case SendOutcome::kUnreachable:
      if (!link.dark_since) link.dark_since = loop_.Now();
      return true;
    case SendOutcome::kBlocked:
      break;
  }
  if (blocked_.empty()) {
    // Fails only if the descriptor is not watched, which it is.
    BLOBD_CHECK(loop_.ChangeEvents(socket_->fd(), EPOLLIN | EPOLLOUT).ok());
  }
  blocked_.push_back({to, Bytes(bytes.begin(), bytes.end()), segment, link.source()});
  return false;
}

// A node that has dialled us too expects to hear one id from us, or its own connection is lost.
void EndpointImpl::SendPing(const NodeId& node, const SocketAddress& to) {
  const bool visits = visits_of_.count(node) != 0;
  const auto source = visits ? std::nullopt : sources_.Towards(to, loop_.Now());
  if (const auto ping = disco_.Ping(node, source)) SendAside(to, *ping);
}

// For what may get lost: pings, pongs and farewells.
void EndpointImpl::SendAside(const SocketAddress& to, ByteView datagram,
                             const std::optional<SocketAddress>& from) {
  if (blocked_.empty()) socket_->Send(to, datagram, datagram.size(), from);
}

void EndpointImpl::SendBlocked() {
  while (!blocked_.empty()) {
    const Blocked& next = blocked_.front();
    if (socket_->Send(next.to, next.bytes, next.segment, next.from) == SendOutcome::kBlocked)
      return;
    blocked_.pop_front();
  }
  BLOBD_CHECK(loop_.ChangeEvents(socket_->fd(), EPOLLIN).ok());
  if (!dirty_.empty()) Schedule();
}

void EndpointImpl::Arm(Link& link) {
  Instant at = link.connection->NextDeadline();
  if (!blocked_.empty()) at = std::max(at, loop_.Now() + kBlockedTimer);
  if (at == link.timer_at && (link.timer != 0 || at == Instant::Max())) return;
  if (link.timer != 0) loop_.CancelTimer(std::exchange(link.timer, 0));
  link.timer_at = at;
  if (at == Instant::Max()) return;
  link.timer = loop_.AddTimer(at, [this, &link] {
    link.timer = 0;
    link.connection->OnTimer(loop_.Now());
    MarkDirty(link);
  });
}

void EndpointImpl::ListAt(Link& link, const SocketAddress& at) {
  std::erase_if(link.listed, [&](const SocketAddress& each) {
    if (each != at && link.connection->Expects(each)) return false;
    Unlist(link, each);
    return true;
  });
  by_address_.emplace(at, &link);
  link.listed.push_back(at);
}

void EndpointImpl::Unlist(Link& link, const SocketAddress& at) {
  const auto [begin, end] = by_address_.equal_range(at);
  const auto it =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second == &link; });
  if (it != end) by_address_.erase(it);
}

// Takes the link off the tables; it is destroyed at the end of the turn. With a goodbye it is
// closed first, if the peer can know of it.
void EndpointImpl::Retire(std::unique_ptr<Link> link, const std::optional<Goodbye>& goodbye) {
  Connection& connection = *link->connection;
  const Instant now = loop_.Now();
  if (goodbye && link->heard) connection.Close(goodbye->code, goodbye->reason, now);
  const SocketAddress to = connection.remote();
  if (!connection.farewell().empty()) SendAside(to, connection.farewell(), link->source());
  for (const SocketAddress& at : std::exchange(link->listed, {})) Unlist(*link, at);
  for (const Cid& cid : link->cids) by_cid_.erase(cid);
  if (link->timer != 0) loop_.CancelTimer(std::exchange(link->timer, 0));
  dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), link.get()), dirty_.end());
  // Strangers whose first packet was nothing leave no trace.
  if (link->heard && (!link->visiting() || !connection.farewell().empty())) {
    farewells_.Add(std::move(link->cids), to, connection.farewell(),
                   now + connection.pto() * kFarewellPtos);
  }
  link->cids.clear();
  link->connection.reset();
  retired_.push_back(std::move(link));
}

}  // namespace blobd::quic
