// ProviderId: something that may have a hash. A node is named by its public key, a mirror by its
// URL.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <variant>

#include "base/node_id.h"

namespace blobd {

struct MirrorUrl {
  std::string url;  // http or https, checked and normalised by whoever made it
  auto operator<=>(const MirrorUrl&) const = default;
};

using ProviderId = std::variant<NodeId, MirrorUrl>;

// The node's hex id, or the URL.
inline std::string ToString(const ProviderId& provider) {
  if (const auto* node = std::get_if<NodeId>(&provider)) return node->ToHex();
  return std::get<MirrorUrl>(provider).url;
}

}  // namespace blobd

template <>
struct std::hash<blobd::MirrorUrl> {
  size_t operator()(const blobd::MirrorUrl& mirror) const noexcept {
    return std::hash<std::string>{}(mirror.url);
  }
};
