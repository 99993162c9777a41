// RateLimiter: one budget of bytes per second that many share: all downloads, or all uploads, of
// nodes and mirrors alike (design/mirrors.md, "Bandwidth"). A pure state machine; time comes as an
// argument, grants go out.
//
// A token bucket says how much may go now; it holds 50 ms of the rate, at least a chunk group. Who
// goes next is decided by start-time fair queueing (Goyal, Vin, Cheng, 1996): every owner has a
// place on one line of bytes, a grant moves it on by what was granted, and the owner furthest
// behind is next; of equals the one that asked first. So an owner that asks for little at a time
// gets as much as one that asks for much, and one that was idle has saved nothing up. Asks are
// granted in slices, so that a large one holds nobody for long.
//
// Thread: one owner. Cost: logarithmic in the asks that wait; a Step also looks at all owners.
// Bounds: memory is that of waiting asks, and of owners that are ahead of the line.
// REQUIRES of all: `now` does not go back.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"

namespace blobd::schedule {

using AskId = Id<struct AskTag>;

// `bytes` of the ask may go now. The last one of an ask is `complete`; then the ask is forgotten.
struct Grant {
  AskId ask;
  uint64_t bytes = 0;
  bool complete = false;
};

class RateLimiter {
 public:
  static constexpr Duration kBucket = milliseconds(50);
  static constexpr uint64_t kLeastBucket = 16 * 1024;

  // Without a limit.
  RateLimiter() = default;

  // Sets, changes or (nullopt) removes the limit. Asks that wait are granted by it from now on;
  // call Step next. Returns kInvalidArgument for 0, and nothing changes: what rests is paused.
  Status SetRate(Instant now, std::optional<uint64_t> bytes_per_second);
  std::optional<uint64_t> rate() const { return rate_; }

  // Wants `bytes` for `owner`, any number that names it. Call Step next.
  // REQUIRES: bytes > 0
  AskId Ask(uint64_t owner, uint64_t bytes);
  // What was not granted of it is not wanted any more. Unknown asks are harmless: they were
  // granted.
  void Cancel(AskId ask);

  // Appends what may go at `now`, in order; at most one grant for an ask.
  void Step(Instant now, std::vector<Grant>& grants);
  // When Step will grant more; nullopt: nothing waits.
  std::optional<Instant> NextDeadline() const;

  size_t waiting() const { return asks_.size(); }
  bool Waits(uint64_t owner) const;
  // Owners that something is remembered of.
  size_t owners() const { return owners_.size(); }
  // Aborts if queue, asks and owners do not agree. Tests and debug builds.
  void CheckInvariants() const;

 private:
  struct Waiting {
    uint64_t owner = 0;
    uint64_t left = 0;
  };
  struct Owner {
    double place = 0;      // on the line: where its next ask starts
    std::set<AskId> asks;  // the first is in the queue
  };
  struct Turn {
    double start = 0;
    AskId ask;
    auto operator<=>(const Turn&) const = default;
  };

  void Fill(Instant now);
  double Capacity() const;
  // What the next grant takes at least.
  uint64_t SliceOf(const Waiting& waiting) const;
  // Takes `bytes` from the first in the queue.
  void Take(uint64_t bytes, std::vector<Grant>& grants, std::unordered_map<AskId, size_t>& at);
  void Enqueue(Owner& owner);
  void Forget();

  std::optional<uint64_t> rate_;
  double tokens_ = 0;
  Instant filled_;   // when tokens_ was right
  double line_ = 0;  // the start of the ask that was granted last
  uint64_t next_ask_ = 1;
  std::map<AskId, Waiting> asks_;
  std::map<uint64_t, Owner> owners_;  // with asks, or ahead of the line
  std::set<Turn> queue_;              // one for each owner with asks
};

}  // namespace blobd::schedule
