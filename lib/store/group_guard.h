// GroupGuard: keeps bytes that came without proof from the groups of a blob that are verified, or
// are being written as such. It is asked by all writers of the blob, who know nothing of each
// other.
//
//   who has verified bytes   names the groups, then writes them
//   who has unproven ones    writes what nobody has named, while nobody else can name any of it
//
// So of two who write the same group at once, the one with proof is last, or alone.
//
// Thread: any. This is a lock, held for one write into the page cache, and only where unproven
// bytes are written; naming alone costs an uncontended one.
#pragma once

#include <mutex>
#include <utility>

#include "base/range_set.h"
#include "base/status.h"

namespace blobd::store {

class GroupGuard {
 public:
  void Name(Range groups) {
    const std::lock_guard lock(mutex_);
    named_.Insert(groups);
  }
  // What is verified was taken back: it may be written by anybody.
  void Release(const RangeSet& groups) {
    const std::lock_guard lock(mutex_);
    named_.RemoveAll(groups);
  }
  // Nobody is writing; these are verified.
  void Reset(const RangeSet& verified) {
    const std::lock_guard lock(mutex_);
    named_ = verified;
  }
  // Calls `write(range)`, which gives a Status, for each run of `groups` that nobody has named, and
  // returns what of them somebody has.
  template <typename Write>
  StatusOr<RangeSet> WriteOthers(Range groups, Write write) {
    const std::lock_guard lock(mutex_);
    const RangeSet free = named_.Missing(groups);
    for (const Range& run : free.ranges()) {
      BLOBD_RETURN_IF_ERROR(write(run));
    }
    return named_.Intersection(groups);
  }

 private:
  std::mutex mutex_;
  RangeSet named_;  // under mutex_
};

}  // namespace blobd::store
