#include "schedule/content.h"

#include <algorithm>

namespace blobd::schedule {
namespace {
constexpr uint64_t kGroup = 16 << 10;
}  // namespace

uint64_t SplitPoint(Range rest, double keep, const std::vector<uint64_t>& cuts) {
  const uint64_t ideal =
      rest.begin + static_cast<uint64_t>(static_cast<double>(rest.size()) * keep);
  const uint64_t near = rest.size() / 8;
  const uint64_t low = std::max(rest.begin + 1, ideal - std::min(ideal, near));
  const uint64_t high = std::min(rest.end - 1, ideal + near);
  const auto distance = [&](uint64_t at) { return at > ideal ? at - ideal : ideal - at; };
  uint64_t child = 0;
  if (!cuts.empty()) {
    const auto after = std::upper_bound(cuts.begin(), cuts.end(), ideal);
    uint64_t best = 0;
    if (after != cuts.end() && *after <= high) best = *after;
    if (after != cuts.begin()) {
      child = *(after - 1);
      if (child >= low && (best == 0 || distance(child) <= distance(best))) best = child;
    }
    if (best != 0) return best;
  }
  // The coarsest boundary that is near enough, of these the nearest.
  for (uint64_t step = uint64_t{1} << 62; step >= kGroup; step /= 2) {
    const uint64_t below = child + (ideal - child) / step * step;
    const bool below_fits = below >= low && below <= high;
    const bool above_fits = step <= high && below + step >= low && below + step <= high;
    if (below_fits && (!above_fits || distance(below) <= distance(below + step))) return below;
    if (above_fits) return below + step;
  }
  return ideal;
}

Range Content::FirstFor(uint64_t provider) const {
  if (pending.empty()) return {};
  const auto held = holds.find(provider);
  if (held == holds.end()) return pending.ranges().front();
  const RangeSet usable = pending.Intersection(held->second);
  return usable.empty() ? Range{} : usable.ranges().front();
}

bool Content::Holds(uint64_t provider, Range range) const {
  const auto held = holds.find(provider);
  return held == holds.end() || held->second.ContainsAll(range);
}

void Content::Learn(uint64_t provider, const RangeSet& it_holds, const RangeSet& it_lacks) {
  const auto [held, is_new] = holds.try_emplace(provider, Range{0, length});
  held->second.InsertAll(it_holds);
  held->second.RemoveAll(it_lacks);
}

uint64_t Content::Split(Range rest, double keep) const {
  static const std::vector<uint64_t> kNoCuts;
  if (rest.size() < 2 * kLeastHalf) return 0;
  const uint64_t at = SplitPoint(rest, keep, cuts == nullptr ? kNoCuts : *cuts);
  return std::clamp(at, rest.begin + kLeastHalf, rest.end - kLeastHalf);
}

}  // namespace blobd::schedule
