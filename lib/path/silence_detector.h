// SilenceDetector: tells a receiver that its path has gone dark long before timeouts of the
// transport would (design/remotes.md: "A receiver that hears nothing for max(1 s, 4 × RTT) while it
// wants bytes pings, then migrates").
//
//   kIdle ----Want----> kListening --silence--> kAsking: ping --no answer--> kDark
//     ^                     ^   ^------Heard-------'                          |
//     '---Unwant (any)      '-------------------------Heard-------------------'
//
// A sender may be silent because it has nothing to send, so silence alone proves nothing: only a
// ping without an answer does. A dark path is asked again and again, so that its return is noticed.
//
// Thread: the one that owns the connection. Time is an argument and does not go back.
#pragma once

#include <optional>

#include "base/time.h"

namespace blobd::path {

class SilenceDetector {
 public:
  static constexpr Duration kLeastSilence = seconds(1);
  static constexpr int kRttsOfSilence = 4;
  // An answer is waited for longer than a round trip, since a peer may delay it and one may be
  // lost. With the least silence a dark path is known after 1.5 s.
  static constexpr Duration kLeastPatience = milliseconds(500);
  static constexpr int kRttsOfPatience = 3;
  static constexpr Duration kAskAgain = seconds(1);

  enum class Advice {
    kNothing,
    kPing,      // ask the peer for an answer on this path
    kWentDark,  // said once: the path is dark; go to another one
  };

  // Bytes are wanted from the peer, or not any more. What was not heard before does not count.
  void Want(Instant now);
  void Unwant();
  // Anything from the peer that was authenticated.
  void Heard(Instant now);
  // The connection uses another path: what was silent was the old one.
  void Moved(Instant now);

  // What is to be done now. `rtt` is the path's latest smoothed round-trip time.
  Advice Check(Instant now, Duration rtt);
  // When Check has news if nothing else happens; nullopt while nothing is wanted.
  std::optional<Instant> NextDeadline(Duration rtt) const;
  bool dark() const { return state_ == State::kDark; }

 private:
  enum class State { kIdle, kListening, kAsking, kDark };
  static Duration SilenceOf(Duration rtt);
  static Duration PatienceOf(Duration rtt);

  State state_ = State::kIdle;
  Instant since_;  // kListening: last heard; kAsking, kDark: last asked
};

}  // namespace blobd::path
