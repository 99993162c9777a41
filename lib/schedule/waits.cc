// Scheduler::State, long waits' part: faults of our own, bans and what ends them, standing
// providers.
#include <utility>

#include "base/check.h"
#include "schedule/retry.h"
#include "schedule/state.h"

namespace blobd::schedule {

void Scheduler::State::Hold(Request& request, OwnFault fault, const std::string& reason) {
  request.stage = Stage::kHeld;
  Trouble& trouble = request.MakeTrouble();
  trouble.own_fault = fault;
  trouble.verified_since_fault = 0;
  trouble.held_until = t.now + OwnFaultDelay(++trouble.own_faults);
  trouble.held_reason = CutReason(reason);
  t.timers.Arm({trouble.held_until, TimerKind::kHoldOver, request.id.value});
  t.held.insert(request.id);
  if (fault == OwnFault::kDisk) ++t.held_by_disk;
}

void Scheduler::State::ReleaseHeld(OwnFault fault) {
  std::vector<Request*> released;
  for (const RequestId id : t.held) {
    Request& request = t.requests.at(id);
    if (request.trouble->own_fault == fault) released.push_back(&request);
  }
  for (Request* request : released) {
    Unsettle(*request);
    Settle(*request);
  }
}

void Scheduler::State::OnHoldOver(RequestId id) {
  Request& request = t.requests.at(id);
  Unsettle(request);
  Settle(request);
}

void Scheduler::State::BanNow(Provider& provider, const std::string& reason,
                              std::optional<Duration> length) {
  const Bans::Verdict verdict = t.bans.Add(provider.id, t.now, reason, length);
  ++t.stats.bans;
  Emit(BanProvider{provider.id, verdict.length, verdict.times, reason});
  const std::vector<Request*> detached = DetachAll(provider, /*stop=*/true);
  if (provider.link == Link::kUp) CloseConnection(provider, "banned: " + reason);
  for (const HashLink& link : provider.hashes) {
    if (!link.hash->providers[link.at].standing) t.bans.Remember(provider.id, link.hash->hash);
  }
  RemoveFromMap(provider, Outcome::kDropProvider, reason);
  SettleAll(detached);
}

void Scheduler::State::OnBanWanted(const BanWanted& event) {
  const std::string reason = CutReason(event.reason);
  if (Provider* provider = t.providers.Find(event.provider)) {
    BanNow(*provider, reason, event.length);
    MayGo(*provider);
    return;
  }
  const Bans::Verdict verdict = t.bans.Add(event.provider, t.now, reason, event.length);
  ++t.stats.bans;
  Emit(BanProvider{event.provider, verdict.length, verdict.times, reason});
}

void Scheduler::State::OnUnban(const ProviderId& provider) {
  Return(provider, t.bans.Lift(provider));
}

// A ban is over: those who lost the provider through it have it again.
void Scheduler::State::Return(const ProviderId& provider, const std::vector<Hash>& hashes) {
  for (const Hash& hash : hashes) {
    if (WantedHash* wanted = t.map.Find(hash)) AddProviders(*wanted, {provider});
  }
}

void Scheduler::State::OnPathNews(const PathNews& event) {
  Provider* provider = t.providers.Find(event.node);
  if (provider == nullptr) return;
  provider->path_works = true;
  EndWait(*provider);
}

void Scheduler::State::OnNetworkBack() {
  for (Provider* provider : t.providers.Paused()) EndWait(*provider);
  ReleaseHeld(OwnFault::kNetwork);
}

// Its count stays: the next failure makes it wait as long as it would have.
void Scheduler::State::EndWait(Provider& provider) {
  switch (provider.pause) {
    case Pause::kNone:
    case Pause::kBusy:
      break;
    case Pause::kRetry:
    case Pause::kLocalFault:
      SetPause(provider, Pause::kNone, t.now);
      break;
    case Pause::kUnreachable:
      ComeBack(provider);
      break;
  }
}

// Nobody who was named can help: so many of the standing providers are asked next. True if the
// request has a provider again.
bool Scheduler::State::AskStanding(Request& request) {
  WantedHash& wanted = *request.wanted;
  const std::vector<ProviderId>& standing = t.options.standing;
  size_t asked = 0;
  while (wanted.standing_asked < standing.size() && asked < t.options.standing_at_a_time) {
    const ProviderId& id = standing[wanted.standing_asked++];
    if (id == ProviderId(t.options.self) || t.bans.Banned(id, t.now)) continue;
    Provider& provider = t.providers.FindOrAdd(id);
    if (t.map.Link(wanted, provider) != ProviderMap::Added::kNew) {
      MayGo(provider);
      continue;
    }
    ProviderMap::FindLink(wanted, provider)->standing = true;
    if (provider.usable()) ++asked;
    Offer(wanted, provider);
  }
  return request.stage == Stage::kQueued;
}

void Scheduler::State::OnAskAgain(Request& request) {
  request.trouble->ask_again = Instant::Max();
  request.wanted->standing_asked = 0;
  Resettle(request);
}

// A standing provider that does not have it is asked no more in this round.
void Scheduler::State::LeaveStanding(WantedHash& wanted, Provider& provider) {
  std::vector<Request*> stranded;
  for (Request* request : wanted.requests) {
    if (request == nullptr) continue;
    Leave(*request, provider);
    request->Unrefuse(provider.number);
    if (request->stage == Stage::kQueued && request->usable == 0) stranded.push_back(request);
  }
  const bool was_full = wanted.dials >= t.limits().dials_per_hash;
  Unlink(wanted, provider);
  if (was_full) RefreshProviders(wanted);
  if (provider.hashes.empty()) BecomeUnneeded(provider);
  for (Request* request : stranded) Strand(*request);
}

}  // namespace blobd::schedule
