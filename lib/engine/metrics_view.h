// What monitoring reads of the engine. Numbers that grow count from the start of this process.
//
// Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"
#include "engine/values.h"
#include "schedule/scheduler.h"

namespace blobd::engine {

// How long things took, in classes: each bound counts what took at most so long.
class DurationHistogram {
 public:
  static constexpr std::array<double, 11> kBoundsSeconds = {0.1, 0.5, 1,    5,    10,   30,
                                                            60,  300, 1800, 7200, 86400};

  void Add(Duration duration);
  // Of those that took longer than the bound before, by bound; the last one: longer than all.
  const std::array<uint64_t, kBoundsSeconds.size() + 1>& counts() const { return counts_; }
  double sum_seconds() const { return sum_seconds_; }

 private:
  std::array<uint64_t, kBoundsSeconds.size() + 1> counts_{};
  double sum_seconds_ = 0;
};

// What the engine counts for it beside what its parts count.
struct EngineCounters {
  std::map<std::string, uint64_t> intents_ended;    // durably, by result
  std::map<std::string, uint64_t> transfers_ended;  // by outcome
  DurationHistogram intent_time;                    // from queueing to done
  DurationHistogram transfer_time;                  // of transfers that were done
};

struct MetricsView {
  StatusView status;
  uint64_t unfinished_intents = 0;
  schedule::Stats scheduling;
  EngineCounters counters;
};

}  // namespace blobd::engine
