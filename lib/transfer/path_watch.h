// PathWatch: how the path of one connection does while bytes are wanted over it: its round-trip
// time, and whether it has gone dark.
//
// Thread: the network loop only. Time is an argument and does not go back.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "path/silence_detector.h"
#include "quic/endpoint.h"

namespace blobd::transfer {

class PathWatch {
 public:
  // How often Look wants to be called.
  static constexpr Duration kInterval = milliseconds(250);
  // After a move what is measured at first is partly of the old path: a question that went there,
  // answered here.
  static constexpr Duration kSettle = seconds(1);

  struct News {
    std::optional<Duration> rtt;  // the lowest of the last second, if something was heard
    bool went_dark = false;       // said once
  };
  // `wanted`: something is to come from the peer.
  News Look(const quic::PathState& path, bool wanted, Instant now);

 private:
  static constexpr size_t kSamples = 4;
  void Sample(Duration rtt);

  path::SilenceDetector silence_;
  std::optional<SocketAddress> address_;
  bool wanted_ = false;
  Instant wanted_since_;  // on this path
  Instant heard_;
  Instant settled_;       // until then nothing is measured
  Duration last_rtt_{0};  // as it was when last looked at; the same again is no new answer
  std::array<Duration, kSamples> samples_{};
  size_t sampled_ = 0;  // so many there were, on this path
};

}  // namespace blobd::transfer
