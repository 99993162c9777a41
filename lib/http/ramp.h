// Ramp: how many connections one origin gets, and when the next may open (design/mirrors.md,
// "Ramp-up"). A pure state machine; time comes as an argument.
//
//   nothing proven --probe--> 1 delivers --batch--> all of it deliver --pause, batch--> ... --> cap
//        ^                        ^                     |
//        |                        `-- one at a time <---| one failed before its first byte: cap - 1
//        `------------------------- nothing is left running, or idle for long
//
// A connection here is a fetch that runs. A level that delivered once is used again without a ramp:
// whoever takes the place of one that ended reuses its connection.
//
// Thread: one owner. REQUIRES of all: time does not go back.
#pragma once

#include <cstdint>
#include <optional>

#include "base/rng.h"
#include "base/time.h"

namespace blobd::http {

struct RampOptions {
  bool ramp = true;     // false: all connections open at once, up to the cap
  bool polite = false;  // longer pauses, and further connections only where they save much
  uint32_t cap = 8;     // at least 1
  uint32_t batch = 2;
  // The pause between batches: so many times the time to the first byte, within a bound.
  int pause_factor_min = 5;
  int pause_factor_max = 10;
  Duration pause_max = seconds(1);
  Duration polite_pause_min = milliseconds(500);
  Duration regrow = seconds(60);  // the cap grows back by one after so long without failure
  Duration forget = seconds(60);  // idle for so long, and the next connection is a probe again
  // A further connection must save so many times what the probe took to its first byte.
  int worth_factor = 10;
  Duration polite_wait = seconds(15);       // no further connection before
  Duration polite_remaining = seconds(60);  // nor when the whole ends within
};

class Ramp {
 public:
  Ramp(RampOptions options, uint64_t seed);

  // Takes effect at once; more may be running than are allowed then.
  void SetOptions(const RampOptions& options);

  // Whether a connection may open now.
  bool MayOpen(Instant now);
  // When MayOpen may become true without anything else happening; nullopt: not by itself.
  std::optional<Instant> NextOpening(Instant now);

  // REQUIRES: MayOpen(now)
  void OnOpened(Instant now);
  // One of those opened delivers, or was answered in order; `took` since it was opened. Once each.
  void OnDelivered(Instant now, Duration took);
  // One of them ended. `delivered`: OnDelivered was called for it. One that did not, and that we
  // did not end ourselves (`ours`), is a failure.
  void OnClosed(Instant now, bool delivered, bool ours);

  // Whether a further connection is worth opening for work of which `remaining` bytes are left,
  // while the running ones together bring `bytes_per_second`.
  bool IsWorthIt(Instant now, uint64_t remaining, double bytes_per_second) const;

  uint32_t running() const { return running_; }
  // The cap as it is now, after failures.
  uint32_t cap(Instant now);
  // How many run above the cap.
  uint32_t surplus(Instant now);
  // Nothing is remembered that a new Ramp would not know as well.
  bool IsFresh(Instant now);
  // Of the last probe; 0: none yet.
  Duration first_byte() const { return first_byte_; }

 private:
  uint32_t confirmed() const { return running_ - unconfirmed_; }
  void Grow(Instant now);
  Duration Pause();
  void EndBatch(Instant next);

  RampOptions options_;
  Rng rng_;
  uint32_t running_ = 0;
  uint32_t unconfirmed_ = 0;  // of those, that have not delivered yet
  uint32_t level_ = 0;        // so many have delivered at once
  uint32_t batch_left_ = 0;   // openings left in the batch that is being opened
  bool one_at_a_time_ = false;
  Instant fell_back_;    // when one_at_a_time_ became true last
  uint32_t shrunk_ = 0;  // taken off the cap
  Instant regrow_at_;    // meaningful while shrunk_ > 0
  Instant next_batch_;   // no batch begins before
  Instant idle_since_;   // meaningful while nothing runs
  Instant busy_since_;   // meaningful while something runs
  Duration first_byte_{0};
};

}  // namespace blobd::http
