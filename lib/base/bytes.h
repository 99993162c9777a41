// Views of bytes. Raw bytes are uint8_t everywhere; text is char.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace blobd {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace blobd
