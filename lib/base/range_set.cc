#include "base/range_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace blobd {
namespace {

bool EndsBefore(const Range& range, uint64_t value) { return range.end < value; }
bool EndsAtOrBefore(const Range& range, uint64_t value) { return range.end <= value; }

}  // namespace

void RangeSet::Insert(Range range) {
  if (range.empty()) return;
  // The common case of writing forward: at or behind the last range.
  if (ranges_.empty() || ranges_.back().end < range.begin) {
    ranges_.push_back(range);
    return;
  }
  auto first = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin, EndsBefore);
  auto last = first;
  while (last != ranges_.end() && last->begin <= range.end) {
    range.begin = std::min(range.begin, last->begin);
    range.end = std::max(range.end, last->end);
    ++last;
  }
  if (first == last) {
    ranges_.insert(first, range);
  } else {
    *first = range;
    ranges_.erase(first + 1, last);
  }
}

void RangeSet::Remove(Range range) {
  if (range.empty()) return;
  auto first = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin, EndsAtOrBefore);
  if (first == ranges_.end() || first->begin >= range.end) return;
  if (first->begin < range.begin && range.end < first->end) {
    const Range tail{range.end, first->end};
    first->end = range.begin;
    ranges_.insert(first + 1, tail);
    return;
  }
  if (first->begin < range.begin) {
    first->end = range.begin;
    ++first;
  }
  auto last = first;
  while (last != ranges_.end() && last->end <= range.end) ++last;
  if (last != ranges_.end() && last->begin < range.end) last->begin = range.end;
  ranges_.erase(first, last);
}

void RangeSet::InsertAll(const RangeSet& other) {
  if (other.ranges_.size() <= 8) {
    for (const Range& range : other.ranges_) Insert(range);
    return;
  }
  std::vector<Range> merged;
  merged.reserve(ranges_.size() + other.ranges_.size());
  std::merge(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(),
             std::back_inserter(merged));
  ranges_.clear();
  for (const Range& range : merged) {
    if (!ranges_.empty() && range.begin <= ranges_.back().end) {
      ranges_.back().end = std::max(ranges_.back().end, range.end);
    } else {
      ranges_.push_back(range);
    }
  }
}

void RangeSet::RemoveAll(const RangeSet& other) {
  std::vector<Range> left;
  auto cut = other.ranges_.begin();
  for (Range range : ranges_) {
    while (cut != other.ranges_.end() && cut->end <= range.begin) ++cut;
    for (auto each = cut; each != other.ranges_.end() && each->begin < range.end; ++each) {
      if (range.begin < each->begin) left.push_back({range.begin, each->begin});
      range.begin = std::min(each->end, range.end);
    }
    if (!range.empty()) left.push_back(range);
  }
  ranges_ = std::move(left);
}

bool RangeSet::Contains(uint64_t value) const {
  auto it = std::lower_bound(ranges_.begin(), ranges_.end(), value, EndsAtOrBefore);
  return it != ranges_.end() && it->begin <= value;
}

bool RangeSet::ContainsAll(Range range) const {
  if (range.empty()) return true;
  auto it = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin, EndsAtOrBefore);
  return it != ranges_.end() && it->begin <= range.begin && range.end <= it->end;
}

bool RangeSet::Intersects(Range range) const {
  if (range.empty()) return false;
  auto it = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin, EndsAtOrBefore);
  return it != ranges_.end() && it->begin < range.end;
}

uint64_t RangeSet::Count() const {
  if (is_open_ended()) return kOpenEnd;
  uint64_t count = 0;
  for (const Range& range : ranges_) count += range.size();
  return count;
}

RangeSet RangeSet::Intersection(Range within) const {
  RangeSet result;
  auto it = std::lower_bound(ranges_.begin(), ranges_.end(), within.begin, EndsAtOrBefore);
  for (; it != ranges_.end() && it->begin < within.end; ++it) {
    result.Insert({std::max(it->begin, within.begin), std::min(it->end, within.end)});
  }
  return result;
}

RangeSet RangeSet::Intersection(const RangeSet& other) const {
  RangeSet result;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    result.Insert({std::max(a->begin, b->begin), std::min(a->end, b->end)});
    if (a->end < b->end) {
      ++a;
    } else {
      ++b;
    }
  }
  return result;
}

RangeSet RangeSet::Missing(Range within) const {
  RangeSet result(within);
  result.RemoveAll(*this);
  return result;
}

std::string RangeSet::ToString() const {
  std::string text;
  for (const Range& range : ranges_) {
    if (!text.empty()) text += ' ';
    text += range.end == kOpenEnd ? fmt::format("{}..", range.begin)
                                  : fmt::format("{}..{}", range.begin, range.end);
  }
  return text;
}

}  // namespace blobd
