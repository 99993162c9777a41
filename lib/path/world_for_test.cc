#include "path/world_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace blobd::path {
namespace {

constexpr Duration kStep = milliseconds(10);
constexpr Duration kIdleTimeout = seconds(30);  // of connections

}  // namespace

World::World(uint64_t seed) : rng_(seed), remotes_({}, book_) {
  own_ = {SocketAddress::V4({10, 0, 0, 1}, 11205)};
  book_.SetOwnAddresses(own_);
  const uint64_t nodes = 1 + rng_.Below(3);
  for (uint64_t n = 0; n < nodes; ++n) {
    Peer peer;
    peer.node.bytes[0] = static_cast<uint8_t>(n + 1);
    peer.follows = rng_.Chance(0.7);
    peer.is_known = peer.follows || rng_.Chance(0.3);
    const uint64_t places = 1 + rng_.Below(5);
    for (uint64_t i = 0; i < places; ++i) {
      Place place;
      const auto low = static_cast<uint8_t>(10 * n + i + 2);
      const uint64_t kind = rng_.Below(10);
      if (kind < 5) place.address = SocketAddress::V4({192, 0, 2, low}, 1);
      if (kind >= 5 && kind < 9) {
        place.address = SocketAddress::V6({0x20, 1, 0x0d, 0xb8, 0, 0, low}, 1);
      }
      if (kind == 9) place.address = *relays_.Of(fmt::format("https://r{}/", i), peer.node);
      place.rtt = rng_.Between(milliseconds(1), milliseconds(200));
      place.up = rng_.Chance(0.7);
      place.impostor = i > 0 && rng_.Chance(0.15);
      place.known_to_lookup = rng_.Chance(0.7);
      const bool relay = RelayAddresses::IsRelayed(place.address);
      if (relay) {
        book_.AddRelay(peer.node, place.address, "ticket");
      } else if (!place.known_to_lookup || rng_.Chance(0.3)) {
        book_.Add(peer.node, place.address, "ticket");
      }
      peer.places.push_back(place);
    }
    peers_.emplace(peer.node, std::move(peer));
  }
}

void World::Run(Duration duration, bool faults) {
  faults_ = faults;
  const Instant end = now_.now + duration;
  Instant next_change = now_.now;
  while (now_.now < end && !testing::Test::HasFailure()) {
    now_.now = now_.now + kStep;
    now_.wall = now_.wall + kStep;
    if (faults_ && now_.now >= next_change) {
      next_change = now_.now + rng_.Between(milliseconds(50), seconds(8));
      Change();
    }
    if (!faults_ && demand_) {
      for (auto& entry : peers_) {
        const NodeId node = entry.first;
        Peer& peer = entry.second;
        if (!peer.busy) Deliver({node, Busy{peer.busy = true}});
        const bool reached = std::any_of(links_.begin(), links_.end(), [&node](const auto& link) {
          return link.second.node == node && link.second.ours;
        });
        if (!reached && !peer.dial) Deliver({node, Want{}});
      }
    }
    while (!queue_.empty() && queue_.begin()->first.first <= now_.now) {
      const Event event = queue_.begin()->second;
      queue_.erase(queue_.begin());
      Deliver(event);
    }
    TurnRaces();
    TurnLinks();
    std::vector<Effect> effects;
    remotes_.Tick(now_, effects);
    for (const Effect& effect : effects) Execute(effect);
    remotes_.CheckInvariants();
  }
}

// One thing is different from now on.
void World::Change() {
  auto peer_at = peers_.begin();
  std::advance(peer_at, static_cast<long>(rng_.Below(peers_.size())));
  Peer& peer = peer_at->second;
  Place& place = peer.places[rng_.Below(peer.places.size())];
  switch (rng_.Below(9)) {
    case 0:
    case 1:
      place.up = !place.up;
      return;
    case 2:
      place.rtt = rng_.Between(milliseconds(1), milliseconds(200));
      return;
    case 3: {
      std::vector<Effect> effects;
      for (auto& [node, each] : peers_) each.refused.clear();
      remotes_.OnNetworkChanged(now_, rng_.Chance(0.5), effects);
      for (const Effect& effect : effects) Execute(effect);
      return;
    }
    case 4:
      Deliver({peer.node, Want{}});
      return;
    case 5: {
      if (peer.dial) races_.erase(*peer.dial);
      peer.dial.reset();
      return Deliver({peer.node, Unwant{}});
    }
    case 6:
      peer.busy = !peer.busy;
      return Deliver({peer.node, Busy{peer.busy}});
    case 7: {
      if (!Works(peer, place.address)) return;
      const ConnectionId id{next_connection_++};
      links_[id] = {peer.node, false, peer.follows, place.address, now_.now, {}, false, {}};
      peer.proven[place.address] = now_.now;
      return Deliver({peer.node, ConnectionUp{id, {}, {}, place.address, place.rtt}});
    }
    default: {
      if (links_.empty()) return;
      auto link = links_.begin();
      std::advance(link, static_cast<long>(rng_.Below(links_.size())));
      const ConnectionId id = link->first;
      const NodeId node = link->second.node;
      links_.erase(link);
      return Deliver({node, ConnectionDown{id}});
    }
  }
}

void World::TurnRaces() {
  std::vector<Event> events;
  for (auto it = races_.begin(); it != races_.end();) {
    auto& [id, race] = *it;
    Peer& peer = PeerOf(race.node);
    std::optional<SocketAddress> winner;
    for (const auto& [address, started] : race.running) {
      Place* place = PlaceOf(peer, address);
      if (Works(peer, address) && now_.now >= started + 2 * place->rtt) winner = address;
    }
    if (winner) {
      const ConnectionId connection{next_connection_++};
      const bool told = peer.follows || !peer.is_known;
      links_[connection] = {race.node, true, told, *winner, now_.now, {}, false, {}};
      peer.proven[*winner] = now_.now;
      events.push_back(
          {race.node,
           ConnectionUp{connection, id, {}, *winner, PlaceOf(peer, *winner)->rtt, told}});
      it = races_.erase(it);
      continue;
    }
    // Some addresses refuse after a while, others stay silent.
    for (auto running = race.running.begin(); running != race.running.end();) {
      const bool refused = !Works(peer, running->first) && running->first.ip16()[15] % 2 == 0 &&
                           now_.now >= running->second + milliseconds(200);
      if (!refused) {
        ++running;
        continue;
      }
      race.race.Failed(running->first);
      events.push_back({race.node, AttemptFailed{id, running->first, "refused"}});
      running = race.running.erase(running);
    }
    const DialRace::Step step = race.race.Next(now_.now);
    for (const SocketAddress& address : step.drop) race.running.erase(address);
    for (const SocketAddress& address : step.start) {
      if (race.last_start) {
        EXPECT_GE(now_.now - *race.last_start, milliseconds(100)) << "attempts come too fast";
      }
      race.last_start = now_.now;
      race.running[address] = now_.now;
    }
    EXPECT_LE(race.running.size(), 4) << "attempts at once";
    if (race.race.over(now_.now)) {
      events.push_back({race.node, DialEnded{id, false, "no answer"}});
      it = races_.erase(it);
      continue;
    }
    ++it;
  }
  for (const Event& event : events) Deliver(event);
}

void World::TurnLinks() {
  std::vector<Event> events;
  for (auto it = links_.begin(); it != links_.end();) {
    auto& [id, link] = *it;
    Peer& peer = PeerOf(link.node);
    if (Works(peer, link.address)) {
      link.heard = now_.now;
      peer.proven[link.address] = now_.now;
      link.silence.Heard(now_.now);
      if (now_.now.nanos() / 10'000'000 % 10 == 0) {
        events.push_back(
            {link.node, ConnectionRtt{id, PlaceOf(peer, link.address)->rtt, link.heard}});
      }
    }
    if (peer.busy) {
      link.silence.Want(now_.now);
    } else {
      link.silence.Unwant();
    }
    const Duration rtt = PlaceOf(peer, link.address)->rtt;
    if (link.silence.Check(now_.now, rtt) == SilenceDetector::Advice::kWentDark) {
      events.push_back({link.node, WentDark{id}});
    }
    if (link.unfollowed && now_.now >= link.unfollowed->first) {
      events.push_back({link.node, MoveFailed{id, link.unfollowed->second}});
      link.unfollowed.reset();
    }
    if (!demand_ || now_.now >= link.heard + kIdleTimeout) {
      events.push_back({link.node, ConnectionDown{id}});
      it = links_.erase(it);
      continue;
    }
    ++it;
  }
  for (const Event& event : events) Deliver(event);
}

void World::At(Instant when, Event event) {
  queue_.emplace(std::make_pair(when, next_order_++), event);
  // Now and then a thing is said again, much later.
  if (Chance(0.03) && !std::holds_alternative<ConnectionUp>(event.what)) {
    const Duration late = rng_.Between(Duration::zero(), seconds(100));
    queue_.emplace(std::make_pair(when + late, next_order_++), std::move(event));
  }
}

void World::Deliver(const Event& event) {
  // What the world says of a connection is about one that it knows.
  if (const auto* moved = std::get_if<ConnectionMoved>(&event.what)) {
    const auto link = links_.find(moved->connection);
    if (link == links_.end()) return;
    link->second.address = moved->address;
    link->second.left = false;
    link->second.silence.Moved(now_.now);
    link->second.dialled_at.reset();
    PeerOf(event.node).proven[moved->address] = now_.now;
  }
  if (const auto* failed = std::get_if<MoveFailed>(&event.what);
      failed != nullptr && !failed->not_yet) {
    // A move that fails is followed by a dial; only when that fails, too, the address is refused.
    const auto link = links_.find(failed->connection);
    if (link != links_.end() && link->second.dialled_at == failed->address) {
      link->second.dialled_at.reset();
      PeerOf(event.node).refused[failed->address] = now_.now;
    }
  }
  if (const auto* up = std::get_if<ConnectionUp>(&event.what); up != nullptr && up->replaces) {
    // The old one may be gone, or was moved after all.
    const auto old = links_.find(up->replaces);
    if (old == links_.end() || old->second.dialled_at != up->address) return;
    old->second.dialled_at.reset();
    replaced_.insert(up->replaces);
    At(now_.now, {event.node, ConnectionDown{up->replaces}});
  }
  if (const auto* up = std::get_if<ConnectionUp>(&event.what)) {
    PeerOf(event.node).refused.erase(up->address);
  }
  if (const auto* moved = std::get_if<ConnectionMoved>(&event.what)) {
    PeerOf(event.node).refused.erase(moved->address);
  }
  if (const auto* answered = std::get_if<ProbeAnswered>(&event.what)) {
    PeerOf(event.node).proven[answered->address] = now_.now;
  }
  if (const auto* up = std::get_if<ConnectionUp>(&event.what); up != nullptr && up->replaces) {
    links_[up->connection] = {event.node, true, false, up->address, now_.now, {}, false, {}};
    PeerOf(event.node).proven[up->address] = now_.now;
  }
  if (const auto* down = std::get_if<ConnectionDown>(&event.what)) {
    links_.erase(down->connection);
    const bool another = std::any_of(links_.begin(), links_.end(), [&](const auto& entry) {
      return entry.second.node == event.node;
    });
    if (!another) PeerOf(event.node).refused.clear();  // the next one begins anew
  }
  if (const auto* ended = std::get_if<LookupEnded>(&event.what)) {
    Peer& peer = PeerOf(event.node);
    if (peer.lookup == ended->lookup) peer.lookup.reset();
  }
  log_ += fmt::format("{} {} ev{}\n", now_.now.nanos(), event.node.bytes[0], event.what.index());
  std::vector<Effect> effects;
  remotes_.Step(now_, event, effects);
  for (const Effect& effect : effects) Execute(effect);
  remotes_.CheckInvariants();
}

World::Place* World::PlaceOf(Peer& peer, const SocketAddress& address) {
  const auto it = std::find_if(peer.places.begin(), peer.places.end(),
                               [&](const Place& place) { return place.address == address; });
  return it == peer.places.end() ? nullptr : &*it;
}

bool World::Works(Peer& peer, const SocketAddress& address) {
  const Place* place = PlaceOf(peer, address);
  return place != nullptr && place->up && !place->impostor;
}

}  // namespace blobd::path
