// faults: how bad the world of one history is, drawn from its seed.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "schedule/event.h"

namespace blobd::sim {

// What a provider is like while there are faults. Afterwards every one that is not kLiar, kWithout
// or kDead behaves.
enum class Character {
  kHonest,
  kSlow,      // correct, but takes minutes
  kDead,      // no dial ever succeeds
  kFlapping,  // gone for a while, back for a while
  kWithout,   // has nothing: "not here" or a refusal
  kLiar,      // sends false bytes
  kBusy,      // asks to wait
  kLossy,     // transfers and connections break
  kPartial,   // has the first part of everything, and says so
  kGrowing,   // the same, and has more as time goes on
};

struct WorldOptions {
  uint64_t seed = 0;
  uint32_t steps = 0;  // caller actions before the faults stop
  uint32_t hashes = 0;
  std::vector<Character> nodes;  // number 0 is always honest in the end
  std::vector<Character> mirrors;
  schedule::Limits limits;
  Duration between_actions{0};
  bool ends_with_drain = false;

  double store_fails = 0;
  double store_has_it = 0;
  double local_fault = 0;
  double breaks = 0;  // transfers, of whomever, and often their connections
  double impossible = 0;
  double late_answers = 0;  // of given-up dials, closed connections, ended transfers
  double queue_weight = 0;  // how much of what callers do is queueing
  double change_limits = 0;
  double deadline = 0;
  double no_patience = 0;
  double short_patience = 0;
  double names_nobody = 0;
  double pause = 0;       // single intents, or everything
  double cancels = 0;     // single transfers
  double news = 0;        // of paths, the network, the disk, bans lifted
  double holds = 0;       // transfers that we ourselves keep waiting
  double crash = 0;       // of the daemon: only what was persisted comes back
  bool parts = false;     // transfers can be cut
  uint64_t scale = 1;     // of the sizes of blobs
  double arrivals = 0;    // of bytes by another way
  uint32_t standing = 0;  // so many of the nodes are asked for everything

  static WorldOptions Draw(uint64_t seed);
};

schedule::Limits DrawLimits(Rng& rng);

}  // namespace blobd::sim
