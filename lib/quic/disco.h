// Disco: the small datagrams that iroh 0.35 to 0.95 wants beside QUIC (protocol/transport.md,
// section 6). Such a node drops QUIC from an address it does not know, so a dial sends a ping
// first; pings of others are answered, since 0.35 measures its paths by them. Newer nodes ignore
// all of it.
//
// Up to 0.95 a node sends whatever it has for one node id to the address where that node answered
// its pings last and soonest, for up to 6.5 s after the last answer; QUIC above does not know. So
// it neither follows a connection to another path nor answers a second one there while the first
// path is dark. It does both if what comes from each of our addresses is another node to it: what
// we ping it by is not bound to whom QUIC proves us to be. So pings from the address of ours that
// reached a node first carry our id, and those from each other one an id of that address.
//
// What a disco datagram says is never believed: it teaches no addresses and proves no identity.
// A stranger can make us compute a key exchange, so answers have a budget per address and in all.
//
// Thread: one. Errors: what does not parse or exceeds the budget is silently nothing.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/time.h"
#include "quic/identity.h"
#include "quic/token_bucket.h"

namespace blobd::quic {

struct DiscoPing {
  std::array<uint8_t, 12> transaction{};
  NodeId sender;
};
struct DiscoPong {
  std::array<uint8_t, 12> transaction{};
  std::optional<SocketAddress> seen;  // where the ping came from; empty: over a relay
};
using DiscoMessage = std::variant<DiscoPing, DiscoPong>;

// True if the datagram is disco's, not QUIC's. To be asked before QUIC sees it.
bool IsDisco(ByteView datagram);

// The plaintext of a message, and back; nullopt for anything but a well-formed ping or pong.
Bytes EncodeDisco(const DiscoMessage& message);
std::optional<DiscoMessage> DecodeDisco(ByteView plaintext);

// One id under which disco datagrams are sent and read.
class DiscoName {
 public:
  explicit DiscoName(const std::array<uint8_t, 32>& seed);
  ~DiscoName();
  DiscoName(const DiscoName&) = delete;
  DiscoName& operator=(const DiscoName&) = delete;

  const NodeId& id() const { return id_; }
  // Encrypts for `node`, and decrypts what `node`, named in the datagram, sent.
  std::optional<Bytes> Seal(const NodeId& node, const DiscoMessage& message);
  std::optional<std::pair<NodeId, DiscoMessage>> Open(ByteView datagram);

 private:
  using Key = std::array<uint8_t, 32>;
  // The shared key with `node`, cached; nullptr if the id is no usable key. Valid until the next
  // call.
  const Key* SharedKey(const NodeId& node);

  NodeId id_;
  Key secret_{};                            // X25519
  std::list<std::pair<NodeId, Key>> keys_;  // newest first
  std::unordered_map<NodeId, std::list<std::pair<NodeId, Key>>::iterator> key_of_;
};

class Disco {
 public:
  explicit Disco(const Identity& identity);
  ~Disco();
  Disco(const Disco&) = delete;
  Disco& operator=(const Disco&) = delete;

  // A ping for `node`, to be sent from our address `source`, without one under our own id; nullopt
  // if the node's id is no usable key.
  std::optional<Bytes> Ping(const NodeId& node, const std::optional<SocketAddress>& source = {});
  // The pong if `datagram`, that `from` sent to our address `to`, is a ping and the budget allows;
  // never longer than it.
  std::optional<Bytes> Answer(ByteView datagram, const SocketAddress& from, Instant now,
                              const std::optional<SocketAddress>& to = {});

 private:
  using Ip = std::array<uint8_t, 16>;
  DiscoName& NameFor(const NodeId& node, const Ip& source);
  bool TakeBudget(const SocketAddress& from, Instant now);

  std::array<uint8_t, 32> secret_{};  // names come from it
  DiscoName own_;
  std::map<Ip, std::unique_ptr<DiscoName>> names_;  // of our other addresses
  std::unordered_map<NodeId, Ip> homes_;  // our address from which a node is pinged as ourselves

  TokenBucket all_;
  std::list<std::pair<SocketAddress, TokenBucket>> buckets_;  // newest first
  std::unordered_map<SocketAddress, std::list<std::pair<SocketAddress, TokenBucket>>::iterator>
      bucket_of_;
};

}  // namespace blobd::quic
