// Settings: what one direction of a link does to the packets that pass.
//
// Units: probabilities from 0 to 1, decided for each packet of the wire (each segment of a
//        super-packet); sizes in bytes of IP packets, headers included.
#pragma once

#include <cstdint>
#include <variant>

#include "base/time.h"

namespace blobd::link {

enum class JitterShape { kNormal, kUniform };

struct Settings {
  Duration delay{0};
  // Standard deviation (normal) or half width (uniform) around `delay`; never below no delay.
  Duration jitter{0};
  JitterShape jitter_shape = JitterShape::kNormal;

  double loss = 0;  // each packet by itself

  // Gilbert-Elliott: per packet, a good link turns bad with `burst_enter` and a bad one good with
  // `burst_leave`; a bad one loses with `burst_loss`. In addition to `loss`.
  double burst_enter = 0;
  double burst_leave = 0.1;
  double burst_loss = 1;

  // Such a packet arrives `reorder_by` later than its turn, and those behind it pass. All others
  // keep their order, whatever the jitter.
  double reorder = 0;
  Duration reorder_by = milliseconds(2);

  double duplicate = 0;  // a second one follows at once and costs the wire nothing
  double corrupt = 0;    // one bit behind the IP header is flipped; checksums stay as they were

  uint64_t rate = 0;  // bytes per second; 0: no limit
  // What may wait for the wire when a rate is set, as the time it takes at that rate or in bytes.
  // More is dropped at the tail; an empty queue always takes one packet.
  std::variant<Duration, uint64_t> queue = milliseconds(100);
};

}  // namespace blobd::link
