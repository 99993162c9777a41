// Cid: a QUIC connection id, by which datagrams find their connection (RFC 9000, section 5.1).
#pragma once

#include <ngtcp2/ngtcp2.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"

namespace blobd::quic {

// Length of the ids we give ourselves. One for all, since a short header does not tell it.
inline constexpr size_t kOwnCidSize = 8;

struct Cid {
  std::array<uint8_t, NGTCP2_MAX_CIDLEN> bytes{};
  uint8_t size = 0;

  // REQUIRES: view has at most NGTCP2_MAX_CIDLEN bytes
  static Cid From(ByteView view) {
    BLOBD_CHECK(view.size() <= NGTCP2_MAX_CIDLEN);
    Cid cid;
    std::copy(view.begin(), view.end(), cid.bytes.begin());
    cid.size = static_cast<uint8_t>(view.size());
    return cid;
  }
  static Cid From(const ngtcp2_cid& cid) { return From(ByteView(cid.data, cid.datalen)); }

  ByteView view() const { return {bytes.data(), size}; }
  bool operator==(const Cid&) const = default;
};

// Keyed, because clients choose the first id of their connections: without the key they could make
// all of theirs collide.
class CidHash {
 public:
  CidHash() { randombytes_buf(key_.data(), key_.size()); }
  size_t operator()(const Cid& cid) const noexcept {
    std::array<uint8_t, sizeof(size_t)> out{};
    static_assert(sizeof(size_t) == crypto_shorthash_BYTES);
    crypto_shorthash(out.data(), cid.bytes.data(), cid.size, key_.data());
    size_t value = 0;
    for (const uint8_t byte : out) value = value << 8 | byte;
    return value;
  }

 private:
  std::array<uint8_t, crypto_shorthash_KEYBYTES> key_{};
};

}  // namespace blobd::quic
