// Request: the single piece of work that satisfies all intents for one kind. A value that the
// scheduler's tables own; what changes it are the members of Scheduler::State.
//
//   kInStore --StoreAnswered--> kQueued <--> kRunning          (kHeld: a fault of our own, a short
//   pause)
//                                  ^  `---> kStranded          no usable provider, some intent has
//                                  patience
//                                  `--provider named or back---'
//
// Queued, waiting and parked of the public RequestState are one stage here: which of them it is, is
// a fact about its providers and the limits, found by NextStep, so that a provider entering a retry
// costs its requests nothing.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/time.h"
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
  Instant deadline = Instant::Max();  // Max: none
  Instant patience_over = Instant::Max();
};

enum class Stage : uint8_t {
  kUnsettled,  // inside one Step only
  kInStore,    // the store was asked what it has
  kQueued,     // in the queue of every provider it could use
  kStranded,   // no usable provider: waits on providers
  kHeld,       // waits out a fault of our own, until held_until
  kRunning,    // has a transfer
};

struct Request {
  RequestId id;
  Kind kind;
  IntentId place;  // its first intent's number, for life
  Priority priority = Priority::kNormal;
  Stage stage = Stage::kUnsettled;
  uint32_t usable = 0;  // kQueued: how many providers' queues hold it; else 0
  WantedHash* wanted = nullptr;
  Instant held_until;       // kHeld
  std::string held_reason;  // kHeld
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known yet
  std::array<uint32_t, 3> intents_of_priority{};
  std::vector<Intent> intents;        // by id
  std::vector<TransferId> transfers;  // running; one at a time
  std::vector<uint64_t> refused;      // numbers of linked providers that said they do not have it
  std::vector<ProviderFailure> failures;

  Order order() const { return Order{priority, place}; }
  bool Refuses(uint64_t provider_number) const;
  void Refuse(uint64_t provider_number);
  // True if it was refused.
  bool Unrefuse(uint64_t provider_number);

  Intent* Find(IntentId intent);
  // Its highest intent's. REQUIRES: it has an intent
  Priority HighestPriority() const;
  // Remembers the last reason of one provider, of at most 1,024.
  void Note(const ProviderId& provider, Outcome outcome, std::string_view reason);
};

// Reasons come from peers: they are cut before they are kept.
std::string CutReason(std::string_view reason);

}  // namespace blobd::schedule
