#include "path/relay_addresses.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace blobd::path {
namespace {

// A unique local prefix (RFC 4193) with a random global id, drawn once for this program. It is
// never bound, routed or sent to.
constexpr std::array<uint8_t, 8> kPrefix = {0xfd, 0x6b, 0x1e, 0x93, 0xd4, 0x27, 0x00, 0x01};
constexpr uint16_t kPort = 1;  // an address without a port cannot be dialled

SocketAddress Numbered(uint64_t number) {
  std::array<uint8_t, 16> ip{};
  std::copy(kPrefix.begin(), kPrefix.end(), ip.begin());
  for (size_t i = 0; i < 8; ++i) ip[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return SocketAddress::V6(ip, kPort);
}

}  // namespace

bool RelayAddresses::IsRelayed(const SocketAddress& address) {
  return std::equal(kPrefix.begin(), kPrefix.end(), address.ip16().begin());
}

std::optional<SocketAddress> RelayAddresses::Of(std::string_view url, const NodeId& node) {
  Relayed pair{std::string(url), node};
  if (const auto known = addresses_.find(pair); known != addresses_.end()) return known->second;
  if (addresses_.size() >= kMax) return std::nullopt;
  const SocketAddress address = Numbered(by_number_.size());
  const auto [added, is_new] = addresses_.emplace(std::move(pair), address);
  by_number_.push_back(&added->first);
  return address;
}

const Relayed* RelayAddresses::Find(const SocketAddress& address) const {
  if (!IsRelayed(address)) return nullptr;
  uint64_t number = 0;
  for (size_t i = 8; i < 16; ++i) number = (number << 8) | address.ip16()[i];
  if (number >= by_number_.size() || address.port() != kPort) return nullptr;
  return by_number_[number];
}

}  // namespace blobd::path
