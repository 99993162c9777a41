// Hash: the 32-byte BLAKE3 hash that names a blob; Kind: what is wanted, a hash with its format.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/table_key.h"

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

template <>
struct std::hash<blobd::Hash> {
  size_t operator()(const blobd::Hash& value) const noexcept {
    return blobd::Spread(value.bytes.data());
  }
};
template <>
struct std::hash<blobd::Kind> {
  size_t operator()(const blobd::Kind& kind) const noexcept {
    return std::hash<blobd::Hash>{}(kind.hash) + static_cast<size_t>(kind.format);
  }
};
