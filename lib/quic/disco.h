// Disco: the small datagrams that iroh 0.35 to 0.95 wants beside QUIC (protocol/transport.md,
// section 6). Such a node drops QUIC from an address it does not know, so a dial sends a ping
// first; pings of others are answered, since 0.35 measures its paths by them. Newer nodes ignore
// all of it.
//
// What a disco datagram says is never believed: it teaches no addresses and proves no identity.
// A stranger can make us compute a key exchange, so answers have a budget per address and in all.
//
// Thread: one. Errors: what does not parse or exceeds the budget is silently nothing.
#pragma once

#include <array>
#include <cstdint>
#include <list>
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

class Disco {
 public:
  explicit Disco(const Identity& identity);
  ~Disco();
  Disco(const Disco&) = delete;
  Disco& operator=(const Disco&) = delete;

  // A ping for `node`; nullopt if its id is no usable key.
  std::optional<Bytes> Ping(const NodeId& node);
  // The pong if `datagram` from `from` is a ping and the budget allows; never longer than it.
  std::optional<Bytes> Answer(ByteView datagram, const SocketAddress& from, Instant now);

  // Encrypts for `node`, and decrypts what `node`, named in the datagram, sent.
  std::optional<Bytes> Seal(const NodeId& node, const DiscoMessage& message);
  std::optional<std::pair<NodeId, DiscoMessage>> Open(ByteView datagram);

 private:
  using Key = std::array<uint8_t, 32>;
  // The shared key with `node`, cached; nullptr if the id is no usable key. Valid until the next
  // call.
  const Key* SharedKey(const NodeId& node);
  bool TakeBudget(const SocketAddress& from, Instant now);

  NodeId node_id_;
  Key secret_{};  // X25519

  std::list<std::pair<NodeId, Key>> keys_;  // newest first
  std::unordered_map<NodeId, std::list<std::pair<NodeId, Key>>::iterator> key_of_;
  TokenBucket all_;
  std::list<std::pair<SocketAddress, TokenBucket>> buckets_;  // newest first
  std::unordered_map<SocketAddress, std::list<std::pair<SocketAddress, TokenBucket>>::iterator>
      bucket_of_;
};

}  // namespace blobd::quic
