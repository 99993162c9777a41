// Paths to nodes: moving connections, and asking addresses how far away they are.
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "quic/link.h"

namespace blobd::quic {
namespace {

// One of those that are reserved to be spoken by nobody (RFC 9000, section 15).
constexpr uint32_t kNobodysVersion = 0x1a2a3a4a;
// What is shorter is not answered (RFC 9000, section 6.1).
constexpr size_t kProbeSize = 1200;
constexpr uint8_t kLongHeader = 0xc0;

}  // namespace

void EndpointImpl::Move(ConnectionId id, const SocketAddress& to, bool immediate) {
  Peer* peer = Find(id);
  if (peer == nullptr || peer->visit || peer->race || peer->link == nullptr) return;
  const auto begun = peer->link->connection->Move(to, immediate, loop_.Now());
  if (begun == Connection::MoveStart::kBegun) {
    // From there it may say that it has forgotten the connection.
    ListAt(*peer->link, to);
    return MarkDirty(*peer->link);
  }
  peer->moves.push_back({to, false, begun == Connection::MoveStart::kNotYet});
  Mark(*peer);
}

// The observer may close the connection meanwhile.
void EndpointImpl::TellMoves(Peer& peer) {
  for (const Peer::Moved& moved : std::exchange(peer.moves, {})) {
    if (peer.goodbye) return;
    if (moved.done) {
      peer.observer->OnMoved(peer.id, moved.to);
    } else {
      peer.observer->OnMoveFailed(peer.id, moved.to, moved.not_yet);
    }
  }
}

std::optional<PathState> EndpointImpl::PathOf(ConnectionId id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second->goodbye || found->second->link == nullptr) {
    return std::nullopt;
  }
  const Connection& connection = *found->second->link->connection;
  if (!connection.ready()) return std::nullopt;
  return PathState{connection.remote(), connection.latest_rtt(), connection.silence().heard()};
}

// A long header with ids of our choosing, and nothing behind it that means anything:
// first byte, version, size and bytes of both ids (RFC 8999, section 5.1).
void EndpointImpl::Probe(const NodeId& node, const SocketAddress& address) {
  SendPing(node, address);
  Cid id;
  id.size = kOwnCidSize;
  randombytes_buf(id.bytes.data(), id.size);
  Bytes packet(kProbeSize);
  randombytes_buf(packet.data(), packet.size());
  packet[0] = static_cast<uint8_t>(packet[0] | kLongHeader);
  for (size_t i = 0; i < 4; ++i) {
    packet[1 + i] = static_cast<uint8_t>(kNobodysVersion >> (8 * (3 - i)));
  }
  packet[5] = kOwnCidSize;  // theirs stays random
  packet[6 + kOwnCidSize] = kOwnCidSize;
  std::copy_n(id.bytes.begin(), kOwnCidSize, packet.begin() + 7 + kOwnCidSize);
  if (probe_order_.size() >= kMaxProbes) {
    probes_.erase(probe_order_.front());
    probe_order_.pop_front();
  }
  probes_[id] = {address, loop_.Now()};
  probe_order_.push_back(id);
  SendAside(address, packet);
}

// Only the address that was asked can know the id.
bool EndpointImpl::TakeProbeAnswer(const SocketAddress& from, const ngtcp2_version_cid& header) {
  const auto probe = probes_.find(Cid::From(ByteView(header.dcid, header.dcidlen)));
  if (probe == probes_.end() || probe->second.address != from) return false;
  const Duration rtt = std::max<Duration>(loop_.Now() - probe->second.at, Duration(1));
  probe_order_.erase(std::find(probe_order_.begin(), probe_order_.end(), probe->first));
  probes_.erase(probe);
  if (probe_observer_ != nullptr) probe_observer_->OnProbeAnswered(from, rtt);
  return true;
}

}  // namespace blobd::quic
