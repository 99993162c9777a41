// The value of a subtree from the values of its parts.
//
// Pure functions; any thread.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/check.h"
#include "blake3/chaining_value.h"

namespace blobd::bao {

// The value of the subtree over adjacent subtrees of equal size, the last of which may be smaller;
// the first one's place is a multiple of what all of them together would be if they were a power of
// two. `is_root`: it is the whole tree; of one value alone that says nothing, since whoever made it
// had to know. REQUIRES: not empty
inline blake3::ChainingValue FoldValues(std::span<const blake3::ChainingValue> parts,
                                        bool is_root) {
  BLOBD_CHECK(!parts.empty());
  std::vector<blake3::ChainingValue> level(parts.begin(), parts.end());
  while (level.size() > 2) {
    const size_t parents = (level.size() + 1) / 2;
    blake3::ParentValues(level, std::span(level).first(parents));
    level.resize(parents);
  }
  if (level.size() == 1) return level[0];
  return blake3::ParentValue(level[0], level[1], is_root);
}

}  // namespace blobd::bao
