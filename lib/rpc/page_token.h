// Page tokens of lists that are in the order of texts: the last text of the page before, behind a
// letter that says of which list. So a token of another list is told from one of this.
//
// Pure functions; any thread. See convert.h for lists that are in the order of ids.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "rpc/convert.h"

namespace blobd::rpc {

inline constexpr char kBlobList = 'b';
inline constexpr char kTagList = 'g';
inline constexpr char kBanList = 'x';

inline std::string PageTokenOfText(std::string_view text, char list) {
  return list + std::string(text);
}

// Empty for an empty token: from the first. kInvalidArgument: this list did not give it.
inline StatusOr<std::string> TextFromPageToken(std::string_view token, char list) {
  if (token.empty()) return std::string();
  if (token.front() != list) return BadPageToken(token);
  return std::string(token.substr(1));
}

}  // namespace blobd::rpc
