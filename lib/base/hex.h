// Hexadecimal text: written in lower case, read in any case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace blobd {

std::string ToHex(ByteView bytes);
// Fills `out` exactly; false if the text has another length or a character that is no hex digit.
bool FromHex(std::string_view text, MutableBytes out);
std::optional<Bytes> FromHex(std::string_view text);

}  // namespace blobd
