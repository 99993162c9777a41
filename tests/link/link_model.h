// LinkModel: one direction of a link, without devices and clocks. It takes packets and gives each
// one back when it is due, unless it was lost.
//
//   Offer --> [queue, drained at `rate`] --> lost? corrupted? ... --> [flight, `delay`] --> Take
//
// The dice are thrown when a packet leaves the queue, so a lost packet has used the wire. It has
// one fate: of loss, burst loss, corruption, reordering, duplication the first that hits. Settings
// hold for what leaves the queue from then on; what is in flight keeps its time, and order is kept,
// so a packet sent after the delay was lowered comes right behind the ones sent before.
//
// A super-packet counts as its segments: each has its own dice, its own place in the queue and its
// own time on the wire. It stays together as long as no fate parts it and its piece takes the wire
// no longer than kPieceTimeMax; a piece is due when its last segment is.
//
// Same seed, same packets (sizes, grouping into super-packets, times) and same settings at the same
// times: same decisions. With real programs on both ends, packets and times differ from run to run,
// and so does which of them is lost.
//
// Thread:   one at a time.
// Time:     given with each call. REQUIRES: `now` does not go back.
// Bounds:   queue and flight together hold at most kHeldBytesMax; what is over counts as dropped by
//           the queue.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "base/units.h"
#include "packet.h"
#include "settings.h"

namespace blobd::link {

inline constexpr Duration kPieceTimeMax = microseconds(150);
inline constexpr uint64_t kHeldBytesMax = 512 * kMiB;

// Packets of the wire (segments) and their bytes.
struct Count {
  uint64_t packets = 0;
  uint64_t bytes = 0;

  void Add(uint64_t more_packets, uint64_t more_bytes) {
    packets += more_packets;
    bytes += more_bytes;
  }
  void Subtract(uint64_t less_packets, uint64_t less_bytes) {
    packets -= less_packets;
    bytes -= less_bytes;
  }
  bool operator==(const Count&) const = default;
};

struct Stats {
  Count offered;
  Count delivered;
  // Each offered or duplicated packet ends in one of `delivered`, these, `waiting` and `in_flight`.
  Count dropped_queue;
  Count dropped_loss;
  Count dropped_burst;
  Count dropped_dark;
  Count corrupted;
  Count duplicated;
  Count reordered;
  Count waiting;    // now in the queue
  Count in_flight;  // now on the way

  bool operator==(const Stats&) const = default;
};

class LinkModel {
 public:
  explicit LinkModel(uint64_t seed) : rng_(seed) {}
  LinkModel(LinkModel&&) = default;
  LinkModel& operator=(LinkModel&&) = default;

  const Settings& settings() const { return settings_; }
  const Stats& stats() const { return stats_; }
  bool is_dark() const { return dark_; }

  void Set(Instant now, const Settings& settings);
  // While dark nothing passes: what was queued or in flight is lost as well.
  void SetDark(Instant now, bool dark);

  void Offer(Instant now, Packet packet);
  // The next packet that is due, or nullopt.
  std::optional<Packet> Take(Instant now);
  // When Take has to be called next; nullopt if nothing is held. May be early, never late.
  std::optional<Instant> NextDue() const;

  // Counts add up, times are in order. For tests.
  void CheckInvariants() const;

 private:
  enum class Fate { kPasses, kLost, kLostInBurst, kCorrupted, kReordered, kDuplicated };
  struct Waiting {
    Instant since;
    Packet packet;
    size_t sent;  // segments that have left
  };
  struct Flying {
    Instant due;
    uint64_t number;  // order of launch, for those due at the same time
    Packet packet;
  };
  struct IsLater {
    bool operator()(const Flying& a, const Flying& b) const {
      return a.due != b.due ? a.due > b.due : a.number > b.number;
    }
  };
  // The segments of the queue's head that leave together, and when the last of them has left.
  struct Piece {
    size_t segments;
    Instant left_at;
  };

  uint64_t queue_limit_bytes() const;
  Duration TimeOnWire(uint64_t bytes) const;
  Piece NextPiece() const;  // REQUIRES: something waits
  // How many segments of `packet` the queue still takes.
  size_t FittingSegments(const Packet& packet) const;
  void DrainQueue(Instant now);
  void Transmit(Waiting& head, const Piece& piece);
  Fate DrawFate();
  Duration DrawJitter();
  void Launch(Packet packet, Instant due);
  bool LateOneIsNext() const;

  Rng rng_;
  Settings settings_ = {};
  Stats stats_ = {};
  bool dark_ = false;
  bool burst_ = false;  // Gilbert-Elliott's bad state

  std::deque<Waiting> queue_;
  Instant wire_free_at_ = {};  // when the last piece had left; never in the future
  std::deque<Flying> flight_;  // by due, which is also the order of launch
  Instant last_due_ = {};      // of the newest in flight_
  std::vector<Flying> late_;   // reordered ones, a heap by IsLater
  uint64_t launched_ = 0;
};

}  // namespace blobd::link
