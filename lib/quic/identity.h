// Identity: the node's ed25519 key pair. The seed is secret: it is never printed and is wiped when
// it goes away.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/status.h"

namespace blobd::quic {

class Identity {
 public:
  // REQUIRES: seed has 32 bytes
  static Identity FromSeed(ByteView seed);
  static Identity Generate();
  // Reads the key file at `path` (64 hex digits and a newline, mode 0600 or stricter, not a
  // symbolic link), or makes it with O_EXCL if there is none. Refuses files that others may read.
  static StatusOr<Identity> LoadOrCreate(const std::string& path);

  Identity(const Identity&) = default;
  Identity& operator=(const Identity&) = default;
  ~Identity();

  const NodeId& node_id() const { return node_id_; }
  const std::array<uint8_t, 32>& seed() const { return seed_; }
  // A secret of this node for one purpose, the same in every run. Neither the seed nor the secret
  // for another purpose follows from it.
  std::array<uint8_t, 32> Secret(std::string_view purpose) const;

 private:
  Identity() = default;
  std::array<uint8_t, 32> seed_{};
  NodeId node_id_;
};

}  // namespace blobd::quic
