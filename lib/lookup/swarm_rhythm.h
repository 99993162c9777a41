// SwarmRhythm: who asks and who answers when on the local network, so that a swarm of any size says
// about the same (the rules of the swarm-discovery crate):
//
//   kQuiet: nobody has asked. After `cadence`, and a random while that grows with the swarm, ask.
//           Whoever asked, go to
//   kAnswering: answer after a random while that grows with the swarm, unless enough others have
//           answered before; then kQuiet.
//
// Whoever has just answered waits a little longer the next time. So that nobody can make us shout,
// answers keep a distance.
//
// Thread: one owner. Time is an argument and does not go back.
#pragma once

#include <cstddef>

#include "base/rng.h"
#include "base/time.h"

namespace blobd::lookup {

class SwarmRhythm {
 public:
  static constexpr Duration kAnswerTime = milliseconds(100);
  static constexpr Duration kLeastGap = milliseconds(200);  // between two answers of ours

  struct Options {
    Duration cadence = seconds(10);
    size_t enough = 10;  // answers to one question
  };
  enum class Act { kNothing, kAsk, kAnswer };

  SwarmRhythm(const Options& options, Rng& rng, Instant now);

  // The number of nodes known on this network, ourselves included.
  void SetSize(size_t size) { size_ = size < 1 ? 1 : size; }
  void Asked(Instant now);                   // somebody asked
  void Answered(size_t peers, Instant now);  // others answered
  // We want to know now.
  void AskSoon(Instant now);

  Act Tick(Instant now);
  Instant NextDeadline() const { return next_; }

 private:
  void BeQuiet(Instant now);
  void Prepare(Instant now);

  const Options options_;
  Rng& rng_;
  size_t size_ = 1;
  bool answering_ = false;
  bool answered_last_ = false;
  size_t heard_ = 0;
  Duration extra_{0};
  Instant next_;
  Instant may_answer_;
};

}  // namespace blobd::lookup
