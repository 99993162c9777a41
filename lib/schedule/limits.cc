#include "schedule/limits.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/check.h"

namespace blobd::schedule {
namespace {

struct Running {
  Order order;
  TransferId transfer;
};

// The last `surplus` in order, the last first.
std::vector<TransferId> Last(std::vector<Running> running, size_t surplus) {
  std::sort(running.begin(), running.end(), [](const Running& a, const Running& b) {
    if (a.order != b.order) return a.order > b.order;
    return a.transfer > b.transfer;
  });
  std::vector<TransferId> last;
  for (size_t i = 0; i < surplus; ++i) last.push_back(running[i].transfer);
  return last;
}

Running Describe(const Tables& tables, const Transfer& transfer) {
  const auto request = tables.requests.find(transfer.request);
  BLOBD_CHECK(request != tables.requests.end());
  return Running{request->second.order(), transfer.id};
}

}  // namespace

bool IsValid(const Limits& limits) {
  return limits.requests > 0 && limits.requests_per_node > 0 && limits.connections > 0 &&
         limits.dials_per_hash > 0 && limits.connections_per_mirror > 0;
}

std::vector<TransferId> SurplusOfRequests(const Tables& tables) {
  if (tables.running_requests <= tables.limits().requests) return {};
  std::vector<Running> running;
  for (const auto& [id, transfer] : tables.transfers) {
    if (!transfer.ending) running.push_back(Describe(tables, transfer));
  }
  const size_t count = running.size();
  // All transfers of as many requests as must go.
  std::vector<TransferId> surplus;
  std::set<RequestId> requests;
  for (const TransferId id : Last(std::move(running), count)) {
    requests.insert(tables.transfers.at(id).request);
    if (requests.size() > tables.running_requests - tables.limits().requests) break;
    surplus.push_back(id);
  }
  return surplus;
}

std::vector<TransferId> SurplusOf(const Tables& tables, const Provider& provider) {
  const uint32_t capacity = provider.Capacity(tables.options);
  if (provider.running <= capacity) return {};
  std::vector<Running> running;
  for (const TransferId id : provider.transfers) {
    const Transfer& transfer = tables.transfers.at(id);
    if (!transfer.ending) running.push_back(Describe(tables, transfer));
  }
  return Last(std::move(running), provider.running - capacity);
}

std::vector<Provider*> SurplusConnections(const Tables& tables) {
  const uint32_t limit = tables.limits().connections;
  if (tables.providers.connections() <= limit) return {};
  std::vector<Provider*> surplus;
  for (const auto& entry : tables.providers.idle().entries()) surplus.push_back(entry.provider);
  std::vector<Provider*> dialling = tables.providers.Dialling();
  std::reverse(dialling.begin(), dialling.end());
  std::vector<Provider*> working;
  for (const auto& entry : tables.providers.connected().entries()) {
    if (!entry.provider->idle()) working.push_back(entry.provider);
  }
  std::sort(working.begin(), working.end(), [](const Provider* a, const Provider* b) {
    return std::tie(a->running, a->number) < std::tie(b->running, b->number);
  });
  surplus.insert(surplus.end(), dialling.begin(), dialling.end());
  surplus.insert(surplus.end(), working.begin(), working.end());
  surplus.resize(tables.providers.connections() - limit);
  return surplus;
}

}  // namespace blobd::schedule
