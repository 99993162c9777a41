// RangeSet: a set of uint64 numbers (chunks, chunk groups or bytes; the owner says which) as
// sorted, disjoint, non-touching half-open ranges. The end kOpenEnd stands for "without end".
//
// Value type. Cost: union, difference and intersection are linear in the ranges of both; Insert and
// Remove are logarithmic plus the ranges they merge.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace blobd {

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  bool empty() const { return begin >= end; }
  auto operator<=>(const Range&) const = default;
};

class RangeSet {
 public:
  // The largest number itself cannot be a member of a closed range: [n, kOpenEnd) is "from n on".
  static constexpr uint64_t kOpenEnd = std::numeric_limits<uint64_t>::max();

  RangeSet() = default;
  explicit RangeSet(Range range) { Insert(range); }
  static RangeSet All() { return RangeSet(Range{0, kOpenEnd}); }

  void Insert(Range range);  // an empty range changes nothing
  void Remove(Range range);
  void InsertAll(const RangeSet& other);
  void RemoveAll(const RangeSet& other);

  bool empty() const { return ranges_.empty(); }
  bool is_open_ended() const { return !ranges_.empty() && ranges_.back().end == kOpenEnd; }
  bool Contains(uint64_t value) const;
  bool ContainsAll(Range range) const;  // true for an empty range
  bool Intersects(Range range) const;   // false for an empty range
  // How many numbers are in the set; saturates at kOpenEnd when it has no end.
  uint64_t Count() const;
  // The members of `within`.
  RangeSet Intersection(Range within) const;
  RangeSet Intersection(const RangeSet& other) const;
  // What `within` has and this set lacks.
  RangeSet Missing(Range within) const;

  const std::vector<Range>& ranges() const { return ranges_; }
  // "0..16 64..", for logs.
  std::string ToString() const;
  bool operator==(const RangeSet&) const = default;

 private:
  std::vector<Range> ranges_;  // sorted, disjoint, not touching, none empty
};

}  // namespace blobd
