// Request: the single piece of work that satisfies all intents for one kind. A value that the
// scheduler's tables own; what changes it are the members of Scheduler::State.
//
//   kInStore --StoreAnswered--> kQueued <--> kRunning          kHeld: after a fault of our own
//                                  ^  `---> kStranded          no usable provider, some intent has
//                                  ^  `-- named or back ---'   patience; kPaused: by its callers
//
// Queued, waiting and parked of the public RequestState are one stage here: which of them it is, is
// a fact about its providers and the limits, found by NextStep, so that a provider entering a retry
// costs its requests nothing.
#pragma once

#include <absl/container/btree_map.h>

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/time.h"
#include "schedule/content.h"
#include "schedule/effect.h"
#include "schedule/event.h"

namespace blobd::schedule {

struct Provider;
struct WantedHash;

// Who comes first: the higher priority, then the older place. Places are unique, so orders are.
struct Order {
  Priority priority = Priority::kBackground;
  IntentId place;

  // After every request there can be.
  static constexpr Order Last() { return Order{Priority::kBackground, IntentId{UINT64_MAX}}; }

  friend constexpr std::strong_ordering operator<=>(const Order& a, const Order& b) {
    if (a.priority != b.priority) return b.priority <=> a.priority;
    return a.place <=> b.place;
  }
  friend constexpr bool operator==(const Order&, const Order&) = default;
};

struct Intent {
  IntentId id;
  Priority priority = Priority::kNormal;
  bool patience_armed = false;        // its timer runs; only while the request is stranded
  bool paused = false;                // by its caller: it does not count for priority or patience
  Instant deadline = Instant::Max();  // Max: none
  Instant patience_over = Instant::Max();
};

enum class Stage : uint8_t {
  kUnsettled,  // inside one Step only
  kInStore,    // the store was asked what it has
  kQueued,     // in the queue of every provider it could use
  kStranded,   // no usable provider: waits on providers
  kHeld,       // waits out a fault of our own, until trouble->held_until
  kPaused,     // every intent is paused
  kRunning,    // has a transfer
};

// A linked provider that said it does not have it.
struct Refusal {
  uint64_t provider = 0;  // its number
  Instant until;          // when it may be asked again, while others deliver; Max: not of itself
  uint32_t times = 0;
  bool active = true;  // false: it may be asked again, but we remember how often it refused
};

// What most requests never have.
struct Trouble {
  std::vector<Refusal> refused;  // by number
  std::vector<ProviderFailure> failures;
  OwnFault own_fault = OwnFault::kDisk;  // kHeld: what it waits on
  uint32_t own_faults = 0;               // in a row
  uint64_t verified_since_fault = 0;     // bytes
  Instant held_until;                    // kHeld
  std::string held_reason;               // kHeld
  uint32_t rounds = 0;                   // in which all standing providers were asked
  Instant ask_again = Instant::Max();    // kStranded: the next round
  // Providers, by number, of which a caller cancelled a transfer of this request: not used for it
  // until then.
  std::vector<uint64_t> set_aside;
  Instant set_aside_until = Instant::Max();  // Max: there are none
};

struct Request {
  RequestId id;
  Kind kind;
  IntentId place;  // its first intent's number, for life
  Priority priority = Priority::kNormal;
  Stage stage = Stage::kUnsettled;
  uint32_t usable = 0;  // kQueued: how many providers' queues hold it; else 0
  WantedHash* wanted = nullptr;
  Instant since;  // in this stage
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;                       // 0: not known yet
  std::array<uint32_t, 3> intents_of_priority{};  // without the paused ones
  absl::btree_map<IntentId, Intent> intents;  // may be many: who leaves costs the others nothing
  std::vector<TransferId> transfers;          // running
  uint32_t more = 0;  // kRunning: how many providers' queues of further parts hold it
  std::unique_ptr<Content> content;  // when something is known of it
  std::unique_ptr<Trouble> trouble;  // made when there is some

  Order order() const { return Order{priority, place}; }
  Trouble& MakeTrouble();
  // The provider does not have it, or refuses it, or is set aside.
  bool Refuses(uint64_t provider_number) const;
  bool SetsAside(uint64_t provider_number) const;
  // Some provider is. It comes back by itself, so the request is not without one.
  bool SetsAside() const { return trouble != nullptr && !trouble->set_aside.empty(); }
  // It is a provider for this request: usable, not refused, and holds something that is missing.
  bool CouldUse(const Provider& provider) const;
  // For good, or until `until` says otherwise (see Forgive); returns how often it has refused.
  uint32_t Refuse(uint64_t provider_number);
  void RefuseUntil(uint64_t provider_number, Instant until);
  // True if it was refused.
  bool Unrefuse(uint64_t provider_number);
  // Others deliver: those whose time is over may be asked again. Their numbers.
  std::vector<uint64_t> Forgive(Instant now);
  // Those that may be asked again at some time may be now.
  void ForgiveEarly();
  // Every intent is paused.
  bool paused() const;

  Intent* Find(IntentId intent);
  // Its highest unpaused intent's; the lowest if there is none.
  Priority HighestPriority() const;
  // Remembers the last reason of one provider, of at most 1,024.
  void Note(const ProviderId& provider, Outcome outcome, std::string_view reason);
};

// Reasons come from peers: they are cut before they are kept.
std::string CutReason(std::string_view reason);

}  // namespace blobd::schedule
