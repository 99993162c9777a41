#include "path/remotes.h"

#include "base/check.h"

namespace blobd::path {
namespace {

bool BeginsALife(const Event& event) {
  return std::holds_alternative<Want>(event.what) ||
         std::holds_alternative<ConnectionUp>(event.what);
}

}  // namespace

void Remotes::Step(const Moment& at, const Event& event, std::vector<Effect>& effects) {
  BLOBD_CHECK(!std::holds_alternative<NetworkChanged>(event.what));
  StepOne(at, event, effects);
}

void Remotes::OnNetworkChanged(const Moment& at, bool major, std::vector<Effect>& effects) {
  std::vector<NodeId> nodes;
  nodes.reserve(live_.size());
  for (const auto& [node, life] : live_) nodes.push_back(node);
  for (const NodeId& node : nodes) StepOne(at, {node, NetworkChanged{major}}, effects);
}

void Remotes::Tick(const Moment& at, std::vector<Effect>& effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= at.now) {
    const auto [deadline, node] = *deadlines_.begin();
    StepOne(at, {node, path::Tick{}}, effects);
    const auto life = live_.find(node);
    // A step that leaves its own deadline in the past would never let go of the loop.
    BLOBD_CHECK(life == live_.end() || !life->second.deadline || *life->second.deadline > at.now);
  }
}

std::optional<Instant> Remotes::NextDeadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

const Remote* Remotes::Find(const NodeId& node) const {
  const auto life = live_.find(node);
  return life == live_.end() ? nullptr : life->second.remote.get();
}

void Remotes::CheckInvariants() const {
  size_t with_deadline = 0;
  for (const auto& [node, life] : live_) {
    life.remote->CheckInvariants();
    BLOBD_CHECK(life.deadline == life.remote->NextDeadline());
    if (!life.deadline) continue;
    ++with_deadline;
    BLOBD_CHECK(deadlines_.count({*life.deadline, node}) == 1);
  }
  BLOBD_CHECK(deadlines_.size() == with_deadline);
}

void Remotes::StepOne(const Moment& at, const Event& event, std::vector<Effect>& effects) {
  auto it = live_.find(event.node);
  if (it == live_.end()) {
    if (!BeginsALife(event)) return LearnOnly(event, effects);
    it = live_.emplace(event.node, Life{}).first;
    it->second.remote = std::make_unique<Remote>(event.node, options_, book_, counters_, at.now);
  }
  Life& life = it->second;
  life.remote->Step(at, event, effects);
  if (life.deadline) deadlines_.erase({*life.deadline, event.node});
  if (life.remote->done(at.now)) {
    live_.erase(it);
    effects.push_back({event.node, Retired{}});
    return;
  }
  life.deadline = life.remote->NextDeadline();
  if (life.deadline) deadlines_.insert({*life.deadline, event.node});
}

// Addresses are worth knowing also when nothing else is happening.
void Remotes::LearnOnly(const Event& event, std::vector<Effect>& effects) {
  const auto learn = [&](const std::vector<SocketAddress>& addresses, const std::string& source) {
    for (const SocketAddress& address : addresses) {
      const AddressBook::Added added = book_.Add(event.node, address, source);
      if (!added.is_new) continue;
      effects.push_back({event.node, KeepAddress{book_.Of(event.node).back(), added.evicted}});
    }
  };
  if (const auto* learnt = std::get_if<AddressesLearnt>(&event.what)) {
    learn(learnt->addresses, learnt->source);
  } else if (const auto* found = std::get_if<LookupFound>(&event.what)) {
    learn(found->addresses, found->service);
  }
}

}  // namespace blobd::path
