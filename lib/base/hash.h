// Hash: the 32-byte BLAKE3 hash that names a blob; Kind: what is wanted, a hash with its format.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace blobd {

struct Hash {
  std::array<uint8_t, 32> bytes{};

  static std::optional<Hash> FromBytes(ByteView view);  // nullopt unless 32 bytes
  static std::optional<Hash> FromHexText(std::string_view hex);

  ByteView view() const { return bytes; }
  std::string ToHex() const;
  // The first 5 bytes in hex: for people, never for machines.
  std::string Short() const;

  auto operator<=>(const Hash&) const = default;
};

// How the bytes of a blob are to be read. The numbers are those of the wire and of the database.
enum class BlobFormat : uint8_t { kRaw = 0, kHashSeq = 1 };

struct Kind {
  Hash hash;
  BlobFormat format = BlobFormat::kRaw;

  auto operator<=>(const Kind&) const = default;
};

}  // namespace blobd

// Hashes are uniformly distributed, so their first bytes serve; what a hostile caller could choose
// (a hash need not exist) is bounded by the quotas on intents.
template <>
struct std::hash<blobd::Hash> {
  size_t operator()(const blobd::Hash& value) const noexcept {
    uint64_t a = 0;
    uint64_t b = 0;
    std::memcpy(&a, value.bytes.data(), 8);
    std::memcpy(&b, value.bytes.data() + 16, 8);
    return static_cast<size_t>((a ^ (b + 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu);
  }
};
template <>
struct std::hash<blobd::Kind> {
  size_t operator()(const blobd::Kind& kind) const noexcept {
    return std::hash<blobd::Hash>{}(kind.hash) + static_cast<size_t>(kind.format);
  }
};
