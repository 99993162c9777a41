// Text from strangers: is it UTF-8, and how can a terminal show it without being driven by it.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace blobd {

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. Empty
// text is.
bool IsUtf8(std::string_view text);

// Well-formed, and nothing in it could make it look like another text: none of what
// EscapeForTerminal escapes but for the backslash. Empty text is.
bool IsPlainText(std::string_view text);

// `text` with everything escaped that could move the cursor, recolour, reorder or hide something:
// control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls,
// invisible characters, and bytes that are not UTF-8. The backslash is doubled, so different texts
// stay different. Escapes: \n \r \t \\ \x1b \u{202e}.
std::string EscapeForTerminal(std::string_view text);

// `text` made UTF-8 if it is not (by escapes), and cut to at most `most` bytes, never in the middle
// of a character.
std::string ShortText(std::string_view text, size_t most);

}  // namespace blobd
