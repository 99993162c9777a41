// schedule: from intents to transfers. A pure state machine: events and the time go in, effects
// come out. It does no IO, reads no clock and starts no thread. Its contract is
// design/scheduling.md.
//
// Scheduler is dispatch only; the decision for a request is in next_step.h, its state in the small
// types beside it.
//
// Thread: one owner (the control loop). Cost: an event costs in proportion to what it changes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "schedule/effect.h"
#include "schedule/event.h"

namespace blobd::schedule {

struct RetryPolicy {
  Duration initial_delay = milliseconds(500);  // count x this, plus up to 10 %
  uint32_t retries = 6;                        // the next failure makes a provider unreachable
  Duration unreachable_first = seconds(30);    // doubling
  Duration unreachable_max = minutes(10);
};

struct Options {
  NodeId self;
  Limits limits;
  RetryPolicy node_retry;
  Duration idle_timeout = seconds(10);  // of a connection without a transfer
  Duration first_ban = hours(1);        // doubling with each repeat
  Duration longest_ban = hours(24 * 30);
  uint32_t connections_per_mirror =
      8;  // transfers on one mirror; it counts to no limit of connections
  size_t providers_per_hash = 1024;
  uint64_t first_transfer_id = 1;
  uint64_t first_request_id = 1;
  uint64_t seed = 1;
};

enum class RequestState { kInStore, kQueued, kWaiting, kParked, kRunning };

// What can be said of a request from outside.
struct RequestView {
  RequestId id;
  Kind kind;
  RequestState state = RequestState::kQueued;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known yet
  std::vector<IntentId> intents;
  std::vector<TransferId> transfers;
  std::vector<ProviderId> providers;
  std::string waits_for;  // one sentence for people; empty while running
  std::vector<ProviderFailure> failures;
};

// Counts since the start; they only grow.
struct Stats {
  uint64_t events = 0;
  uint64_t decisions = 0;  // requests looked at to find their next step: what an event costs
  uint64_t requests = 0;
  uint64_t intents_finished = 0;
  uint64_t transfers_started = 0;
  uint64_t dials = 0;
  uint64_t failures = 0;  // of providers, as counted for their retries
  uint64_t unreachable = 0;
  uint64_t bans = 0;
  uint64_t late_events = 0;  // dropped, because what they answer is over
};

class Scheduler {
 public:
  explicit Scheduler(Options options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Applies one event that happened at `now`; appends what the engine must do to `effects`.
  // REQUIRES: `now` does not go back
  void Step(Instant now, const Event& event, std::vector<Effect>& effects);
  // When the engine owes a Tick; nullopt if it owes none. An early Tick does nothing.
  std::optional<Instant> NextDeadline() const;

  // A ban that outlived a restart. Before the first Step.
  void RestoreBan(const ProviderId& provider, Instant until, uint32_t times, std::string reason);

  // nullopt if the intent is unknown or has ended.
  std::optional<RequestView> ViewOfIntent(IntentId intent) const;
  std::optional<RequestView> ViewOfKind(const Kind& kind) const;
  // Of these providers, those NodesHave or Queue would refuse now because they are banned.
  std::vector<ProviderId> Banned(const std::vector<ProviderId>& providers, Instant now) const;

  size_t unfinished_requests() const;
  size_t running_transfers() const;  // ending ones included
  const Limits& limits() const;
  const Stats& stats() const;
  uint64_t next_transfer_id() const;
  uint64_t next_request_id() const;

  // Aborts if an invariant of design/scheduling.md ("Always true") does not hold. Tests and debug
  // builds.
  void CheckInvariants() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace blobd::schedule
