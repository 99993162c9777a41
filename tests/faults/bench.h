// Bench: what the players of one run share: the seed's numbers, the disk, the turns, and the first
// thing found wrong.
//
// Thread: one.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "disk.h"
#include "log.h"
#include "turns.h"

namespace blobd::faults {

struct Bench {
  Rng& rng;
  Log& log;
  Disk& disk;
  Turns& turns;
  uint64_t boots = 0;        // power losses so far: what the kernel's boot id would tell apart
  std::string failure = {};  // empty: nothing was found wrong

  bool failed() const { return !failure.empty(); }
  // Whether this life is over.
  bool is_over() const { return disk.is_down() || failed(); }

  template <typename... Args>
  void Fail(fmt::format_string<Args...> format, Args&&... args) {
    if (failed()) return;
    failure = fmt::format(format, std::forward<Args>(args)...);
    log.Add("WRONG: {}", failure);
  }
  // Runs what is to be done until there is nothing, or the life ends.
  void Drain() {
    while (!is_over() && turns.RunOne()) continue;
  }
  // Calls `start` with an answer and waits for that; nullopt if the life ends first.
  template <typename Outcome, typename Start>
  std::optional<Outcome> Await(Start start) {
    auto outcome = std::make_shared<std::optional<Outcome>>();
    start(UniqueFunction<void(Outcome)>(
        [outcome](Outcome value) { outcome->emplace(std::move(value)); }));
    while (!outcome->has_value()) {
      if (is_over()) return std::nullopt;
      if (!turns.RunOne()) {
        if (!is_over()) Fail("a call is never answered");
        return std::nullopt;
      }
    }
    if (disk.is_down()) return std::nullopt;
    return std::move(*outcome);
  }
};

}  // namespace blobd::faults
