// How much room text takes on a terminal.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace blobd::client {

// Columns that a terminal needs for well-formed UTF-8 without control characters: none for marks
// that combine, two for wide characters of East Asia and for pictures.
size_t WidthOf(std::string_view text);

// `text` in at most `columns` columns, with an ellipsis in the place of what does not fit, never in
// the middle of a character.
std::string CutTo(std::string_view text, size_t columns);

}  // namespace blobd::client
