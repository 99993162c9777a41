// Between socket and connections: who a datagram belongs to, and when which connection is written.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "quic/link.h"

namespace blobd::quic {
namespace {

// Connections to one address that a datagram without a known id is shown to: it may be the
// stateless reset of any.
constexpr size_t kResetCandidates = 4;
// How long an ended connection is remembered, in probe timeouts (RFC 9000, section 10.2).
constexpr int kFarewellPtos = 3;

}  // namespace

void EndpointImpl::OnSocket(uint32_t events) {
  if ((events & EPOLLOUT) != 0) SendBlocked();
  // One batch per turn: what is left makes the descriptor ready again.
  if ((events & (EPOLLIN | EPOLLERR)) != 0) socket_->Receive(take_datagram_);
}

void EndpointImpl::OnDatagram(const SocketAddress& from, ByteView datagram) {
  if (IsDisco(datagram)) {
    if (const auto pong = disco_.Answer(datagram, from, loop_.Now())) SendAside(from, *pong);
    return;
  }
  ngtcp2_version_cid header{};
  if (ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(), kOwnCidSize) != 0 ||
      header.dcidlen > NGTCP2_MAX_CIDLEN) {
    return;
  }
  const Cid cid = Cid::From(ByteView(header.dcid, header.dcidlen));
  Link* link = FindLink(cid);
  if (link == nullptr) {
    if (const auto late = farewells_.OnDatagram(cid, loop_.Now())) {
      if (!late->answer.empty()) SendAside(late->to, late->answer);
      return;
    }
    return OnStranger(from, datagram);
  }
  // A node we dialled stays where it is; else anybody who saw an id could try to move it.
  if (from != link->remote()) return;
  link->heard = true;
  link->connection->Receive(from, datagram, loop_.Now());
  MarkDirty(*link);
}

EndpointImpl::Link* EndpointImpl::FindLink(const Cid& cid) {
  const auto found = by_cid_.find(cid);
  return found == by_cid_.end() ? nullptr : found->second;
}

void EndpointImpl::OnStranger(const SocketAddress& from, ByteView datagram) {
  constexpr uint8_t kLongHeader = 0x80;
  if (datagram.empty() || (datagram[0] & kLongHeader) != 0) return;
  const auto [begin, end] = by_address_.equal_range(from);
  size_t shown = 0;
  for (auto it = begin; it != end && shown < kResetCandidates; ++it, ++shown) {
    it->second->connection->Receive(from, datagram, loop_.Now());
    MarkDirty(*it->second);
  }
}

void EndpointImpl::MarkDirty(Link& link) {
  if (!std::exchange(link.dirty, true)) dirty_.push_back(&link);
  Schedule();
}

void EndpointImpl::WriteDirty() {
  std::vector<Link*> links;
  links.swap(dirty_);
  for (Link* link : links) link->dirty = false;
  for (Link* each : links) {
    Link& link = *each;
    if (!blocked_.empty()) {  // its timer waits too: it could do nothing but ask to be written
      MarkDirty(link);
      continue;
    }
    writing_ = &link;
    link.pinged = false;
    if (link.connection->Write(loop_.Now(), scratch_, *this)) MarkDirty(link);
    writing_ = nullptr;
    Arm(link);
    // Handshake, end and failure to send are for Settle to see.
    Peer* peer = Find(link.owner());
    if (peer == nullptr) continue;
    if (link.connection->ended() || link.unreachable || peer->race) Mark(*peer);
  }
}

bool EndpointImpl::Send(const SocketAddress& to, ByteView bytes, size_t segment) {
  Link& link = *writing_;
  constexpr uint8_t kLongHeader = 0x80;
  if (!link.pinged && !link.connection->handshake_completed() && (bytes[0] & kLongHeader) != 0) {
    // A node up to 0.95 hears QUIC only from addresses that have pinged it.
    link.pinged = true;
    const Peer* peer = Find(link.owner());
    if (peer != nullptr) {
      if (const auto ping = disco_.Ping(peer->node)) SendAside(to, *ping);
    }
  }
  switch (socket_->Send(to, bytes, segment)) {
    case SendOutcome::kSent:
    case SendOutcome::kTooLarge:
      return true;
    case SendOutcome::kUnreachable:
      link.unreachable = true;
      return true;
    case SendOutcome::kBlocked:
      break;
  }
  if (blocked_.empty()) {
    // Fails only if the descriptor is not watched, which it is.
    BLOBD_CHECK(loop_.ChangeEvents(socket_->fd(), EPOLLIN | EPOLLOUT).ok());
  }
  blocked_.push_back({to, Bytes(bytes.begin(), bytes.end()), segment});
  return false;
}

// For what may get lost: pings, pongs and farewells.
void EndpointImpl::SendAside(const SocketAddress& to, ByteView datagram) {
  if (blocked_.empty()) socket_->Send(to, datagram, datagram.size());
}

void EndpointImpl::SendBlocked() {
  while (!blocked_.empty()) {
    const Blocked& next = blocked_.front();
    if (socket_->Send(next.to, next.bytes, next.segment) == SendOutcome::kBlocked) return;
    blocked_.pop_front();
  }
  BLOBD_CHECK(loop_.ChangeEvents(socket_->fd(), EPOLLIN).ok());
  if (!dirty_.empty()) Schedule();
}

void EndpointImpl::Arm(Link& link) {
  const Instant at = link.connection->NextDeadline();
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

// Takes the link off the tables; it is destroyed at the end of the turn. With `code` it is closed
// first, if the peer can know of it.
void EndpointImpl::Retire(std::unique_ptr<Link> link, std::optional<uint64_t> code) {
  Connection& connection = *link->connection;
  const Instant now = loop_.Now();
  if (code && link->heard) connection.Close(*code, now);
  if (!connection.farewell().empty()) SendAside(link->remote(), connection.farewell());
  const auto [begin, end] = by_address_.equal_range(link->remote());
  for (auto it = begin; it != end; ++it) {
    if (it->second != link.get()) continue;
    by_address_.erase(it);
    break;
  }
  for (const Cid& cid : link->cids) by_cid_.erase(cid);
  if (link->timer != 0) loop_.CancelTimer(std::exchange(link->timer, 0));
  dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), link.get()), dirty_.end());
  if (link->heard) {
    farewells_.Add(std::move(link->cids), link->remote(), connection.farewell(),
                   now + connection.pto() * kFarewellPtos);
  }
  link->cids.clear();
  link->connection.reset();
  retired_.push_back(std::move(link));
}

}  // namespace blobd::quic
