// Text forms: hashes, node ids, kinds, the base32 alphabets, and text shown on a terminal.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "wire/base32.h"
#include "wire/text.h"

namespace blobd::wire {
namespace {

void TryIds(std::string_view text) {
  if (const auto hash = ParseHash(text)) {
    BLOBD_CHECK(ParseHash(FormatHash(*hash)) == hash);
    BLOBD_CHECK(ParseHash(ToBase32(hash->view())) == hash);
  }
  if (const auto id = ParseNodeId(text)) BLOBD_CHECK(ParseNodeId(FormatNodeId(*id)) == id);
  if (const auto kind = ParseKind(text)) BLOBD_CHECK(ParseKind(FormatKind(*kind)) == kind);
}

// What decodes is, but for the case of letters, the one text of its bytes.
template <typename Decode, typename Encode>
void TryBase32(std::string_view text, Decode decode, Encode encode) {
  const auto bytes = decode(text);
  if (!bytes) return;
  const std::string encoded = encode(*bytes);
  BLOBD_CHECK(std::equal(
      text.begin(), text.end(), encoded.begin(), encoded.end(),
      [](char a, char b) { return a == b || ('A' <= a && a <= 'Z' && a - 'A' + 'a' == b); }));
}

void TryTerminal(std::string_view text) {
  const std::string shown = EscapeForTerminal(text);
  BLOBD_CHECK(IsUtf8(shown));
  for (const char c : shown) BLOBD_CHECK(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
}

}  // namespace
}  // namespace blobd::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd::wire;
  const blobd::ByteView bytes(data, size);
  const std::string_view text = blobd::AsText(bytes);
  TryIds(text);
  TryBase32(text, FromBase32, ToBase32);
  TryBase32(text, FromBase32Hex, ToBase32Hex);
  TryBase32(text, FromZBase32, ToZBase32);
  BLOBD_CHECK(FromBase32(ToBase32(bytes)) == blobd::Bytes(bytes.begin(), bytes.end()));
  TryTerminal(text);
  return 0;
}
