// Base32 without padding, in the three alphabets that iroh uses. They are not interchangeable:
//   Base32     RFC 4648, section 6: tickets, hashes and node ids (protocol/formats.md, section 1)
//   Base32Hex  RFC 4648, section 7: server names in TLS (protocol/transport.md, section 3)
//   ZBase32    human-oriented base-32 encoding, O'Whielacronx 2009: names in DNS
//
// All are written in lower case and read in any case. Reading is strict otherwise: nullopt for a
// character outside the alphabet, a length that no bytes encode to, or unused trailing bits that
// are not zero. So except for the case of letters, bytes have one text only.
//
// Pure functions; any thread. Memory and time are linear in the input; bounding it is the caller's
// part.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace blobd::wire {

std::string ToBase32(ByteView bytes);
std::optional<Bytes> FromBase32(std::string_view text);

std::string ToBase32Hex(ByteView bytes);
std::optional<Bytes> FromBase32Hex(std::string_view text);

std::string ToZBase32(ByteView bytes);
std::optional<Bytes> FromZBase32(std::string_view text);

}  // namespace blobd::wire
