#include "blob_model.h"

#include <algorithm>
#include <array>

namespace blobd::faults {

using store::BlobState;
using store::kGroupSize;

void BlobModel::See(const store::BlobInfo& info, bool had_fault, Bench& bench) {
  RangeSet missing = seen;
  missing.RemoveAll(info.groups);
  missing.RemoveAll(rotten);
  const bool may_lose = had_fault || was_rotten || is_leaving;
  if (!missing.empty() && !may_lose)
    bench.Fail("blob {}: groups {} went without a reason", name(), missing.ToString());
  const bool is_less = is_complete && info.state != BlobState::kComplete;
  if (is_less && !was_rotten && rotten.empty() && !is_leaving)
    bench.Fail("blob {} was complete and is not", name());
  if (info.state != BlobState::kAbsent && info.size_proven && info.size != blob->size())
    bench.Fail("blob {}: {} bytes are no proven size", name(), info.size);
  // A failed sync can take the row of a blob with it; what is found by its files then is hidden.
  // Never is what is private made known.
  if (had_fault && info.is_private) is_private.insert(true);
  if (!is_private.contains(info.is_private))
    bench.Fail("blob {}: private is {}", name(), info.is_private);
  seen = info.groups;
  looks_complete = info.state == BlobState::kComplete;
}

void BlobModel::Finished() {
  is_complete = true;
  safe = seen = all();
}

void BlobModel::Withdrawn() {
  if (rotten.empty()) return;
  is_complete = false;
  safe.RemoveAll(rotten);
  seen.RemoveAll(rotten);
  rotten = RangeSet();
}

void BlobModel::Removed() {
  ++removals;
  is_complete = false;
  is_leaving = false;
  safe = seen = rotten = RangeSet();
}

void BlobModel::Wished(bool wanted) {
  is_private.insert(wanted);
  wishes.insert(wanted);
}

// What else was asked for may have happened meanwhile.
void BlobModel::WishAnswered(bool wanted, bool is_granted) {
  wishes.erase(wishes.find(wanted));
  if (!is_granted) return;
  is_private = {wanted};
  is_private.insert(wishes.begin(), wishes.end());
}

void BlobModel::ProcessEnded() {
  was_rotten = false;
  wishes.clear();
}

uint64_t BlobModel::CheckAfter(const store::BlobInfo& info, bool lost_power, bool had_fault,
                               Bench& bench) {
  RangeSet before = seen;
  before.RemoveAll(rotten);
  RangeSet required = lost_power || had_fault ? safe : before;
  required.RemoveAll(rotten);
  required.RemoveAll(info.groups);
  if (!required.empty() && !is_leaving) {
    bench.Fail("blob {}: groups {} are gone after {}", name(), required.ToString(),
               lost_power ? "power loss" : "the end of the process");
  }
  before.RemoveAll(info.groups);
  // The last life may have withdrawn what was rotten, and could not say so.
  if (!rotten.empty() && info.state != BlobState::kComplete) is_complete = false;
  seen = info.groups;
  See(info, had_fault, bench);
  if (!is_leaving) return before.Count();
  // Whole or gone: nobody was told.
  is_leaving = false;
  is_complete = false;
  safe = RangeSet();
  return 0;
}

void BlobModel::CheckBytes(store::BlobReader& reader, const RangeSet& excused, Bench& bench) const {
  std::set<uint64_t> pairs;
  for (const Range& range : reader.info().groups.ranges()) {
    for (uint64_t group = range.begin; group < range.end; ++group) {
      if (group >= blob->group_count()) return bench.Fail("blob {}: no group {}", name(), group);
      if (excused.Contains(group)) continue;
      const ByteView expected = blob->Group(group).data;
      Bytes bytes(expected.size());
      const Status status = reader.ReadAt(group * kGroupSize, bytes);
      if (bench.disk.is_down()) return;
      if (!status.ok() && bench.disk.had_fault()) return;  // of the disk, not of the store
      if (!status.ok()) return bench.Fail("blob {}: {}", name(), status.ToString());
      if (!std::equal(bytes.begin(), bytes.end(), expected.begin()))
        return bench.Fail("blob {}: group {} has wrong bytes", name(), group);
      if (!excused.empty() || blob->group_count() == 1) continue;
      for (const store::OutboardPair& expected_pair : blob->Path(group)) {
        if (!pairs.insert(expected_pair.index).second) continue;
        std::array<uint8_t, 64> pair{};
        const Status read = reader.ReadPair(expected_pair.index, &pair);
        if (bench.disk.is_down()) return;
        if (!read.ok() && bench.disk.had_fault()) return;
        if (!read.ok()) return bench.Fail("blob {}: {}", name(), read.ToString());
        if (pair != expected_pair.hashes)
          return bench.Fail("blob {}: pair {} is wrong", name(), expected_pair.index);
      }
    }
  }
}

}  // namespace blobd::faults
