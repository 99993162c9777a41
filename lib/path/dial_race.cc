#include "path/dial_race.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::path {
namespace {

// With four at once, an eighth of the time each lets all 32 addresses have their turn.
constexpr int kPatienceShare = 8;

}  // namespace

DialRace::DialRace(const DialOptions& options, Instant now)
    : options_(options),
      deadline_(now + options.timeout),
      patience_(options.timeout / kPatienceShare),
      next_start_(now) {
  BLOBD_CHECK(options.width > 0);
}

void DialRace::Add(const std::vector<SocketAddress>& addresses) {
  given_ += addresses.size();
  for (const SocketAddress& address : addresses) {
    if (known_.size() >= kMaxAddresses) return;
    if (address.port() == 0 || address.is_unspecified() || address.is_multicast()) continue;
    if (known_.insert(address).second) queued_.push_back(address);
  }
}

bool DialRace::may_displace(Instant now) const {
  return !running_.empty() && running_.front().started + patience_ <= now;
}

DialRace::Step DialRace::Next(Instant now) {
  Step step;
  while (!queued_.empty() && now >= next_start_) {
    if (running_.size() >= options_.width) {
      if (!may_displace(now)) break;
      step.drop.push_back(running_.front().address);
      running_.pop_front();
    }
    step.start.push_back(queued_.front());
    running_.push_back({queued_.front(), now});
    queued_.pop_front();
    next_start_ = now + options_.delay;
  }
  return step;
}

void DialRace::Failed(const SocketAddress& address) {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [&](const Attempt& a) { return a.address == address; });
  if (found != running_.end()) running_.erase(found);
}

bool DialRace::over(Instant now) const {
  return timed_out(now) || (!open_ && given_ > 0 && queued_.empty() && running_.empty());
}

Instant DialRace::NextDeadline() const {
  Instant next = deadline_;
  if (!queued_.empty()) {
    Instant start = next_start_;
    if (running_.size() >= options_.width) {
      start = std::max(start, running_.front().started + patience_);
    }
    next = std::min(next, start);
  }
  return next;
}

}  // namespace blobd::path
