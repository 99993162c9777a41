// Checkers, the part of those who could do something: nothing that is missing waits for them.
#include "checkers.h"

namespace blobd::sim {

using namespace schedule;

bool Checkers::IsFree(const ProviderId& provider) const {
  if (const auto* id = std::get_if<NodeId>(&provider)) {
    const auto node = nodes_.find(*id);
    return node != nodes_.end() && node->second.link == Link::kUp &&
           LiveOn(provider, false) < limits_.requests_per_node;
  }
  return LiveOn(provider, false) < limits_.connections_per_mirror;
}

bool Checkers::MayBeDialled(const ProviderId& provider) const {
  const auto* id = std::get_if<NodeId>(&provider);
  if (id == nullptr || Connections() >= limits_.connections) return false;
  const auto node = nodes_.find(*id);
  if (node != nodes_.end() && node->second.link != Link::kDown) return false;
  uint32_t dials = 0;  // whose they are is not said
  for (const auto& [other, it] : nodes_) dials += it.link == Link::kDialling ? 1 : 0;
  return dials < limits_.dials_per_hash;
}

size_t Checkers::Holding(RequestId but) const {
  std::set<RequestId> holding;
  for (const auto& [id, live] : transfers_) {
    if (live.start.request != but) holding.insert(live.start.request);
  }
  return holding.size();
}

void Checkers::CheckNobodyIsIdle() const {
  // At the limit of connections somebody free may have to make room for another.
  if (draining_ || all_paused_ || Connections() >= limits_.connections) return;
  const bool another_may_run = Holding() < limits_.requests;
  for (const auto& [id, account] : ledger_.accounts()) {
    if (account.in_store || good_names_.IsHeld(id) || Resting(account.kind)) continue;
    const size_t running = account.running.size();
    if (running == 0 ? !another_may_run : running >= options_.parts_per_request) continue;
    // Until the first transfer has told what is missing, nobody else can have any of it.
    if (!account.known && running > 0) continue;
    if (account.known && ledger_.Loose(account).empty()) continue;
    const Hash& hash = account.kind.hash;
    for (auto it = remembered_.lower_bound({hash, ProviderId()});
         it != remembered_.end() && it->first == hash; ++it) {
      const ProviderId& provider = it->second;
      if (ledger_.Uses(account, provider) || !good_names_.IsGood(id, hash, provider)) continue;
      Expect(!IsFree(provider), "what is missing does not wait while a provider is free");
      Expect(running > 0 || !MayBeDialled(provider), "nobody waits for whom we may dial");
    }
  }
}

}  // namespace blobd::sim
