#include "wire/text.h"

#include "base/hex.h"
#include "wire/base32.h"

namespace blobd::wire {
namespace {

constexpr size_t kHexSize = 64;
constexpr size_t kBase32Size = 52;

std::optional<Bytes> Parse32Bytes(std::string_view text) {
  if (text.size() == kHexSize) return FromHex(text);
  if (text.size() == kBase32Size) return FromBase32(text);
  return std::nullopt;
}

}  // namespace

std::optional<Hash> ParseHash(std::string_view text) {
  const auto bytes = Parse32Bytes(text);
  return bytes ? Hash::FromBytes(*bytes) : std::nullopt;
}

std::optional<NodeId> ParseNodeId(std::string_view text) {
  const auto bytes = Parse32Bytes(text);
  return bytes ? NodeId::FromBytes(*bytes) : std::nullopt;
}

std::optional<Kind> ParseKind(std::string_view text) {
  Kind kind;
  if (!text.empty() && text.front() == 's') {
    kind.format = BlobFormat::kHashSeq;
    text.remove_prefix(1);
  }
  const auto hash = Hash::FromHexText(text);
  if (!hash) return std::nullopt;
  kind.hash = *hash;
  return kind;
}

std::string FormatHash(const Hash& hash) { return hash.ToHex(); }

std::string FormatNodeId(const NodeId& id) { return id.ToHex(); }

std::string FormatKind(const Kind& kind) {
  return kind.format == BlobFormat::kHashSeq ? "s" + kind.hash.ToHex() : kind.hash.ToHex();
}

}  // namespace blobd::wire
