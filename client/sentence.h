// Sentences for people. On a terminal they are broken at blanks, so that no line is wider than
// that; in a pipe, and with --full, each stays one line. A word that is wider itself, such as a
// hash, is not broken: it can still be taken as one.
//
// Thread: one owner.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "client/output.h"

namespace blobd::client {

// `text`, whose lines end with line breaks, as it is written in this style. What goes on in another
// line begins in the column `indent`, or nearer where a terminal is narrow.
// REQUIRES: text without escape sequences
std::string Fitted(const Style& style, size_t indent, std::string_view text);

template <typename... Args>
void Say(const Style& style, fmt::format_string<Args...> format, Args&&... args) {
  WriteOutput(Fitted(style, 0, fmt::format(format, std::forward<Args>(args)...)));
}

// "State      running", where what follows the name is in a column of its own.
template <typename... Args>
void SayHanging(const Style& style, size_t indent, fmt::format_string<Args...> format,
                Args&&... args) {
  WriteOutput(Fitted(style, indent, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace blobd::client
