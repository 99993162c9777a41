#include "path/address_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace blobd::path {
namespace {

auto Find(std::vector<KnownAddress>& known, const SocketAddress& address) {
  return std::find_if(known.begin(), known.end(),
                      [&](const KnownAddress& each) { return each.address == address; });
}

}  // namespace

bool AddressBook::CanBeDialled(const SocketAddress& address) {
  return address.port() != 0 && !address.is_unspecified() && !address.is_multicast();
}

AddressBook::Added AddressBook::Add(const NodeId& node, const SocketAddress& address,
                                    std::string source) {
  Added added;
  if (!CanBeDialled(address) || std::find(own_.begin(), own_.end(), address) != own_.end()) {
    return added;
  }
  if (nodes_.size() >= kMaxNodes && nodes_.count(node) == 0) return added;
  std::vector<KnownAddress>& known = nodes_[node];
  if (Find(known, address) != known.end()) return added;
  if (known.size() >= kMaxPerNode) {
    // The oldest that never worked makes room; if all have, the one whose success lies longest
    // back.
    const auto oldest = std::min_element(
        known.begin(), known.end(), [](const KnownAddress& a, const KnownAddress& b) {
          return std::tie(a.last_worked, a.order) < std::tie(b.last_worked, b.order);
        });
    added.evicted = oldest->address;
    known.erase(oldest);
  }
  known.push_back({address, std::move(source), {}, Duration::zero(), next_order_++});
  added.is_new = true;
  return added;
}

void AddressBook::Restore(const NodeId& node, const KnownAddress& known) {
  if (!Add(node, known.address, known.source).is_new) return;
  KnownAddress& added = nodes_[node].back();
  added.last_worked = known.last_worked;
  added.rtt = known.rtt;
}

KnownAddress AddressBook::Worked(const NodeId& node, const SocketAddress& address, WallTime now,
                                 Duration rtt) {
  Add(node, address, "connection");
  std::vector<KnownAddress>& known = nodes_[node];
  auto it = Find(known, address);
  if (it == known.end()) return {address, "connection", now, rtt, 0};
  it->last_worked = now;
  it->rtt = rtt;
  return *it;
}

std::vector<KnownAddress> AddressBook::BestFirst(const NodeId& node) const {
  std::vector<KnownAddress> known = Of(node);
  std::stable_sort(known.begin(), known.end(), [](const KnownAddress& a, const KnownAddress& b) {
    if (a.last_worked != b.last_worked) return a.last_worked > b.last_worked;
    if (a.rtt != b.rtt) return a.rtt < b.rtt;
    if (a.address.is_v4() != b.address.is_v4()) return b.address.is_v4();
    return a.order < b.order;
  });
  return known;
}

std::vector<SocketAddress> AddressBook::ToDial(const NodeId& node) const {
  const std::vector<KnownAddress> known = BestFirst(node);
  std::vector<SocketAddress> addresses;
  addresses.reserve(known.size());
  for (const KnownAddress& each : known) addresses.push_back(each.address);
  return addresses;
}

const std::vector<KnownAddress>& AddressBook::Of(const NodeId& node) const {
  static const std::vector<KnownAddress> kNone;
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? kNone : it->second;
}

std::vector<NodeId> AddressBook::NodesAfter(const std::optional<NodeId>& after,
                                            size_t limit) const {
  std::vector<NodeId> nodes;
  auto it = after ? nodes_.upper_bound(*after) : nodes_.begin();
  for (; it != nodes_.end() && nodes.size() < limit; ++it) nodes.push_back(it->first);
  return nodes;
}

}  // namespace blobd::path
