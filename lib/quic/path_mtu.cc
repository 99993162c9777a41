#include "quic/path_mtu.h"

#include <algorithm>

namespace blobd::quic {
namespace {

constexpr Duration kAskAgain = seconds(30);
constexpr Duration kSmallFor = minutes(10);
constexpr size_t kMaxHosts = 1024;
constexpr size_t kEthernetMtu = 1500;
constexpr size_t kHeaders4 = 20 + 8;  // IP and UDP
constexpr size_t kHeaders6 = 40 + 8;

}  // namespace

Payload PathMtu::For(const SocketAddress& local, const SocketAddress& remote, Instant now) {
  const auto found = answers_.find(remote.ip16());
  if (found != answers_.end() && now < found->second.until) return found->second.payload;
  const bool loopback = remote.is_loopback() && (local.is_loopback() || local.is_unspecified());
  const Payload payload = loopback ? Payload{Payload::kLargest, false} : Ask(remote);
  Remember(remote.ip16(), payload, now + kAskAgain, now);
  return payload;
}

Payload PathMtu::Ask(const SocketAddress& remote) {
  const std::optional<Route> route = probe_(remote);
  if (!route || !route->on_link || route->mtu <= kEthernetMtu) return {};
  const size_t headers = remote.is_v4() ? kHeaders4 : kHeaders6;
  return {std::min(route->mtu - headers, Payload::kLargest), false};
}

void PathMtu::MarkSmall(const SocketAddress& remote, Instant now) {
  Remember(remote.ip16(), Payload(), now + kSmallFor, now);
}

void PathMtu::Remember(const Host& host, const Payload& payload, Instant until, Instant now) {
  if (answers_.size() >= kMaxHosts && !answers_.contains(host)) {
    for (auto it = answers_.begin(); it != answers_.end();) {
      it = it->second.until <= now ? answers_.erase(it) : std::next(it);
    }
  }
  if (answers_.size() >= kMaxHosts && !answers_.contains(host)) {
    answers_.erase(std::min_element(
        answers_.begin(), answers_.end(),
        [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  }
  answers_[host] = {payload, until};
}

}  // namespace blobd::quic
