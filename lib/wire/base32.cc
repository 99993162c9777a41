#include "wire/base32.h"

#include <array>
#include <cstdint>

namespace blobd::wire {
namespace {

struct Alphabet {
  static constexpr uint8_t kNoDigit = 0xff;

  std::string_view digits;            // 32 of them, lower case
  std::array<uint8_t, 256> values{};  // of each character

  explicit constexpr Alphabet(std::string_view text) : digits(text) {
    for (uint8_t& value : values) value = kNoDigit;
    for (size_t i = 0; i < digits.size(); ++i) {
      const char lower = digits[i];
      const char upper =
          'a' <= lower && lower <= 'z' ? static_cast<char>(lower - 'a' + 'A') : lower;
      values[static_cast<uint8_t>(lower)] = static_cast<uint8_t>(i);
      values[static_cast<uint8_t>(upper)] = static_cast<uint8_t>(i);
    }
  }
};

constexpr Alphabet kBase32("abcdefghijklmnopqrstuvwxyz234567");
constexpr Alphabet kBase32Hex("0123456789abcdefghijklmnopqrstuv");
constexpr Alphabet kZBase32("ybndrfg8ejkmcpqxot1uwisza345h769");

std::string Encode(const Alphabet& alphabet, ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  uint32_t bits = 0;  // the lowest `count` bits are not written yet
  int count = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text.push_back(alphabet.digits[bits >> count & 31]);
    }
    bits &= (1u << count) - 1;
  }
  if (count > 0) text.push_back(alphabet.digits[bits << (5 - count) & 31]);
  return text;
}

std::optional<Bytes> Decode(const Alphabet& alphabet, std::string_view text) {
  // A last digit is needed only if it carries a bit of a byte: 1, 3 and 6 digits behind full groups
  // carry none.
  const size_t tail = text.size() % 8;
  if (tail == 1 || tail == 3 || tail == 6) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 8 * 5 + tail * 5 / 8);
  uint32_t bits = 0;  // the lowest `count` bits are not taken yet
  int count = 0;
  for (const char c : text) {
    const uint8_t value = alphabet.values[static_cast<uint8_t>(c)];
    if (value == Alphabet::kNoDigit) return std::nullopt;
    bits = bits << 5 | value;
    count += 5;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<uint8_t>(bits >> count));
      bits &= (1u << count) - 1;
    }
  }
  if (bits != 0) return std::nullopt;
  return bytes;
}

}  // namespace

std::string ToBase32(ByteView bytes) { return Encode(kBase32, bytes); }
std::optional<Bytes> FromBase32(std::string_view text) { return Decode(kBase32, text); }

std::string ToBase32Hex(ByteView bytes) { return Encode(kBase32Hex, bytes); }
std::optional<Bytes> FromBase32Hex(std::string_view text) { return Decode(kBase32Hex, text); }

std::string ToZBase32(ByteView bytes) { return Encode(kZBase32, bytes); }
std::optional<Bytes> FromZBase32(std::string_view text) { return Decode(kZBase32, text); }

}  // namespace blobd::wire
