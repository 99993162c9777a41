#include "quic/sources.h"

namespace blobd::quic {

std::optional<SocketAddress> Sources::Towards(const SocketAddress& to, Instant now) {
  const SocketAddress host = SocketAddress::V6(to.ip16(), 0);
  const auto found = answers_.find(host);
  if (found != answers_.end() && now < found->second.until) return found->second.source;
  const std::optional<SocketAddress> source = ask_(to);
  if (!source) {
    answers_.erase(host);
    return std::nullopt;
  }
  if (answers_.size() >= kMaxHosts) answers_.clear();
  answers_[host] = {*source, now + kAskAgain};
  return source;
}

}  // namespace blobd::quic
