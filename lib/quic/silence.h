// Silence: how long nothing was heard from a peer, so that whoever waits for its bytes can tell a
// path that was dark from a peer that does not send.
//
// A sender that hears nothing backs off: after darkness its next probe comes as late again as the
// darkness was long, at most (RFC 9002, section 6.2.1). What waits for it must allow that.
//
// Thread: one. Units: durations.
#pragma once

#include "base/time.h"

namespace blobd::quic {

class Silence {
 public:
  // Less is the rhythm of keep-alives and their round trips, and no silence.
  static constexpr Duration kLeast = seconds(2);

  explicit Silence(Instant start) : heard_(start) {}

  // A datagram came.
  void Heard(Instant now) {
    if (lasts(now)) total_ += now - heard_;
    heard_ = now;
  }
  Instant heard() const { return heard_; }
  // Nothing has come for a while.
  bool lasts(Instant now) const { return now - heard_ >= kLeast; }
  // All silences that have ended, together.
  Duration total() const { return total_; }

 private:
  Instant heard_;
  Duration total_{0};
};

}  // namespace blobd::quic
