// The value of a subtree from the values of its parts.
//
// Pure functions; any thread.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "bao/path_pair.h"
#include "bao/tree.h"
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

// The same, and adds all pairs that were made on the way to `pairs`. The first part begins at
// `first_group`, each has 2^level groups, and the blob has `group_count`.
inline blake3::ChainingValue FoldPairs(std::span<const blake3::ChainingValue> parts,
                                       uint64_t first_group, int level, uint64_t group_count,
                                       bool is_root, std::vector<PathPair>& pairs) {
  BLOBD_CHECK(!parts.empty());
  std::vector<blake3::ChainingValue> values(parts.begin(), parts.end());
  for (; values.size() > 1; ++level) {
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      PathPair& pair = pairs.emplace_back();
      pair.index = PairIndex(first_group + (uint64_t{i} << level), level, group_count);
      std::copy(values[i + 1].begin(), values[i + 1].end(),
                std::copy(values[i].begin(), values[i].end(), pair.hashes.begin()));
    }
    if (values.size() == 2) return blake3::ParentValue(values[0], values[1], is_root);
    const size_t parents = (values.size() + 1) / 2;
    blake3::ParentValues(values, std::span(values).first(parents));
    values.resize(parents);
  }
  return values[0];
}

}  // namespace blobd::bao
