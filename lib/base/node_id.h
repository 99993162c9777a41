// NodeId: the ed25519 public key by which a node is dialled and recognised.
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

struct NodeId {
  std::array<uint8_t, 32> bytes{};

  static std::optional<NodeId> FromBytes(ByteView view);  // nullopt unless 32 bytes
  static std::optional<NodeId> FromHexText(std::string_view hex);

  ByteView view() const { return bytes; }
  std::string ToHex() const;
  std::string Short() const;  // first 5 bytes in hex

  auto operator<=>(const NodeId&) const = default;
};

}  // namespace blobd

template <>
struct std::hash<blobd::NodeId> {
  size_t operator()(const blobd::NodeId& id) const noexcept {
    return blobd::Spread(id.bytes.data());
  }
};
