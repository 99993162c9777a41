// Selection: which of the open paths to a node its connections shall use (design/remotes.md,
// "Paths"). A pure function, and values that say what it chose and why.
//
// Thread: any.
// Units:  round-trip times as durations.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

enum class Transport { kIpv4, kIpv6, kRelay };
inline constexpr size_t kTransports = 3;

Transport TransportOf(const SocketAddress& address);
// A backup path is used only while no primary path is open.
inline bool IsBackup(Transport transport) { return transport == Transport::kRelay; }

struct SelectionOptions {
  // Taken off the round-trip time of a transport before paths are compared.
  std::array<Duration, kTransports> advantage = {Duration::zero(), milliseconds(3),
                                                 Duration::zero()};
  // So much better must another path be for the current one to be left; exactly so much is enough.
  Duration least_gain = milliseconds(5);
};

struct OpenPath {
  SocketAddress address;
  std::optional<Duration> rtt;  // nullopt: without data
};

enum class Why {
  kNothing,      // nothing is selected: no path has data
  kOnlyPath,     // no other has data
  kPrimary,      // the others are backups
  kLowestRtt,    // by biased round-trip time, with no current path, or better by enough
  kKeptCurrent,  // another one is better, but not by enough
};
// For people: "the lowest round-trip time".
std::string_view Describe(Why why);

struct Selection {
  std::optional<SocketAddress> address;
  Why why = Why::kNothing;
  bool operator==(const Selection&) const = default;
};

// The best of `paths`, or `current` where it is good enough. Paths without data are not chosen, and
// a current path without data is left for any that has some; if none has, it stays.
// REQUIRES: addresses in `paths` are distinct
Selection Select(std::span<const OpenPath> paths, const std::optional<SocketAddress>& current,
                 const SelectionOptions& options);

}  // namespace blobd::path
