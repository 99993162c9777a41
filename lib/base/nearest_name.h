// What somebody may have meant who mistyped a name.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace blobd {

// The one of `names` that is nearest to `word`; empty: none is near, or the word is longer than 100
// bytes, as no name is.
std::string NearestName(std::string_view word, const std::vector<std::string>& names);

}  // namespace blobd
