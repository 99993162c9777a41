// SignedPacket: what a node publishes about itself, signed with its key (pkarr;
// protocol/transport.md, section 8):
//
//   id (32) | ed25519 signature (64) | time, microseconds since 1970 (8, big-endian) | DNS packet
//
// The signature is over "3:seqi<time>e1:v<size>:" and the DNS packet, the form of BEP 44, so that
// the same packet can go into the Mainline DHT. Relays keep it without the id.
//
// Thread: any.
// Errors: kInvalidArgument if it is malformed or not signed by the node.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/status.h"
#include "base/time.h"
#include "lookup/node_record.h"

namespace blobd::lookup {

class SignedPacket {
 public:
  static constexpr size_t kMaxDns = 1000;  // bytes
  static constexpr size_t kSignature = 64;
  static constexpr size_t kTime = 8;
  static constexpr size_t kMaxPayload = kSignature + kTime + kMaxDns;

  // What `record` says, signed with the key of `seed`. Addresses that do not fit are left out, the
  // last first. `ttl` tells resolvers how long to keep it.
  // REQUIRES: seed has 32 bytes; unix_us > 0
  static SignedPacket Make(ByteView seed, const NodeRecord& record, uint64_t unix_us,
                           Duration ttl = seconds(30));
  // As a relay gives it: everything behind the id. The signature is checked against `node`.
  static StatusOr<SignedPacket> FromPayload(const NodeId& node, ByteView payload);

  const NodeId& node() const { return node_; }
  uint64_t unix_us() const { return unix_us_; }
  ByteView dns() const { return dns_; }
  Bytes Payload() const;
  // What it says of the node that signed it; entries for other names are passed over.
  const NodeRecord& record() const { return record_; }
  // Later ones replace earlier ones; of two of one time the greater bytes.
  bool IsNewerThan(const SignedPacket& other) const;

 private:
  SignedPacket() = default;

  NodeId node_;
  std::array<uint8_t, kSignature> signature_{};
  uint64_t unix_us_ = 0;
  Bytes dns_;
  NodeRecord record_;
};

}  // namespace blobd::lookup
