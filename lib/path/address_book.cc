#include "path/address_book.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "path/relay_addresses.h"

namespace blobd::path {
namespace {

using Known = std::vector<KnownAddress>;

auto Find(Known& known, const SocketAddress& address) {
  return std::find_if(known.begin(), known.end(),
                      [&](const KnownAddress& each) { return each.address == address; });
}

// What an address stands on, the weakest first.
enum class Ground : size_t { kFound, kSaid, kConfigured, kWorked };
constexpr size_t kGrounds = 4;

// By who named it.
Ground NamedGround(const KnownAddress& known) {
  if (known.source == "config" || known.source == "static") return Ground::kConfigured;
  if (known.source == "ticket" || known.source == "api") return Ground::kSaid;
  return Ground::kFound;
}

Ground GroundOf(const KnownAddress& known) {
  return known.last_worked > WallTime{} ? Ground::kWorked : NamedGround(known);
}

Known::iterator OldestOn(Ground ground, Known& known) {
  auto oldest = known.end();
  for (auto each = known.begin(); each != known.end(); ++each) {
    if (GroundOf(*each) != ground) continue;
    // What somebody told us to use goes last: where a node says it is, it can say again.
    const auto age = [](const KnownAddress& a) {
      const bool is_named = NamedGround(a) != Ground::kFound;
      return std::make_tuple(is_named, a.last_worked, a.order);
    };
    if (oldest == known.end() || age(*each) < age(*oldest)) oldest = each;
  }
  return oldest;
}

// Who makes room for one on `ground` when there is none left; end() if it gets none.
Known::iterator MakesRoom(Ground ground, Known& known) {
  std::array<size_t, kGrounds> count{};
  for (const KnownAddress& each : known) ++count[static_cast<size_t>(GroundOf(each))];
  const auto has_share = [&](Ground of) {
    return count[static_cast<size_t>(of)] >= AddressBook::kPlacesOfEach;
  };
  if (has_share(ground)) return OldestOn(ground, known);
  for (const Ground other : {Ground::kFound, Ground::kSaid, Ground::kWorked, Ground::kConfigured}) {
    if (other == Ground::kConfigured && ground < other) continue;
    if (count[static_cast<size_t>(other)] > AddressBook::kPlacesOfEach)
      return OldestOn(other, known);
  }
  return known.end();
}

}  // namespace

bool AddressBook::CanBeDialled(const SocketAddress& address) {
  const bool is_broadcast =
      address.is_v4() && address.ip4() == std::array<uint8_t, 4>{255, 255, 255, 255};
  return address.port() != 0 && !address.is_unspecified() && !address.is_multicast() &&
         !is_broadcast;
}

bool AddressBook::IsOwn(const SocketAddress& address) const {
  return std::find(own_.begin(), own_.end(), address) != own_.end();
}

bool AddressBook::MayBeKept(const SocketAddress& address) const {
  return CanBeDialled(address) && !IsOwn(address) && !RelayAddresses::IsRelayed(address);
}

AddressBook::Added AddressBook::Add(const NodeId& node, const SocketAddress& address,
                                    std::string source) {
  if (!MayBeKept(address)) return {};
  return Insert(node, {address, std::move(source), {}, Duration::zero()});
}

AddressBook::Added AddressBook::AddRelay(const NodeId& node, const SocketAddress& address,
                                         std::string source) {
  BLOBD_CHECK(RelayAddresses::IsRelayed(address));
  return Insert(node, {address, std::move(source), {}, Duration::zero()});
}

AddressBook::Added AddressBook::Insert(const NodeId& node, KnownAddress learnt) {
  Added added;
  if (nodes_.size() >= kMaxNodes && nodes_.count(node) == 0) return added;
  Known& known = nodes_[node];
  const Ground ground = GroundOf(learnt);
  if (const auto it = Find(known, learnt.address); it != known.end()) {
    if (ground == Ground::kConfigured) it->source = std::move(learnt.source);
    return added;
  }
  if (known.size() >= kMaxPerNode) {
    const auto leaves = MakesRoom(ground, known);
    if (leaves == known.end()) return added;
    added.evicted = leaves->address;
    known.erase(leaves);
  }
  learnt.order = next_order_++;
  known.push_back(std::move(learnt));
  added.is_new = true;
  return added;
}

// It has the place of what worked from the start, if it did.
std::optional<SocketAddress> AddressBook::Restore(const NodeId& node, const KnownAddress& known) {
  if (!MayBeKept(known.address)) return std::nullopt;
  KnownAddress restored = known;
  restored.failure = ShortText(known.failure, kMaxReason);
  const Added added = Insert(node, std::move(restored));
  if (added.is_new) return added.evicted;
  const auto nodes = nodes_.find(node);
  if (nodes == nodes_.end()) return std::nullopt;  // there are too many nodes
  const bool is_there = Find(nodes->second, known.address) != nodes->second.end();
  return is_there ? std::nullopt : std::optional(known.address);
}

AddressBook::Proof AddressBook::Worked(const NodeId& node, const SocketAddress& address,
                                       WallTime now, Duration rtt) {
  Proof proof{{address, "connection", now, rtt}, false, std::nullopt};
  if (MayBeKept(address)) proof.evicted = Insert(node, proof.known).evicted;
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return proof;
  const auto it = Find(known->second, address);
  if (it == known->second.end()) return proof;
  it->last_worked = now;
  it->rtt = rtt;
  it->last_failed = {};
  it->failure.clear();
  proof.known = *it;
  proof.is_kept = true;
  return proof;
}

std::optional<KnownAddress> AddressBook::Failed(const NodeId& node, const SocketAddress& address,
                                                WallTime now, std::string_view reason) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return std::nullopt;
  const auto it = Find(known->second, address);
  if (it == known->second.end()) return std::nullopt;
  it->last_failed = now;
  it->failure = ShortText(reason, kMaxReason);
  return *it;
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

size_t AddressBook::Forget(const NodeId& node) {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return 0;
  const size_t gone = std::erase_if(it->second, [](const KnownAddress& known) {
    return NamedGround(known) != Ground::kConfigured;
  });
  for (KnownAddress& known : it->second)
    known = {known.address, std::move(known.source), {}, {}, known.order};
  if (it->second.empty()) nodes_.erase(it);
  return gone;
}

std::vector<NodeId> AddressBook::NodesAfter(const std::optional<NodeId>& after,
                                            size_t limit) const {
  std::vector<NodeId> nodes;
  auto it = after ? nodes_.upper_bound(*after) : nodes_.begin();
  for (; it != nodes_.end() && nodes.size() < limit; ++it) nodes.push_back(it->first);
  return nodes;
}

}  // namespace blobd::path
