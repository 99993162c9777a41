#include "base/node_id.h"

#include <algorithm>

#include "base/hex.h"

namespace blobd {

std::optional<NodeId> NodeId::FromBytes(ByteView view) {
  NodeId id;
  if (view.size() != id.bytes.size()) return std::nullopt;
  std::copy(view.begin(), view.end(), id.bytes.begin());
  return id;
}

std::optional<NodeId> NodeId::FromHexText(std::string_view hex) {
  NodeId id;
  if (!FromHex(hex, id.bytes)) return std::nullopt;
  return id;
}

std::string NodeId::ToHex() const { return blobd::ToHex(bytes); }

std::string NodeId::Short() const { return blobd::ToHex(ByteView(bytes).first(5)); }

}  // namespace blobd
