// DialRace: which addresses of a node are tried when (design/remotes.md: "a connection attempt per
// known address, best first, [100 ms] apart, at most [4] at once; the first finished handshake
// wins"). It only decides; who owns it starts and drops the attempts.
//
// A silent address would hold its place until the dial's end, so when others wait, the attempt that
// has run longest makes room after a share of the dial's time.
//
// Thread: one. Time is an argument and does not go back.
#pragma once

#include <cstddef>
#include <deque>
#include <unordered_set>
#include <vector>

#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

struct DialOptions {
  Duration timeout = seconds(10);
  Duration delay = milliseconds(100);  // between attempts
  size_t width = 4;                    // attempts at once
};

class DialRace {
 public:
  // More addresses than that are not tried in one dial.
  static constexpr size_t kMaxAddresses = 32;

  DialRace(const DialOptions& options, Instant now);

  // Adds addresses behind those known, best first. Ones known already, and ones that cannot be
  // anybody's (no port, unspecified, multicast), are left out.
  void Add(const std::vector<SocketAddress>& addresses);

  struct Step {
    std::vector<SocketAddress> drop;   // give these attempts up; they count as failed
    std::vector<SocketAddress> start;  // then start these
  };
  // What is to be done now.
  Step Next(Instant now);
  // The attempt at `address` ended without a handshake.
  void Failed(const SocketAddress& address);

  // While more addresses may still come, the race is not over for want of them; only for want of
  // time.
  void KeepOpen(bool open) { open_ = open; }

  // True when the dial is over: out of time, or some addresses were given and none of them is left.
  // A dial that was never given an address waits for one.
  bool over(Instant now) const;
  bool timed_out(Instant now) const { return now >= deadline_; }
  // When Next or over have news.
  Instant NextDeadline() const;
  size_t given() const { return given_; }

 private:
  struct Attempt {
    SocketAddress address;
    Instant started;
  };
  bool may_displace(Instant now) const;

  const DialOptions options_;
  const Instant deadline_;
  const Duration patience_;
  Instant next_start_;
  bool open_ = false;
  size_t given_ = 0;  // addresses that were offered, usable or not
  std::unordered_set<SocketAddress> known_;
  std::deque<SocketAddress> queued_;
  std::deque<Attempt> running_;  // oldest first
};

}  // namespace blobd::path
