// A world of simulated nodes around path::Remotes: addresses that are up, dark, slow or somebody
// else's and change at any time; dials, lookups, probes and moves that take their time, come late,
// twice or never. All is drawn from one seed.
//
// It checks while it runs what every single effect must keep to. It shares no code with what it
// checks, except the race that quic runs, too.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "path/dial_race.h"
#include "path/relay_addresses.h"
#include "path/remotes.h"
#include "path/silence_detector.h"

namespace blobd::path {

class World {
 public:
  explicit World(uint64_t seed);

  // Runs for `duration`. With faults everything changes all the time; without, what is so stays so,
  // and what is asked is answered soon.
  void Run(Duration duration, bool faults);
  // From now on nobody wants anything, and all connections close.
  void EndDemand();
  // All paths and nodes as they would settle: nothing about it may be wrong after a quiet time.
  void CheckSettled();
  // The path that each node's connections use falls silent where another direct one works; four
  // seconds later they must be there, and be the same, or have been replaced.
  void CheckDarkness();
  void CheckAtRest();
  const std::string& log() const { return log_; }

 private:
  struct Place {  // an address of a node
    SocketAddress address;
    bool up = true;
    bool impostor = false;  // answers probes, but is another node
    bool known_to_lookup = false;
    Duration rtt{0};
  };
  struct Link {  // a connection
    NodeId node;
    bool ours = false;
    bool can_migrate = true;
    SocketAddress address;
    Instant heard;
    SilenceDetector silence;
    bool was_asked = false;                   // to move somewhere
    std::optional<SocketAddress> dialled_at;  // to be replaced by a connection there
    // It left a dark path for a peer that does not follow: that fails then, unless it is dialled.
    std::optional<std::pair<Instant, SocketAddress>> unfollowed = {};
    bool left = false;  // it was moved at once, and nothing of ours goes to its address any more
  };
  struct Race {
    NodeId node;
    DialRace race;
    std::map<SocketAddress, Instant> running;
    std::optional<Instant> last_start;
  };
  struct Peer {
    NodeId node;
    std::vector<Place> places;
    bool follows = true;   // migrations
    bool is_known = true;  // whether it follows is told with each connection
    bool busy = false;
    std::optional<DialId> dial;
    std::optional<LookupId> lookup;
    std::map<SocketAddress, Instant> proven;   // when it answered or was used
    std::map<SocketAddress, Instant> refused;  // when a connection could not be moved there
  };

  void At(Instant when, Event event);
  void Deliver(const Event& event);
  void Execute(const Effect& effect);
  void Do(Peer& peer, const StartDial& what);
  void Do(Peer& peer, const ExtendDial& what);
  void Do(Peer& peer, const GiveUpDial& what);
  void Do(Peer& peer, const Reached& what);
  void Do(Peer& peer, const Unreached& what);
  void Do(Peer& peer, const StartLookup& what);
  void Do(Peer& peer, const StopLookup& what);
  void Do(Peer& peer, const Probe& what);
  void Do(Peer& peer, const Move& what);
  void Do(Peer& peer, const Reconnect& what);
  void Do(Peer&, const ClosePath&) {}
  void Do(Peer&, const PunchHoles&) {}
  void Do(Peer&, const KeepAddress&) {}
  void Do(Peer& peer, const Retired&);
  void TurnRaces();
  void TurnLinks();
  void FindImpostorsOut();
  void Change();
  void CheckAddress(const Peer& peer, const SocketAddress& address, const char* use);
  void Transfer(Peer& peer, ConnectionId connection, const SocketAddress& to, bool reconnect,
                bool immediate);
  Place* PlaceOf(Peer& peer, const SocketAddress& address);
  bool Works(Peer& peer, const SocketAddress& address);
  Peer& PeerOf(const NodeId& node) { return peers_.at(node); }
  bool Chance(double probability) { return faults_ && rng_.Chance(probability); }

  Rng rng_;
  bool faults_ = true;
  Moment now_{Instant::FromNanos(1'000'000'000'000), WallTime{1'700'000'000'000}};
  AddressBook book_;
  Remotes remotes_;
  RelayAddresses relays_;
  std::vector<SocketAddress> own_;
  std::map<NodeId, Peer> peers_;
  std::map<DialId, Race> races_;
  std::map<ConnectionId, Link> links_;
  std::set<LookupId> lookups_;
  std::set<ConnectionId> replaced_;
  uint64_t next_connection_ = 1;
  uint64_t next_order_ = 1;
  std::map<std::pair<Instant, uint64_t>, Event> queue_;
  bool demand_ = true;
  std::string log_;
};

}  // namespace blobd::path
