// Content: what a request still lacks, as ranges of its bytes: of one blob, or of the children of a
// hash sequence one behind the other. Its parts are with transfers, or pending.
//
// Value type. Units: bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/range_set.h"

namespace blobd::schedule {

// No part is cut smaller, and no duplicate work is larger. What is too small to be cut can be
// raced: else nobody could help a part of that size whose provider died.
inline constexpr uint64_t kLeastHalf = 3 << 20;
inline constexpr uint64_t kMostRaced = 2 * kLeastHalf;

// Where to cut `rest` so that its owner keeps about the fraction `keep` of it: at a child of a hash
// sequence (`cuts`, their first bytes in order) if one is near, else at the boundary of the largest
// subtree of the blob that is near.
// REQUIRES: 0 < keep < 1
uint64_t SplitPoint(Range rest, double keep, const std::vector<uint64_t>& cuts);

struct Content {
  uint64_t length = 0;                                // proven; 0: not known, and nothing is split
  RangeSet pending;                                   // with nobody
  std::shared_ptr<const std::vector<uint64_t>> cuts;  // null: one blob
  bool lowering = false;               // a transfer was asked to stop earlier, and has not answered
  std::map<uint64_t, RangeSet> holds;  // providers that hold some ranges only, by number

  // The first pending range of which the provider holds something, as much as it holds in one run;
  // empty if there is none.
  Range FirstFor(uint64_t provider) const;
  // True if it holds all of the range, as far as is known.
  bool Holds(uint64_t provider, Range range) const;
  // It said so. What it holds counts less than what it lacks.
  void Learn(uint64_t provider, const RangeSet& it_holds, const RangeSet& it_lacks);
  // Where `rest` is cut; neither half is too small. 0: it is too small for two.
  uint64_t Split(Range rest, double keep) const;
};

}  // namespace blobd::schedule
