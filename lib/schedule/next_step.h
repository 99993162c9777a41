// NextStep: the decision for one request (design/scheduling.md, "Queue", steps 1 to 6). Const:
// planning.cc carries it out, the views explain it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "schedule/tables.h"

namespace blobd::schedule {

struct NextStep {
  enum class What {
    kStart,            // a transfer on `provider`
    kDial,             // `provider`
    kDropIdleAndDial,  // close the connection of `idle`, then dial `provider`
    kWait,             // on `waits`
    kPark,             // every usable provider is paused, the first until `waits.until`
    kOutOfProviders,
  };
  // What a request that must wait hangs on; any of them wakes it. Every usable provider counts in
  // one of the four.
  struct Waits {
    bool request_slot = false;       // the limit of concurrent requests
    bool connection = false;         // the limit of open connections
    bool dials = false;              // the limit of dials for its hash
    bool shutdown = false;           // nothing starts any more
    bool resumption = false;         // everything rests
    uint32_t open = 0;               // providers that could take it or be dialled, but for a limit
    uint32_t busy = 0;               // connected providers without a free slot, or making room
    uint32_t dialling = 0;           // providers being dialled
    uint32_t paused = 0;             // providers waiting for a retry
    Instant until = Instant::Max();  // when the first of `paused` may be tried again

    bool parked() const { return paused > 0 && open + busy + dialling == 0; }
  };

  What what = What::kOutOfProviders;
  Provider* provider = nullptr;
  Provider* idle = nullptr;
  Waits waits;
};

// What to do next for a request that is queued (or has nowhere to go).
// REQUIRES: its stage is kQueued or kStranded
NextStep DecideNextStep(const Tables& tables, const Request& request);

}  // namespace blobd::schedule
