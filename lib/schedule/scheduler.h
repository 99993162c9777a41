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

// How a kind of provider is tried again; every wait is lengthened by up to 10 %, random.
struct RetryPolicy {
  enum class Growth { kLinear, kDoubling };
  Duration initial_delay = milliseconds(500);
  uint32_t fixed = 0;  // so many waits of the initial delay before they grow
  Growth growth = Growth::kLinear;
  Duration longest = minutes(1);             // of a wait before it is unreachable
  uint32_t retries = 6;                      // the next failure makes a provider unreachable
  Duration unreachable_first = seconds(30);  // doubling
  Duration unreachable_max = minutes(10);
  Duration busy_longest = minutes(10);  // of what it may ask for itself

  static RetryPolicy OfMirrors();
};

// What transfers from a kind of provider can do.
struct Ability {
  bool parts = false;                // a range of a request, whose end can be lowered
  uint32_t streams_per_request = 1;  // transfers of one request on one provider
};

// Which kind is used first where both could be; otherwise the faster one.
enum class Preference { kThroughput, kNodes, kMirrors };

struct Options {
  NodeId self;
  Limits limits;
  RetryPolicy node_retry;
  RetryPolicy mirror_retry = RetryPolicy::OfMirrors();
  Ability node_ability;
  Ability mirror_ability;
  Preference preference = Preference::kThroughput;
  uint32_t parts_per_request = 4;  // transfers of one request
  // Asked for every hash, after the named providers, so many at a time.
  std::vector<ProviderId> standing;
  size_t standing_at_a_time = 4;
  Duration idle_timeout = seconds(10);  // of a connection without a transfer
  Duration first_ban = hours(1);        // doubling with each repeat
  Duration longest_ban = hours(24 * 30);
  size_t providers_per_hash = 1024;
  // A transfer below this rate over this time is given up when another provider is free.
  Duration stall_window = seconds(60);
  uint64_t stall_bytes_per_second = 1024;
  uint64_t first_transfer_id = 1;
  uint64_t first_request_id = 1;
  uint64_t seed = 1;
  size_t expected_intents = 0;  // room is made for so many at once, and not bit by bit
};

enum class RequestState { kInStore, kQueued, kWaiting, kParked, kRunning, kPaused };

// What can be said of a request from outside. It costs in proportion to its providers; who they
// are, and whose intents it serves, is asked for apart, as these may be many.
struct RequestView {
  RequestId id;
  Kind kind;
  RequestState state = RequestState::kQueued;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known yet
  size_t intents = 0;
  IntentId first_intent;  // the oldest there is; 0: none
  Priority priority = Priority::kNormal;
  Instant since;  // when it last ran, or came
  size_t providers = 0;
  std::vector<TransferId> transfers;
  std::string waits_for;  // one sentence for people; empty while running
  Failures failures;
};

// Why a request is where it is: a fact it waits on, and how many of what stand for it.
enum class WaitFact {
  kStore,
  kRequestSlot,
  kProviderSlot,  // a free slot on connected providers
  kConnection,    // the limit of open connections
  kDialLimit,     // the limit of dials for its hash
  kDial,          // running dials
  kRetry,         // providers that failed, or asked to wait
  kProvider,      // no usable one is known
  kNetwork,
  kDisk,
  kItsCallers,  // paused
  kResumption,  // everything is paused
  kNextStart,   // blobd is shutting down
};
struct Wait {
  WaitFact fact = WaitFact::kStore;
  uint32_t count = 0;
  Instant until = Instant::Max();  // Max: until something happens
};

// What a provider is to a request now.
enum class ProviderStanding {
  kUsed,  // a transfer of the request runs on it
  kFree,  // could take it, or be dialled
  kBusy,  // no free slot, or making room for another
  kDialling,
  kFailed,  // waits for its retry
  kAskedToWait,
  kOwnFault,        // we could not reach it through a fault of our own
  kUnreachable,     // failed too often; tried again all the same
  kWithoutContent,  // said that it does not have it, or refuses it
  kBanned,          // sent something false
  kSetAside,        // a caller cancelled a transfer of the request from it a moment ago
};
struct ProviderWhy {
  ProviderId provider;
  ProviderStanding standing = ProviderStanding::kFree;
  Instant until = Instant::Max();  // when it is tried or asked again; Max: not of itself
  uint32_t failures = 0;           // in a row
  std::string last_error;          // of this request, else with any; empty: none
};
struct Why {
  RequestId request;
  Kind kind;
  RequestState state = RequestState::kQueued;
  Instant since;                       // when it last ran, or came
  std::vector<Wait> waits;             // any of them wakes it; empty: it runs, or is about to
  std::vector<ProviderWhy> providers;  // in the order they were named; those that left come last
};

struct BanView {
  ProviderId provider;
  Instant until;
  uint32_t times = 0;
  std::string reason;
};

// Counts since the start; they only grow.
struct Stats {
  uint64_t events = 0;
  uint64_t decisions = 0;  // requests looked at to find their next step: what an event costs
  uint64_t touched = 0;    // requests, providers, intents and transfers looked at
  uint64_t requests = 0;
  uint64_t intents_finished = 0;
  uint64_t transfers_started = 0;
  uint64_t dials = 0;
  uint64_t splits = 0;
  uint64_t races = 0;
  uint64_t failures = 0;  // of providers, as counted for their retries
  uint64_t unreachable = 0;
  uint64_t bans = 0;
  uint64_t late_events = 0;  // dropped, because what they answer is over

  void Add(const Stats& more);
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
  std::optional<RequestState> StateOfKind(const Kind& kind) const;
  std::optional<RequestId> RequestOf(IntentId intent) const;
  std::optional<RequestId> RequestOf(const Kind& kind) const;
  // The oldest first.
  std::vector<IntentId> IntentsOf(const Kind& kind, size_t limit) const;
  // Empty also if nobody wants it.
  std::vector<ProviderId> ProvidersOf(const Kind& kind) const;
  std::optional<Why> WhyOfIntent(IntentId intent) const;
  std::optional<Why> WhyOfKind(const Kind& kind) const;
  // Of these providers, those NodesHave or Queue would refuse now because they are banned.
  std::vector<ProviderId> Banned(const std::vector<ProviderId>& providers, Instant now) const;

  // Who is banned, in order, beyond `after` (nullopt: from the first), at most `limit`. Costs in
  // proportion to the bans there are.
  std::vector<BanView> ListBans(const std::optional<ProviderId>& after, size_t limit,
                                Instant now) const;

  // Whose ban ran out after `after`, and at `now` at the latest. Costs in proportion to these.
  std::vector<ProviderId> BansEnded(Instant after, Instant now) const;

  // nullopt: it is not banned now.
  std::optional<BanView> FindBan(const ProviderId& provider, Instant now) const;

  size_t unfinished_requests() const;
  // Of these, those that wait for the disk after it failed them.
  size_t requests_held_by_disk() const;
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
