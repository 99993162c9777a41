#include "base/utf8.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace blobd {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;  // in bytes; 0 if the text does not begin with a well-formed character
};

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

// REQUIRES: !text.empty()
CodePoint FirstCodePoint(std::string_view text) {
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return {first, 1};
  // What the first byte carries, and the smallest value that needs a sequence of this length.
  CodePoint point;
  uint32_t smallest = 0;
  if ((first & 0xe0) == 0xc0) {
    point = {first & 0x1fu, 2};
    smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    point = {first & 0x0fu, 3};
    smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    point = {first & 0x07u, 4};
    smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() < point.length) return {};
  for (size_t i = 1; i < point.length; ++i) {
    const uint8_t next = ByteAt(text, i);
    if ((next & 0xc0) != 0x80) return {};
    point.value = point.value << 6 | (next & 0x3fu);
  }
  const bool is_surrogate = point.value >= 0xd800 && point.value <= 0xdfff;
  if (point.value < smallest || point.value > 0x10ffff || is_surrogate) return {};
  return point;
}

bool IsWithin(uint32_t value, uint32_t first, uint32_t last) {
  return first <= value && value <= last;
}

bool MayNotBeShown(uint32_t value) {
  return value < 0x20 || IsWithin(value, 0x7f, 0x9f) ||        // C0, DEL, C1
         value == 0xad || value == 0x34f || value == 0x61c ||  // soft hyphen, joiner, Arabic mark
         value == 0x115f || value == 0x1160 || value == 0x3164 || value == 0xffa0 ||  // fillers
         IsWithin(value, 0x17b4, 0x17b5) || IsWithin(value, 0x180b, 0x180f) ||
         IsWithin(value, 0x200b, 0x200f) ||  // zero width, direction marks
         IsWithin(value, 0x2028, 0x202e) ||  // separators, bidirectional embeddings and overrides
         IsWithin(value, 0x2060, 0x206f) ||  // invisible operators, bidirectional isolates
         IsWithin(value, 0xfe00, 0xfe0f) ||  // variation selectors
         value == 0xfeff || IsWithin(value, 0xfff0, 0xfffb) ||
         IsWithin(value, 0xe0000, 0xe0fff);  // tags and more variation selectors
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (point.length == 0) return false;
    text.remove_prefix(point.length);
  }
  return true;
}

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (point.length == 0 || MayNotBeShown(point.value)) return false;
    text.remove_prefix(point.length);
  }
  return true;
}

std::string EscapeForTerminal(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  auto out = std::back_inserter(shown);
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (point.length == 0) {
      fmt::format_to(out, "\\x{:02x}", ByteAt(text, 0));
      text.remove_prefix(1);
      continue;
    }
    if (point.value == '\\') {
      shown += "\\\\";
    } else if (point.value == '\n') {
      shown += "\\n";
    } else if (point.value == '\r') {
      shown += "\\r";
    } else if (point.value == '\t') {
      shown += "\\t";
    } else if (!MayNotBeShown(point.value)) {
      shown += text.substr(0, point.length);
    } else if (point.value < 0x80) {
      fmt::format_to(out, "\\x{:02x}", point.value);
    } else {
      fmt::format_to(out, "\\u{{{:x}}}", point.value);
    }
    text.remove_prefix(point.length);
  }
  return shown;
}

std::string ShortText(std::string_view text, size_t most) {
  std::string shortened = IsUtf8(text) ? std::string(text) : EscapeForTerminal(text);
  if (shortened.size() <= most) return shortened;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(shortened[end]) & 0xc0) == 0x80) --end;
  shortened.resize(end);
  return shortened;
}

}  // namespace blobd
