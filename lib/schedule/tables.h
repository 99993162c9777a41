// Tables: all the scheduler knows, as data. The const functions of the room (NextStep, the views,
// the invariants) read it; only Scheduler::State changes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "schedule/bans.h"
#include "schedule/provider_map.h"
#include "schedule/provider_table.h"
#include "schedule/request.h"
#include "schedule/scheduler.h"
#include "schedule/timers.h"

namespace blobd::schedule {

struct Transfer {
  TransferId id;
  RequestId request;  // whose it is; when ending, whose it was (ids never come back, so it may name
                      // nobody)
  Provider* provider = nullptr;
  bool ending = false;  // stopped, or its connection is gone: holds its slots until the engine
                        // reports its end
  Instant started;
  Instant moved;  // when something last came, or when it started
  uint64_t moved_bytes = 0;

  std::optional<Range> part;  // nullopt: everything that is missing
  uint64_t position = 0;      // what of the part is verified ends here
  bool lowering = false;      // was asked to end earlier, and has not answered
  bool fixed = false;         // it could not be made to end earlier
  TransferId rival;           // has the same range, to be faster
  bool held = false;          // by us: the stall clock stands still
  Instant held_since;
  Instant window_started;
  uint64_t window_bytes = 0;  // verified since then

  Range rest() const { return Range{position, part->end}; }
};

struct Tables {
  explicit Tables(Options given)
      : options(std::move(given)),
        rng(options.seed),
        map(options.providers_per_hash),
        providers(options),
        bans(options.first_ban, options.longest_ban),
        next_transfer(options.first_transfer_id),
        next_request(options.first_request_id) {
    requests.reserve(options.expected_intents);
    intents.reserve(options.expected_intents);
    map.Reserve(options.expected_intents);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  Options options;  // with the limits as they are now
  Rng rng;
  Instant now;
  bool stopping = false;  // drained for the shutdown: nothing starts, nothing fails
  bool paused = false;    // everything rests: nothing starts, nobody runs out of patience

  std::unordered_map<RequestId, Request> requests;
  std::unordered_map<IntentId, Request*> intents;
  std::set<RequestId> held;      // in stage kHeld
  size_t held_by_disk = 0;       // of these
  std::set<IntentId> impatient;  // whose patience passed while everything rested
  ProviderMap map;
  ProviderTable providers;
  std::map<TransferId, Transfer> transfers;
  Timers timers;
  Bans bans;

  uint32_t running_requests = 0;
  std::map<RequestId, uint32_t> holding;  // how many transfers each has, running and ending
  uint32_t ending_requests = 0;           // of these, those without a running one
  Provider* draining = nullptr;           // the one with its flag set
  uint32_t passed_over = 0;               // slots in a row that the first by place did not get
  uint64_t next_transfer = 1;
  uint64_t next_request = 1;
  mutable Stats stats;  // const functions count what they touch

  const Limits& limits() const { return options.limits; }
  Request* FindRequest(RequestId id) {
    const auto it = requests.find(id);
    return it == requests.end() ? nullptr : &it->second;
  }
  const Request* FindIntent(IntentId id) const {
    const auto it = intents.find(id);
    return it == intents.end() ? nullptr : it->second;
  }
  const Request* FindKind(const Kind& kind) const {
    const WantedHash* wanted = map.Find(kind.hash);
    return wanted == nullptr ? nullptr : wanted->requests[static_cast<size_t>(kind.format)];
  }
  // An ending transfer holds the slot of its request.
  bool HasRequestSlot() const {
    return running_requests + ending_requests < options.limits.requests;
  }
  bool HasConnectionSlot() const { return providers.connections() < options.limits.connections; }
};

}  // namespace blobd::schedule
