#include "client/text_width.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace blobd::client {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Blocks of Unicode, not single characters: a wrong one moves a column, and nothing else.
constexpr std::array kCombining = {
    Range{0x300, 0x36f},   Range{0x483, 0x489},   Range{0x591, 0x5bd},    Range{0x610, 0x61a},
    Range{0x64b, 0x65f},   Range{0x1ab0, 0x1aff}, Range{0x1dc0, 0x1dff},  Range{0x20d0, 0x20ff},
    Range{0xfe00, 0xfe0f}, Range{0xfe20, 0xfe2f}, Range{0xe0100, 0xe01ef}};
constexpr std::array kWide = {
    Range{0x1100, 0x115f},   Range{0x2e80, 0x303e},   Range{0x3041, 0xa4cf},
    Range{0xa960, 0xa97f},   Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},
    Range{0xfe30, 0xfe6f},   Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},
    Range{0x1f300, 0x1f64f}, Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1f9ff},
    Range{0x20000, 0x3fffd}};

template <size_t kSize>
bool IsIn(const std::array<Range, kSize>& ranges, uint32_t character) {
  return std::any_of(ranges.begin(), ranges.end(), [character](const Range& range) {
    return range.first <= character && character <= range.last;
  });
}

struct Character {
  size_t bytes;
  size_t columns;
};

// The first one of text that is not empty.
Character FirstOf(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t lead = byte(0);
  size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  size = std::min(size, text.size());
  uint32_t character = size == 1 ? lead : lead & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) character = character << 6 | (byte(i) & 0x3f);
  return {size, IsIn(kCombining, character) ? 0u : IsIn(kWide, character) ? 2u : 1u};
}

}  // namespace

size_t WidthOf(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const Character first = FirstOf(text);
    columns += first.columns;
    text.remove_prefix(first.bytes);
  }
  return columns;
}

std::string CutTo(std::string_view text, size_t columns) {
  if (WidthOf(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t bytes = 0;
  for (size_t used = 0; bytes < text.size();) {
    const Character next = FirstOf(text.substr(bytes));
    // One column is the ellipsis'.
    if (used + next.columns > columns - 1) break;
    used += next.columns;
    bytes += next.bytes;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

}  // namespace blobd::client
