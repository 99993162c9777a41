// Connection: going to other addresses of the peer, and what is late from those it has left.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "quic/connection.h"

namespace blobd::quic {

// The library moves the connection when it reads, and back when a new address is not proven in
// time.
void Connection::NotePath() {
  const auto name = SocketAddress::FromSockaddr(ngtcp2_conn_get_path(conn_)->remote.addr);
  if (name) addresses_.SetCurrent(*name);
}

Connection::MoveStart Connection::Move(const SocketAddress& to, bool immediate, Instant now) {
  BLOBD_CHECK(role_ == Role::kClient);
  if (state_ != State::kReady) return MoveStart::kNotYet;
  const ngtcp2_transport_params* peer = ngtcp2_conn_get_remote_transport_params(conn_);
  if (peer != nullptr && peer->disable_active_migration != 0) return MoveStart::kNever;
  const auto name = addresses_.Reserve(to);
  if (!name) return MoveStart::kNever;
  sockaddr_storage local{};
  sockaddr_storage remote{};
  const ngtcp2_path path = MakePath(&local, &remote, *name);
  // An older move ends within the call, and nobody wants to hear of it any more.
  const auto before = std::exchange(moving_to_, std::nullopt);
  const int error = immediate ? ngtcp2_conn_initiate_immediate_migration(conn_, &path, now.nanos())
                              : ngtcp2_conn_initiate_migration(conn_, &path, now.nanos());
  // No connection id of the peer is left, or the handshake is not confirmed.
  if (error == NGTCP2_ERR_CONN_ID_BLOCKED || error == NGTCP2_ERR_INVALID_STATE) {
    moving_to_ = before;
    return MoveStart::kNotYet;
  }
  if (error != 0) return MoveStart::kNever;
  moving_to_ = name;
  NotePath();
  return MoveStart::kBegun;
}

// Of an older move nobody wants to hear any more.
void Connection::OnPathValidated(const SocketAddress& name, bool valid) {
  if (moving_to_ != name) return;
  moving_to_.reset();
  const auto to = addresses_.Resolve(name);
  if (to) delegate_->OnMoved(*to, valid);
}

// A move retires the id that the peer was known by, and says so on the new path. If that is the
// faster one, this overtakes what was sent before it on the old one, and a peer that forgets ids at
// once (iroh does) answers that with a stateless reset. It says nothing of the connection: tokens
// of retired ids must not be looked for (RFC 9000, section 10.3.1). ngtcp2 0.12.1 does, as long as
// it remembers those ids.
//
// Nor is an id looked at that a server keeps for going back to where its client was: who has
// forgotten the connection says so of the present id, too.
bool Connection::IsLateReset(ByteView datagram) const {
  constexpr size_t kLeastSize =
      NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  constexpr size_t kMostIds = 8;  // present, being validated, to fall back on, and two retired
  const size_t count = ngtcp2_conn_get_num_active_dcid(conn_);
  if (count < 2 || count > kMostIds || datagram.size() < kLeastSize) return false;
  std::array<ngtcp2_cid_token, kMostIds> ids;
  const auto end =
      ids.begin() + static_cast<ptrdiff_t>(ngtcp2_conn_get_active_dcid(conn_, ids.data()));
  // The present one is the first, then comes that of a path which is being validated.
  const auto current = SocketAddress::FromSockaddr(ngtcp2_conn_get_path(conn_)->remote.addr);
  const size_t in_use = moving_to_ && moving_to_ != current ? 2 : 1;
  const ByteView token = datagram.last(NGTCP2_STATELESS_RESET_TOKENLEN);
  return std::any_of(ids.begin() + static_cast<ptrdiff_t>(std::min(in_use, count)), end,
                     [&](const ngtcp2_cid_token& id) {
                       return id.token_present != 0 &&
                              sodium_memcmp(id.token, token.data(), token.size()) == 0;
                     });
}

}  // namespace blobd::quic
