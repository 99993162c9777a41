#include "quic/peer_addresses.h"

#include <algorithm>

namespace blobd::quic {
namespace {

SocketAddress Name(const SocketAddress& address, uint16_t number) {
  return SocketAddress::V6(address.ip16(), number);
}

}  // namespace

PeerAddresses::PeerAddresses(const SocketAddress& first) : first_(first), current_(first) {
  places_.push_back({first, current_number_, true});
}

std::optional<SocketAddress> PeerAddresses::NameOf(const SocketAddress& from) {
  if (from == current_) return Name(from, current_number_);
  const auto known = std::find_if(places_.begin(), places_.end(), [&](const Place& place) {
    return !place.used && place.address == from;
  });
  if (known != places_.end()) return Name(from, known->number);
  if (last_number_ == UINT16_MAX) return std::nullopt;
  if (places_.size() == kMaxPlaces) MakeRoom();
  places_.push_back({from, ++last_number_, false});
  return Name(from, last_number_);
}

std::optional<SocketAddress> PeerAddresses::Reserve(const SocketAddress& to) {
  if (last_number_ == UINT16_MAX) return std::nullopt;
  if (places_.size() == kMaxPlaces) MakeRoom();
  places_.push_back({to, ++last_number_, false});
  return Name(to, last_number_);
}

std::optional<SocketAddress> PeerAddresses::KnownNameOf(const SocketAddress& from) const {
  if (from == current_) return Name(from, current_number_);
  const auto latest = std::find_if(places_.rbegin(), places_.rend(),
                                   [&](const Place& place) { return place.address == from; });
  if (latest == places_.rend()) return std::nullopt;
  return Name(from, latest->number);
}

// Forgets the oldest place that was only ever heard from, or else the oldest where the peer is not.
void PeerAddresses::MakeRoom() {
  auto oldest =
      std::find_if(places_.begin(), places_.end(), [](const Place& p) { return !p.used; });
  if (oldest == places_.end()) {
    oldest = std::find_if(places_.begin(), places_.end(),
                          [&](const Place& p) { return p.number != current_number_; });
  }
  places_.erase(oldest);
}

const PeerAddresses::Place* PeerAddresses::Find(const SocketAddress& name) const {
  const auto found = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& place) { return place.number == name.port(); });
  return found == places_.end() ? nullptr : &*found;
}

std::optional<SocketAddress> PeerAddresses::Resolve(const SocketAddress& name) const {
  const Place* place = Find(name);
  if (place == nullptr) return std::nullopt;
  return place->address;
}

void PeerAddresses::SetCurrent(const SocketAddress& name) {
  if (name.port() == current_number_) return;
  const auto place = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& p) { return p.number == name.port(); });
  // The library has gone back to a place that is forgotten: nothing can be sent until the peer is
  // heard again.
  if (place == places_.end()) return;
  place->used = true;
  current_ = place->address;
  current_number_ = place->number;
}

}  // namespace blobd::quic
