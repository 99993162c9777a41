// GroupGuard: keeps bytes that came without proof from the groups of a blob that are verified, or
// are being written as such. It is asked by all writers of the blob, who know nothing of each
// other.
//
//   who has verified bytes   names the groups, then writes them
//   who has unproven ones    writes what nobody has named, while nobody else can name any of it
//
// So of two who write the same group at once, the one with proof is last, or alone.
//
// While it is closed everything counts as named: the blob is being completed. What was named before
// and meanwhile stays so when it opens again.
//
// Who finds verified bytes by reading names them afterwards, but for those that somebody wrote over
// meanwhile: holding off everybody for as long as it takes to hash a file would be too long.
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
    NameNow(groups);
  }
  // These were named by the caller, and could not be written. What others have named too stays.
  void Unname(const RangeSet& groups) {
    const std::lock_guard lock(mutex_);
    RangeSet free = groups;
    free.RemoveAll(named_again_);
    named_.RemoveAll(free);
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  // The blob was not completed; these are verified.
  void Open(const RangeSet& verified) {
    const std::lock_guard lock(mutex_);
    is_closed_ = false;
    for (const Range& range : verified.ranges()) NameNow(range);
  }
  // Somebody begins to read what is there.
  void BeginLook() {
    const std::lock_guard lock(mutex_);
    ++looks_;
  }
  // The look has ended: names what was found and returns it, without what was written without proof
  // since the look began.
  RangeSet EndLook(const RangeSet& found) {
    const std::lock_guard lock(mutex_);
    RangeSet untouched = found;
    untouched.RemoveAll(written_);
    for (const Range& range : untouched.ranges()) NameNow(range);
    if (--looks_ == 0) written_ = RangeSet();
    return untouched;
  }
  // What is verified was taken back: it may be written by anybody.
  void Release(const RangeSet& groups) {
    const std::lock_guard lock(mutex_);
    named_.RemoveAll(groups);
    named_again_.RemoveAll(groups);
  }
  // Nobody is writing; these are verified.
  void Reset(const RangeSet& verified) {
    const std::lock_guard lock(mutex_);
    named_ = named_again_ = verified;
  }
  // Calls `write(range)`, which gives a Status, for each run of `groups` that nobody has named, and
  // returns what of them somebody has.
  template <typename Write>
  StatusOr<RangeSet> WriteOthers(Range groups, Write write) {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return RangeSet(groups);
    const RangeSet free = named_.Missing(groups);
    for (const Range& run : free.ranges()) {
      if (looks_ > 0) written_.Insert(run);  // also if it fails: some of it may be there
      BLOBD_RETURN_IF_ERROR(write(run));
    }
    return named_.Intersection(groups);
  }

 private:
  void NameNow(Range groups) {
    if (named_.Intersects(groups)) named_again_.InsertAll(named_.Intersection(groups));
    named_.Insert(groups);
  }

  // All under mutex_.
  std::mutex mutex_;
  bool is_closed_ = false;
  RangeSet named_;
  RangeSet named_again_;  // of these, by more than one call, or known to be verified
  size_t looks_ = 0;      // that have begun and not ended
  RangeSet written_;      // without proof, while there are looks
};

}  // namespace blobd::store
