#include "store/layout.h"

#include <fmt/format.h>

namespace blobd::store {

std::string Layout::DirectoryOf(const Hash& hash) const {
  return fmt::format("{}/{:02x}", blobs(), hash.bytes[0]);
}

FilePair Layout::Partial(const Hash& hash) const {
  const std::string stem = partial() + "/" + hash.ToHex();
  FilePair pair = Pair(stem);
  pair.unproven_log = stem + ".cv";
  return pair;
}

FilePair Layout::Import(uint64_t number) const {
  return Pair(fmt::format("{}/import-{}", partial(), number));
}

std::optional<Hash> HashOfPartialName(std::string_view name) {
  constexpr size_t kHexSize = 64;
  if (name.size() <= kHexSize) return std::nullopt;
  const std::string_view suffix = name.substr(kHexSize);
  if (suffix != ".data" && suffix != ".obao4" && suffix != ".cv") return std::nullopt;
  const std::optional<Hash> hash = Hash::FromHexText(name.substr(0, kHexSize));
  // Upper-case digits would name another file than the one we would open.
  if (!hash || hash->ToHex() != name.substr(0, kHexSize)) return std::nullopt;
  return hash;
}

bool IsImportName(std::string_view name) { return name.starts_with("import-"); }

}  // namespace blobd::store
