#include "base/hash.h"

#include <algorithm>

#include "base/hex.h"

namespace blobd {

std::optional<Hash> Hash::FromBytes(ByteView view) {
  Hash hash;
  if (view.size() != hash.bytes.size()) return std::nullopt;
  std::copy(view.begin(), view.end(), hash.bytes.begin());
  return hash;
}

std::optional<Hash> Hash::FromHexText(std::string_view hex) {
  Hash hash;
  if (!FromHex(hex, hash.bytes)) return std::nullopt;
  return hash;
}

std::string Hash::ToHex() const { return blobd::ToHex(bytes); }

std::string Hash::Short() const { return blobd::ToHex(ByteView(bytes).first(5)); }

}  // namespace blobd
