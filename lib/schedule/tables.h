// Tables: all the scheduler knows, as data. The const functions of the room (NextStep, the views,
// the invariants) read it; only Scheduler::State changes it.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

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
  uint64_t verified_bytes = 0;
};

struct Tables {
  explicit Tables(Options given)
      : options(std::move(given)),
        rng(options.seed),
        map(options.providers_per_hash),
        providers(options),
        bans(options.first_ban, options.longest_ban),
        next_transfer(options.first_transfer_id),
        next_request(options.first_request_id) {}
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  Options options;  // with the limits as they are now
  Rng rng;
  Instant now;
  bool stopping = false;  // drained for the shutdown: nothing starts, nothing fails

  std::unordered_map<RequestId, Request> requests;
  std::unordered_map<IntentId, Request*> intents;
  ProviderMap map;
  ProviderTable providers;
  std::map<TransferId, Transfer> transfers;
  Timers timers;
  Bans bans;

  uint32_t running_requests = 0;
  uint32_t ending_transfers = 0;
  Provider* draining = nullptr;  // the one with its flag set
  uint32_t passed_over = 0;      // slots in a row that the first by place did not get
  uint64_t next_transfer = 1;
  uint64_t next_request = 1;
  Stats stats;

  const Limits& limits() const { return options.limits; }
  Request* FindRequest(RequestId id) {
    const auto it = requests.find(id);
    return it == requests.end() ? nullptr : &it->second;
  }
  // An ending transfer holds the slot of its request.
  bool HasRequestSlot() const {
    return running_requests + ending_transfers < options.limits.requests;
  }
  bool HasConnectionSlot() const { return providers.connections() < options.limits.connections; }
};

}  // namespace blobd::schedule
