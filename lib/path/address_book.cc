#include "path/address_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "path/relay_addresses.h"

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

bool AddressBook::IsOwn(const SocketAddress& address) const {
  return std::find(own_.begin(), own_.end(), address) != own_.end();
}

AddressBook::Added AddressBook::Add(const NodeId& node, const SocketAddress& address,
                                    std::string source) {
  if (!CanBeDialled(address) || IsOwn(address) || RelayAddresses::IsRelayed(address)) return {};
  return Insert(node, address, std::move(source));
}

AddressBook::Added AddressBook::AddRelay(const NodeId& node, const SocketAddress& address,
                                         std::string source) {
  BLOBD_CHECK(RelayAddresses::IsRelayed(address));
  return Insert(node, address, std::move(source));
}

AddressBook::Added AddressBook::Insert(const NodeId& node, const SocketAddress& address,
                                       std::string source) {
  Added added;
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
  known.push_back({address, std::move(source), {}, Duration::zero(), next_order_++, {}, {}});
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
  if (it == known.end()) return {address, "connection", now, rtt, 0, {}, {}};
  it->last_worked = now;
  it->rtt = rtt;
  it->last_failed = {};
  it->failure.clear();
  return *it;
}

void AddressBook::Failed(const NodeId& node, const SocketAddress& address, WallTime now,
                         std::string_view reason) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return;
  const auto it = Find(known->second, address);
  if (it == known->second.end()) return;
  it->last_failed = now;
  it->failure = ShortText(reason, kMaxReason);
}

std::vector<KnownAddress> AddressBook::BestFirst(const NodeId& node) const {
  std::vector<KnownAddress> known = Of(node);
  std::stable_sort(known.begin(), known.end(), [](const KnownAddress& a, const KnownAddress& b) {
    const bool a_is_relay = RelayAddresses::IsRelayed(a.address);
    if (a_is_relay != RelayAddresses::IsRelayed(b.address)) return !a_is_relay;
    const bool a_failed = a.last_failed > a.last_worked;
    if (a_failed != (b.last_failed > b.last_worked)) return !a_failed;
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
  for (const KnownAddress& each : known) {
    if (!IsOwn(each.address)) addresses.push_back(each.address);
  }
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
