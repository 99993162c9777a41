// Provider: all the scheduler knows of one node or mirror that may have a wanted hash. A value that
// ProviderTable owns.
//
//   kDown --Dial--> kDialling --Connected--> kUp           a mirror stays kDown and needs no dial
//     ^                 `--DialFailed--.       `--Disconnected, Disconnect--.
//     `----------------------------------------------------------------'
//
// Beside its link a provider may be paused: it gets no new work until `pause_until` (kRetry after a
// failure, kBusy when it asked for it, kLocalFault when the fault was ours). kUnreachable is a
// pause too, but it takes the provider out of the queues, so that requests without another one
// know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/provider.h"
#include "base/time.h"
#include "schedule/request_queue.h"
#include "schedule/scheduler.h"

namespace blobd::schedule {

enum class Link : uint8_t { kDown, kDialling, kUp };
enum class Pause : uint8_t { kNone, kRetry, kBusy, kLocalFault, kUnreachable };

// One entry of the provider's side of the map; `at` is its index in hash->providers.
struct HashLink {
  WantedHash* hash = nullptr;
  uint32_t at = 0;
};

// Where the provider stands in the indexes of ProviderTable; nullopt: not in that one.
struct IndexKeys {
  std::optional<Order> ready;
  std::optional<IntentId> ready_by_place;
  std::optional<Order> dialable;
  std::optional<Order> ready_more;
  std::optional<Order> dialable_more;
  std::optional<Order> connected;
  std::optional<Instant> idle;
};

struct Provider {
  ProviderId id;
  uint64_t number = 0;  // in order of appearance, never used again: the tie-breaker of every index
  bool is_mirror = false;

  Link link = Link::kDown;
  // Its connection failed a transfer: no new one on it, it is dropped when idle. One connection,
  // one failure.
  bool condemned = false;
  // Makes room for a request that comes before all that wait for it.
  bool draining = false;
  Pause pause = Pause::kNone;
  Instant pause_until;  // meaningful unless kNone
  WantedHash* sponsor =
      nullptr;  // kDialling: the hash whose limit of dials it counts to, while that is wanted

  uint32_t failures = 0;    // since the last success
  uint32_t own_faults = 0;  // dials in a row that failed through a fault of our own
  bool path_works = false;  // its last dial was answered
  uint64_t verified_since_failure = 0;
  std::string last_failure;  // empty: none since the last success
  Instant last_success;      // when it was last connected
  Duration rtt{0};
  double bytes_per_second = 0;  // of the last transfer that moved something; 0: not measured

  uint32_t running = 0;               // of `transfers`, those that are not ending
  std::vector<TransferId> transfers;  // running and ending: each holds a slot
  uint32_t passed_over = 0;           // slots in a row that its first by place did not get

  std::vector<HashLink> hashes;  // the provider map's second direction
  RequestQueue waiting;          // requests that could use it, empty while kUnreachable
  RequestQueue more;             // running ones that could use it as well; the same
  IndexKeys keys;

  bool usable() const { return pause != Pause::kUnreachable; }
  bool idle() const { return link == Link::kUp && running == 0; }
  bool CanBeDialled() const { return !is_mirror && link == Link::kDown && pause == Pause::kNone; }
  // Takes new transfers, were there a slot.
  bool open() const {
    return (is_mirror || link == Link::kUp) && pause == Pause::kNone && !condemned && !draining;
  }
  uint32_t Capacity(const Options& options) const {
    return is_mirror ? options.limits.connections_per_mirror : options.limits.requests_per_node;
  }
  const schedule::Ability& Ability(const Options& options) const {
    return is_mirror ? options.mirror_ability : options.node_ability;
  }
  const RetryPolicy& Policy(const Options& options) const {
    return is_mirror ? options.mirror_retry : options.node_retry;
  }
  bool CanTake(const Options& options) const {
    return open() && transfers.size() < Capacity(options);
  }
};

}  // namespace blobd::schedule
