// Bans: providers that sent something false, how often, and until when they are refused. An entry
// outlives its ban, so that a repeat is punished longer; the table is bounded, and those whose ban
// ends first go first.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/provider.h"
#include "base/time.h"
#include "schedule/scheduler.h"

namespace blobd::schedule {

struct Ban {
  Instant until;
  uint32_t times = 0;
  std::string reason;
  std::vector<Hash> hashes =
      {};  // that lost the provider, or were refused it; they have it again after
};

class Bans {
 public:
  Bans(Duration first, Duration longest, size_t most = 65536)
      : first_(first), longest_(longest), most_(most) {}

  struct Verdict {
    Duration length{0};
    uint32_t times = 0;
  };
  // Bans it now: for `length`, else twice as long as the last time.
  Verdict Add(const ProviderId& provider, Instant now, std::string reason,
              std::optional<Duration> length = std::nullopt);
  void Restore(const ProviderId& provider, Ban ban);
  bool Banned(const ProviderId& provider, Instant now) const;
  // nullptr if it was never banned (or so long ago that it is forgotten).
  const Ban* Find(const ProviderId& provider) const;
  // The hash wants the provider when its ban is over. Nothing happens if it is not banned, or if
  // too many hashes do.
  void Remember(const ProviderId& provider, const Hash& hash);
  // The ban is no more; returns the hashes that want the provider.
  std::vector<Hash> Lift(const ProviderId& provider);
  // The first ban that is over and has such hashes; they are the caller's then.
  std::optional<std::pair<ProviderId, std::vector<Hash>>> PopOver(Instant now);
  std::optional<Instant> next() const;
  // See Scheduler::ListBans.
  std::vector<BanView> List(const std::optional<ProviderId>& after, size_t limit,
                            Instant now) const;
  // Whose ban ended after `after`, and at `now` at the latest.
  std::vector<ProviderId> Ended(Instant after, Instant now) const;
  size_t size() const { return bans_.size(); }

 private:
  Duration first_;
  Duration longest_;
  size_t most_;
  std::unordered_map<ProviderId, Ban> bans_;
  std::set<std::pair<Instant, ProviderId>> by_end_;
  std::set<std::pair<Instant, ProviderId>> wanted_;  // those with hashes
};

}  // namespace blobd::schedule
