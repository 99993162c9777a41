// Dials and lookups of a remote. See remote.h.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "path/remote.h"

namespace blobd::path {

void Remote::On(const Moment& at, const Want&) {
  const auto ours = std::find_if(connections_.begin(), connections_.end(),
                                 [](const auto& entry) { return entry.second.ours; });
  if (ours != connections_.end()) return Emit(Reached{ours->first});
  if (dial_) return;
  std::vector<SocketAddress> addresses = DialOrder();
  if (addresses.empty() && !options_.lookup) {
    return Emit(Unreached{false, "no address is known"});
  }
  dial_ = Dial{};
  dial_->id = DialId{++counters_.dials};
  dial_->started = at.now;
  dial_->given.insert(addresses.begin(), addresses.end());
  dial_->untried = dial_->given;
  dial_->asked = lookup_.has_value();
  Emit(StartDial{dial_->id, std::move(addresses), options_.lookup});
}

void Remote::On(const Moment& at, const Unwant&) {
  static_cast<void>(at);
  if (!dial_) return;
  Emit(GiveUpDial{dial_->id});
  dial_.reset();
  if (lookup_ && connections_.empty()) {
    Emit(StopLookup{*lookup_});
    lookup_.reset();
  }
}

void Remote::On(const Moment& at, const AddressesLearnt& learnt) {
  static_cast<void>(at);
  Learn(learnt.addresses, learnt.source);
}

void Remote::On(const Moment& at, const LookupFound& found) {
  static_cast<void>(at);
  Learn(found.addresses, found.service);
}

void Remote::On(const Moment& at, const LookupEnded& ended) {
  static_cast<void>(at);
  if (ended.lookup != lookup_) return;
  lookup_.reset();
  if (!dial_ && connections_.empty()) idle_since_ = at.now;
  if (!dial_) return;
  dial_->lookup_reason = ended.reason;
  if (!dial_->given.empty()) return Emit(ExtendDial{dial_->id, {}, false});
  Emit(GiveUpDial{dial_->id});
  FailDial(false, "no address is known");
}

void Remote::On(const Moment& at, const AttemptFailed& failed) {
  NoteFailure(at, failed.address, failed.reason);
  if (dial_ && dial_->id == failed.dial) dial_->untried.erase(failed.address);
}

void Remote::NoteFailure(const Moment& at, const SocketAddress& address,
                         const std::string& reason) {
  const auto known = book_.Failed(node_, address, at.wall, reason);
  if (known) Emit(KeepAddress{*known, std::nullopt});
}

void Remote::On(const Moment& at, const DialEnded& ended) {
  static_cast<void>(at);
  if (dial_ && dial_->id == ended.dial) FailDial(ended.local_fault, ended.reason);
}

void Remote::FailDial(bool local_fault, std::string reason) {
  if (!dial_->lookup_reason.empty()) reason += fmt::format("; lookup: {}", dial_->lookup_reason);
  dial_.reset();
  Emit(Unreached{local_fault, std::move(reason)});
}

// What is new goes into the book, to the registry, and into a dial that is running.
void Remote::Learn(const std::vector<SocketAddress>& addresses, const std::string& source) {
  std::vector<SocketAddress> joining;
  for (const SocketAddress& address : addresses) {
    const AddressBook::Added added = book_.Add(node_, address, source);
    if (added.is_new) Emit(KeepAddress{book_.Of(node_).back(), added.evicted});
    if (!dial_) continue;
    const bool known = std::any_of(book_.Of(node_).begin(), book_.Of(node_).end(),
                                   [&](const KnownAddress& k) { return k.address == address; });
    if (!known || book_.IsOwn(address) || !dial_->given.insert(address).second) continue;
    dial_->untried.insert(address);
    joining.push_back(address);
  }
  if (joining.empty()) return;
  // The lookup may have ended for this dial already, or may be yet to come.
  Emit(ExtendDial{dial_->id, std::move(joining), dial_->asked ? lookup_.has_value() : true});
}

void Remote::MayLookUp(Instant now) {
  if (!dial_ || dial_->asked || !options_.lookup) return;
  const bool silent = now >= dial_->started + options_.lookup_after;
  if (!silent && !dial_->untried.empty() && KnowsProven()) return;
  dial_->asked = true;
  if (lookup_) return;  // it is running anyway, and the dial gets what it finds
  lookup_ = LookupId{++counters_.lookups};
  Emit(StartLookup{*lookup_});
}

bool Remote::KnowsProven() const {
  for (const auto& [address, path] : paths_) {
    if (!path.dark) return true;
  }
  const std::vector<KnownAddress>& known = book_.Of(node_);
  return std::any_of(known.begin(), known.end(), [&](const KnownAddress& each) {
    return each.proven() && !book_.IsOwn(each.address);
  });
}

// The selected path, other open ones by round-trip time, then what the book says.
std::vector<SocketAddress> Remote::DialOrder() const {
  std::vector<std::tuple<bool, Duration, SocketAddress>> open;
  for (const auto& [address, path] : paths_) {
    if (path.dark || book_.IsOwn(address)) continue;
    open.emplace_back(address != selection_.address, RttOf(address, path).value_or(Duration::max()),
                      address);
  }
  std::sort(open.begin(), open.end());
  std::vector<SocketAddress> order;
  for (const auto& [other, rtt, address] : open) order.push_back(address);
  for (const SocketAddress& address : book_.ToDial(node_)) {
    if (std::find(order.begin(), order.end(), address) == order.end()) order.push_back(address);
  }
  return order;
}

}  // namespace blobd::path
