// What the simulated world does when it is told to, and what it holds every effect to.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "path/world_for_test.h"

namespace blobd::path {

void World::Execute(const Effect& effect) {
  log_ += fmt::format("{} {} do{}\n", now_.now.nanos(), effect.node.bytes[0], effect.what.index());
  Peer& peer = PeerOf(effect.node);
  std::visit([&](const auto& what) { Do(peer, what); }, effect.what);
}

void World::CheckAddress(const Peer& peer, const SocketAddress& address, const char* use) {
  EXPECT_EQ(std::count(own_.begin(), own_.end(), address), 0) << use << " of our own address";
  EXPECT_TRUE(std::any_of(peer.places.begin(), peer.places.end(),
                          [&](const Place& place) { return place.address == address; }))
      << use << " of an address that nobody told: " << address.ToString();
}

void World::Do(Peer& peer, const StartDial& what) {
  EXPECT_FALSE(peer.dial.has_value()) << "two dials at once";
  for (const SocketAddress& address : what.addresses) CheckAddress(peer, address, "dial");
  peer.dial = what.dial;
  Race race{peer.node, DialRace({}, now_.now), {}, {}};
  race.race.KeepOpen(what.open);
  race.race.Add(what.addresses);
  races_.emplace(what.dial, std::move(race));
}

void World::Do(Peer& peer, const ExtendDial& what) {
  EXPECT_EQ(peer.dial, what.dial) << "a dial that is not running is extended";
  for (const SocketAddress& address : what.addresses) CheckAddress(peer, address, "dial");
  const auto race = races_.find(what.dial);
  if (race == races_.end()) return;  // it has just ended, and will say so
  race->second.race.Add(what.addresses);
  race->second.race.KeepOpen(what.open);
}

void World::Do(Peer& peer, const GiveUpDial& what) {
  races_.erase(what.dial);
  static_cast<void>(peer);
}

void World::Do(Peer& peer, const Reached& what) {
  const auto link = links_.find(what.connection);
  ASSERT_NE(link, links_.end()) << "reached by a connection that is gone";
  EXPECT_TRUE(link->second.ours) << "reached by a connection of the peer";
  peer.dial.reset();
}

void World::Do(Peer& peer, const Unreached&) {
  EXPECT_TRUE(peer.dial.has_value()) << "a dial fails that was not begun, or a second time";
  if (peer.dial) races_.erase(*peer.dial);
  peer.dial.reset();
}

void World::Do(Peer& peer, const StartLookup& what) {
  EXPECT_FALSE(peer.lookup.has_value()) << "two lookups at once";
  EXPECT_TRUE(lookups_.insert(what.lookup).second) << "a lookup's number is used twice";
  peer.lookup = what.lookup;
  Duration last{0};
  for (const Place& place : peer.places) {
    if (!place.known_to_lookup || Chance(0.3)) continue;
    if (RelayAddresses::IsRelayed(place.address)) continue;
    const Duration delay = rng_.Between(milliseconds(1), seconds(faults_ ? 5 : 1));
    last = std::max(last, delay);
    At(now_.now + delay, {peer.node, LookupFound{what.lookup, "dns", {place.address, own_[0]}}});
  }
  // Services that hang end after five seconds.
  if (Chance(0.3)) last = seconds(5);
  At(now_.now + last, {peer.node, LookupEnded{what.lookup, "mdns: nobody answered"}});
}

void World::Do(Peer& peer, const StopLookup& what) {
  EXPECT_EQ(peer.lookup, what.lookup);
  peer.lookup.reset();
}

void World::Do(Peer& peer, const Probe& what) {
  EXPECT_LE(what.addresses.size(), AddressBook::kMaxPerNode + 1);
  for (const SocketAddress& address : what.addresses) {
    CheckAddress(peer, address, "probe");
    const Place* place = PlaceOf(peer, address);
    if (place == nullptr || !place->up || Chance(0.05)) continue;
    Duration rtt = place->rtt;
    if (Chance(0.1)) rtt += rng_.Between(Duration::zero(), milliseconds(300));
    At(now_.now + rtt, {peer.node, ProbeAnswered{address, rtt}});
  }
}

void World::Do(Peer& peer, const Move& what) {
  EXPECT_TRUE(links_.count(what.connection) == 1 && links_.at(what.connection).can_migrate);
  Transfer(peer, what.connection, what.to, false, what.immediate);
}

void World::Do(Peer& peer, const Reconnect& what) {
  ASSERT_EQ(links_.count(what.connection), 1);
  const Link& link = links_.at(what.connection);
  EXPECT_TRUE(!link.can_migrate || link.was_asked) << "dialled anew without having been asked";
  Transfer(peer, what.connection, what.to, true, now_.now - link.heard >= milliseconds(250));
}

void World::Transfer(Peer& peer, ConnectionId connection, const SocketAddress& to, bool reconnect,
                     bool immediate) {
  CheckAddress(peer, to, "move");
  const auto link = links_.find(connection);
  ASSERT_NE(link, links_.end()) << "a connection that is gone is moved";
  EXPECT_TRUE(link->second.ours) << "a connection of the peer is moved";
  EXPECT_EQ(replaced_.count(connection), 0) << "a connection that was replaced is moved";
  EXPECT_TRUE(link->second.address != to || link->second.left) << "it is there already";
  const auto proof = peer.proven.find(to);
  ASSERT_NE(proof, peer.proven.end()) << "a move to an address that never answered";
  EXPECT_LE(now_.now - proof->second, seconds(31)) << "a move to a path that was long silent";
  if (const auto refused = peer.refused.find(to); refused != peer.refused.end()) {
    // Only a connection that has nothing to lose may try again soon.
    EXPECT_GE(now_.now - refused->second, immediate ? milliseconds(320) : seconds(60))
        << "it could not be moved there just now";
  }
  if (immediate) {
    EXPECT_TRUE(link->second.left || now_.now - link->second.heard >= milliseconds(250))
        << "it was not dark";
  }
  link->second.left = link->second.left || (immediate && !reconnect);
  const Place* place = PlaceOf(peer, to);
  link->second.was_asked = true;
  if (reconnect) link->second.dialled_at = to;
  link->second.unfollowed.reset();
  if (!reconnect && Chance(0.2)) {
    return At(now_.now, {peer.node, MoveFailed{connection, to, true}});
  }
  if (!reconnect && !peer.follows) {
    const Instant fails = now_.now + seconds(1);
    if (!immediate) return At(fails, {peer.node, MoveFailed{connection, to}});
    // It is mostly dialled before that, and then the dial's answer is the one that counts.
    link->second.unfollowed.emplace(fails, to);
    return;
  }
  if (!Works(peer, to)) {
    return At(now_.now + seconds(1), {peer.node, MoveFailed{connection, to}});
  }
  if (!reconnect) {
    return At(now_.now + 2 * place->rtt, {peer.node, ConnectionMoved{connection, to}});
  }
  const ConnectionId next{next_connection_++};
  At(now_.now + 2 * place->rtt,
     {peer.node, ConnectionUp{next, {}, connection, to, place->rtt, false}});
}

void World::Do(Peer& peer, const Retired&) {
  EXPECT_FALSE(peer.dial.has_value()) << "retired while somebody waits";
  EXPECT_TRUE(std::none_of(links_.begin(), links_.end(), [&](const auto& entry) {
    return entry.second.node == peer.node;
  })) << "retired while connected";
}

void World::EndDemand() {
  demand_ = false;
  for (auto& [node, peer] : peers_) {
    Deliver({node, Busy{peer.busy = false}});
    if (peer.dial) races_.erase(*peer.dial);
    peer.dial.reset();
    Deliver({node, Unwant{}});
  }
  const std::map<ConnectionId, Link> links = std::move(links_);
  links_.clear();
  for (const auto& [id, link] : links) Deliver({link.node, ConnectionDown{id}});
}

// An impostor is tried once a minute, and found out within two seconds.
void World::FindImpostorsOut() {
  int64_t impostors = 0;
  for (const auto& [node, peer] : peers_) {
    impostors += std::count_if(peer.places.begin(), peer.places.end(),
                               [](const Place& place) { return place.impostor; });
  }
  const auto one_is_tried = [&] {
    return std::any_of(peers_.begin(), peers_.end(), [&](auto& entry) {
      const Remote* remote = remotes_.Find(entry.first);
      if (remote == nullptr || !remote->selection().address) return false;
      const Place* place = PlaceOf(entry.second, *remote->selection().address);
      return place != nullptr && place->impostor;
    });
  };
  const Instant end = now_.now + seconds(2 * impostors + 1);
  while (now_.now < end && one_is_tried()) Run(milliseconds(100), false);
  EXPECT_FALSE(one_is_tried()) << "an impostor is not found out";
}

void World::CheckSettled() {
  FindImpostorsOut();
  for (auto& entry : peers_) {
    const NodeId node = entry.first;
    Peer& peer = entry.second;
    SCOPED_TRACE(fmt::format("node {}", node.bytes[0]));
    // What can be reached at all, and the fastest direct path of it.
    bool reachable = false;
    std::optional<Duration> best;  // with the advantage of IPv6
    for (const Place& place : peer.places) {
      if (!place.up || place.impostor) continue;
      const bool relay = RelayAddresses::IsRelayed(place.address);
      const std::vector<KnownAddress>& known = book_.Of(node);
      const bool told = std::any_of(known.begin(), known.end(), [&](const KnownAddress& each) {
        return each.address == place.address;
      });
      reachable = reachable || told || place.known_to_lookup;
      if (!told || relay) continue;
      const Duration biased =
          place.rtt - (place.address.is_v4() ? milliseconds(0) : milliseconds(3));
      if (!best || biased < *best) best = biased;
    }
    const Remote* remote = remotes_.Find(node);
    if (!reachable) continue;
    ASSERT_NE(remote, nullptr);
    EXPECT_GT(remote->connections(), 0) << "it can be reached, and is not";
    const auto selected = remote->selection().address;
    if (!selected || !best) continue;
    EXPECT_FALSE(RelayAddresses::IsRelayed(*selected)) << "a relay although a direct path works";
    const Place* place = PlaceOf(peer, *selected);
    ASSERT_NE(place, nullptr);
    const Duration biased = place->rtt - (selected->is_v4() ? milliseconds(0) : milliseconds(3));
    // One that is fast enough is not left for one that is not looked for.
    if (place->rtt > milliseconds(10)) {
      EXPECT_LT(biased - *best, milliseconds(5)) << "a path better by enough is not selected";
    }
    for (const auto& [id, link] : links_) {
      if (link.node == node && link.ours) {
        EXPECT_EQ(link.address, *selected) << "a connection is not where it should be";
      }
    }
  }
}

void World::CheckDarkness() {
  std::map<ConnectionId, SocketAddress> left;
  int64_t impostors = 0;  // each may be tried first, and is found out within two seconds
  for (auto& entry : peers_) {
    const NodeId node = entry.first;
    Peer& peer = entry.second;
    impostors = std::max<int64_t>(impostors,
                                  std::count_if(peer.places.begin(), peer.places.end(),
                                                [](const Place& place) { return place.impostor; }));
    const Remote* remote = remotes_.Find(node);
    if (remote == nullptr || !remote->selection().address) continue;
    const SocketAddress selected = *remote->selection().address;
    const bool other_works =
        std::any_of(peer.places.begin(), peer.places.end(), [&](const Place& place) {
          const std::vector<KnownAddress>& known = book_.Of(node);
          const bool told = std::any_of(known.begin(), known.end(), [&](const KnownAddress& each) {
            return each.address == place.address;
          });
          return place.address != selected && place.up && !place.impostor && told &&
                 peer.refused.count(place.address) == 0;
        });
    if (!other_works) continue;
    PlaceOf(peer, selected)->up = false;
    for (const auto& [id, link] : links_) {
      if (link.node == node && link.ours && link.address == selected) left.emplace(id, selected);
    }
  }
  Run(seconds(4 + 2 * impostors), false);
  for (const auto& [id, dark] : left) {
    const auto link = links_.find(id);
    if (link == links_.end() && replaced_.count(id) != 0) continue;
    ASSERT_NE(link, links_.end()) << "a connection did not outlive its path";
    EXPECT_NE(link->second.address, dark) << "a connection stays on a dark path";
    EXPECT_TRUE(Works(PeerOf(link->second.node), link->second.address));
  }
}

void World::CheckAtRest() {
  EXPECT_EQ(remotes_.live(), 0) << "a remote without work does not go away";
  EXPECT_EQ(remotes_.NextDeadline(), std::nullopt) << "a timer is left behind";
}

}  // namespace blobd::path
