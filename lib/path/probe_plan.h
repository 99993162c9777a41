// ProbePlan: which addresses of one node are asked for a round-trip time, and when. Addresses in
// use as spare paths are asked in a steady rhythm; ones of which nothing is known are asked ever
// more rarely while they stay silent.
//
// Thread: one owner (the control loop). Time is an argument and does not go back.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

enum class Rhythm {
  kSteady,   // every second
  kSeeking,  // after a second, then each time twice as long, up to a minute
  kResting,  // only when all are asked
};

class ProbePlan {
 public:
  static constexpr Duration kSteadyPause = seconds(1);
  static constexpr Duration kLongestPause = seconds(60);

  // The plan holds exactly these from now on. A new one that does not rest is due at once.
  void Follow(const std::map<SocketAddress, Rhythm>& rhythms, Instant now);
  // All are due now, resting ones too, and silence so far is forgotten.
  void AskAll(Instant now);
  void Clear() { entries_.clear(); }

  // What is due; it counts as asked.
  std::vector<SocketAddress> TakeDue(Instant now);
  void Answered(const SocketAddress& address);
  // Questions in a row that were not answered before the next one was due.
  int Missed(const SocketAddress& address) const;
  std::optional<Instant> NextDeadline() const;

 private:
  struct Entry {
    Rhythm rhythm = Rhythm::kResting;
    std::optional<Instant> due;    // nullopt: rests
    std::optional<Instant> asked;  // the latest question
    bool answered = true;          // since then
    int missed = 0;
    Duration pause = kSteadyPause;  // until it is asked again, while it seeks
  };
  static void Plan(Entry& entry, Instant now);

  std::map<SocketAddress, Entry> entries_;
};

}  // namespace blobd::path
