#include "schedule/bans.h"

#include "schedule/retry.h"

namespace blobd::schedule {

Bans::Verdict Bans::Add(const ProviderId& provider, Instant now, std::string reason) {
  const Ban* before = Find(provider);
  // A restored count may be anything; beyond the cap of the length it carries no more information.
  const uint32_t times =
      before == nullptr ? 1 : (before->times < UINT32_MAX ? before->times + 1 : UINT32_MAX);
  const Duration length = Doubled(first_, times, longest_);
  Restore(provider, Ban{now + length, times, std::move(reason)});
  return Verdict{length, times};
}

void Bans::Restore(const ProviderId& provider, Ban ban) {
  const auto [it, is_new] = bans_.try_emplace(provider);
  if (!is_new) by_end_.erase({it->second.until, provider});
  by_end_.insert({ban.until, provider});
  it->second = std::move(ban);
  if (bans_.size() > most_) {
    bans_.erase(by_end_.begin()->second);
    by_end_.erase(by_end_.begin());
  }
}

bool Bans::Banned(const ProviderId& provider, Instant now) const {
  const Ban* ban = Find(provider);
  return ban != nullptr && now < ban->until;
}

const Ban* Bans::Find(const ProviderId& provider) const {
  const auto it = bans_.find(provider);
  return it == bans_.end() ? nullptr : &it->second;
}

}  // namespace blobd::schedule
