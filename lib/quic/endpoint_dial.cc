// Dialling: attempts at the addresses of a node, of which the first to finish wins.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quic/link.h"

namespace blobd::quic {
namespace {

const char* const kUnreachable = "the address cannot be reached";

}  // namespace

void EndpointImpl::SettleDial(Peer& peer) {
  if (Win(peer)) return;
  CollectAttempts(peer);
  RunRace(peer);
  // Starting may have failed on the spot.
  CollectAttempts(peer);
  if (peer.race->over(loop_.Now())) return LoseDial(peer);
  if (TellFailures(peer)) ArmRace(peer);
}

bool EndpointImpl::Win(Peer& peer) {
  const auto winner = std::find_if(
      peer.attempts.begin(), peer.attempts.end(),
      [](const std::unique_ptr<Link>& attempt) { return attempt->connection->ready(); });
  if (winner == peer.attempts.end()) return false;
  peer.link = std::move(*winner);
  peer.attempts.erase(winner);
  for (auto& loser : peer.attempts) Retire(std::move(loser), Goodbye());
  peer.attempts.clear();
  peer.race.reset();
  if (peer.timer != 0) loop_.CancelTimer(std::exchange(peer.timer, 0));
  if (!TellFailures(peer)) return true;
  const Connection& connection = *peer.link->connection;
  peer.observer->OnConnected(peer.id, {peer.node, peer.link->remote(), connection.rtt()});
  return true;
}

// Takes the attempts that have ended out of the race.
void EndpointImpl::CollectAttempts(Peer& peer) {
  const auto ended = [&](std::unique_ptr<Link>& attempt) {
    const auto& why = attempt->connection->ended();
    if (!why && !attempt->dark_since) return false;
    peer.race->Failed(attempt->remote());
    peer.untold.emplace_back(attempt->remote(), why ? why->reason : kUnreachable);
    // An impostor is what the caller must hear of, whatever else went wrong.
    if (!peer.last_failure || peer.last_failure->kind != CloseReason::Kind::kWrongIdentity) {
      peer.last_failure =
          why.value_or(CloseReason{CloseReason::Kind::kDialFailed, 0, kUnreachable});
    }
    Retire(std::move(attempt), std::nullopt);
    return true;
  };
  peer.attempts.erase(std::remove_if(peer.attempts.begin(), peer.attempts.end(), ended),
                      peer.attempts.end());
}

void EndpointImpl::RunRace(Peer& peer) {
  const path::DialRace::Step step = peer.race->Next(loop_.Now());
  for (const SocketAddress& address : step.drop) {
    const auto dropped = std::find_if(
        peer.attempts.begin(), peer.attempts.end(),
        [&](const std::unique_ptr<Link>& attempt) { return attempt->remote() == address; });
    if (dropped == peer.attempts.end()) continue;
    peer.untold.emplace_back(address, "no answer; others had their turn");
    Retire(std::move(*dropped), Goodbye());
    peer.attempts.erase(dropped);
  }
  for (const SocketAddress& address : step.start) StartAttempt(peer, address);
}

void EndpointImpl::StartAttempt(Peer& peer, const SocketAddress& address) {
  auto link = std::make_unique<Link>(*this, peer.id, Link::Side::kDialled, address);
  auto connection = Connection::Dial(*tls_, peer.node, DialOptionsFor(peer, address),
                                     socket_->local_address(), address, loop_.Now(), link.get());
  if (!connection.ok()) {
    peer.race->Failed(address);
    peer.untold.emplace_back(address, Message(connection.status()));
    peer.last_failure =
        CloseReason{CloseReason::Kind::kLocalFault, 0, Message(connection.status())};
    return;
  }
  link->connection = std::move(*connection);
  ListAt(*link, address);
  MarkDirty(*link);
  peer.attempts.push_back(std::move(link));
}

// The attempts of one dial share a window, since one of them will use it.
ConnectionOptions EndpointImpl::DialOptionsFor(Peer& peer, const SocketAddress& remote) {
  if (peer.window == 0) peer.window = budget_.Lease(WantedWindow());
  ConnectionOptions options;
  options.stream_window = options_.stream_window;
  options.connection_window = peer.window;
  options.idle_timeout = options_.idle_timeout;
  options.keep_alive = options_.keep_alive;
  options.payload = path_mtu_.For(socket_->local_address(), remote, loop_.Now());
  options.reset_secret = reset_secret_;
  return options;
}

CloseReason EndpointImpl::DialFailure(const Peer& peer) const {
  CloseReason why{CloseReason::Kind::kDialFailed, 0, "no address is known"};
  if (peer.last_failure) {
    why.code = peer.last_failure->code;
    why.reason = peer.last_failure->reason;
    if (peer.last_failure->kind == CloseReason::Kind::kWrongIdentity ||
        peer.last_failure->kind == CloseReason::Kind::kLocalFault) {
      why.kind = peer.last_failure->kind;
    }
  } else if (peer.race->timed_out(loop_.Now()) && peer.race->given() > 0) {
    why.reason = fmt::format("no answer within {} ms", options_.dial_timeout / milliseconds(1));
  } else if (peer.race->given() > 0) {
    why.reason = "no address is usable";
  }
  return why;
}

void EndpointImpl::LoseDial(Peer& peer) {
  const CloseReason why = DialFailure(peer);
  for (auto& attempt : peer.attempts) {
    peer.untold.emplace_back(attempt->remote(), "no answer before the dial's end");
    Retire(std::move(attempt), Goodbye());
  }
  peer.attempts.clear();
  if (TellFailures(peer)) End(peer.id, why);
}

// Whoever dialled hears which addresses failed, and may give the dial up meanwhile: false then.
bool EndpointImpl::TellFailures(Peer& peer) {
  for (const auto& [address, reason] : std::exchange(peer.untold, {})) {
    if (peer.goodbye) return false;
    peer.observer->OnAttemptFailed(peer.id, address, reason);
  }
  return !peer.goodbye;
}

void EndpointImpl::ArmRace(Peer& peer) {
  if (peer.timer != 0) loop_.CancelTimer(peer.timer);
  peer.timer = loop_.AddTimer(peer.race->NextDeadline(), [this, id = peer.id] {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return;
    found->second->timer = 0;
    Mark(*found->second);
  });
}

}  // namespace blobd::quic
