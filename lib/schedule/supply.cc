// Scheduler::State, providers' part: they are named, leave and come back, and requests stand in
// their queues.
#include "base/check.h"
#include "schedule/retry.h"
#include "schedule/state.h"

namespace blobd::schedule {

void Scheduler::State::OnNodesHave(const NodesHave& event) {
  // The requests decide what is wanted: a provider of something nobody asked for is not remembered.
  if (WantedHash* wanted = t.map.Find(event.hash)) AddProviders(*wanted, event.providers);
}

void Scheduler::State::AddProviders(WantedHash& wanted, const std::vector<ProviderId>& ids) {
  for (const ProviderId& id : ids) {
    if (id == ProviderId(t.options.self)) continue;
    if (t.bans.Banned(id, t.now)) {
      t.bans.Remember(id, wanted.hash);
      continue;
    }
    Provider& provider = t.providers.FindOrAdd(id);
    const ProviderMap::Added added = t.map.Link(wanted, provider);
    if (added == ProviderMap::Added::kFull) {
      MayGo(provider);
      continue;
    }
    ProviderLink& link = *ProviderMap::FindLink(wanted, provider);
    if (added == ProviderMap::Added::kNew || link.standing) {
      link.standing = false;
      Emit(RememberProvider{wanted.hash, id});
    }
    for (Request* request : wanted.requests) {
      if (request != nullptr) request->Unrefuse(provider.number);
    }
    if (provider.pause == Pause::kUnreachable) {
      // Somebody believes in it: it starts with a clean count.
      provider.failures = 0;
      provider.verified_since_failure = 0;
      ComeBack(provider);
    }
    Offer(wanted, provider);
  }
}

void Scheduler::State::Settle(Request& request) {
  BLOBD_CHECK(request.stage == Stage::kUnsettled && request.usable == 0);
  if (request.paused()) {
    request.stage = Stage::kPaused;
    return;
  }
  if (HasAllParts(request)) return AskStore(request);
  request.stage = Stage::kQueued;
  ++t.stats.touched;
  for (const ProviderLink& link : request.wanted->providers) {
    Provider& provider = *link.provider;
    ++t.stats.touched;
    if (!request.CouldUse(provider)) continue;
    provider.waiting.Insert(request);
    ++request.usable;
    Touch(provider);
  }
  if (request.usable == 0) Strand(request);
}

void Scheduler::State::Strand(Request& request) {
  BLOBD_CHECK(request.usable == 0);
  request.stage = Stage::kStranded;
  if (t.stopping) return;  // a shutdown fails nothing
  if (AskStanding(request)) return;
  if (request.SetsAside()) return;  // it has a provider again soon: nobody's patience ends
  if (!t.paused) EndImpatient(request);
  if (request.intents.empty()) {
    Drop(request);
    return;
  }
  request.priority = request.HighestPriority();
  if (request.paused()) {
    request.stage = Stage::kPaused;
    return;
  }
  for (auto& [id, intent] : request.intents) {
    if (intent.patience_over == Instant::Max() || intent.paused) continue;
    if (intent.patience_over <= t.now) {
      t.impatient.insert(intent.id);
      continue;
    }
    t.timers.Arm({intent.patience_over, TimerKind::kPatienceOver, intent.id.value});
    intent.patience_armed = true;
  }
  if (t.options.standing.empty()) return;
  Trouble& trouble = request.MakeTrouble();
  trouble.ask_again = t.now + AskAgainDelay(++trouble.rounds);
  t.timers.Arm({trouble.ask_again, TimerKind::kAskAgain, request.id.value});
}

void Scheduler::State::Unsettle(Request& request) {
  switch (request.stage) {
    case Stage::kUnsettled:
    case Stage::kInStore:
      break;
    case Stage::kQueued:
      for (const ProviderLink& link : request.wanted->providers) Leave(request, *link.provider);
      BLOBD_CHECK(request.usable == 0);
      break;
    case Stage::kStranded:
      for (auto& [id, intent] : request.intents) {
        if (intent.patience_armed) DisarmPatience(intent);
      }
      if (request.trouble != nullptr && request.trouble->ask_again != Instant::Max()) {
        t.timers.Disarm({request.trouble->ask_again, TimerKind::kAskAgain, request.id.value});
        request.trouble->ask_again = Instant::Max();
      }
      break;
    case Stage::kHeld:
      t.timers.Disarm({request.trouble->held_until, TimerKind::kHoldOver, request.id.value});
      t.held.erase(request.id);
      if (request.trouble->own_fault == OwnFault::kDisk) --t.held_by_disk;
      break;
    case Stage::kPaused:
      break;
    case Stage::kRunning:
      while (!request.transfers.empty()) Stop(t.transfers.at(request.transfers.back()));
      LeaveAllMore(request);
      break;
  }
  request.stage = Stage::kUnsettled;
}

void Scheduler::State::Leave(Request& request, Provider& provider) {
  ++t.stats.touched;
  if (!provider.waiting.Erase(request)) return;
  --request.usable;
  Touch(provider);
}

void Scheduler::State::Offer(WantedHash& wanted, Provider& provider) {
  if (!provider.usable()) return;
  for (Request* request : wanted.requests) {
    if (request == nullptr || !request->CouldUse(provider)) continue;
    if (request->stage == Stage::kRunning) Reconsider(*request);
    if (request->stage == Stage::kStranded) {
      Unsettle(*request);
      request->stage = Stage::kQueued;
    }
    if (request->stage != Stage::kQueued || !provider.waiting.Insert(*request)) continue;
    ++request->usable;
    Touch(provider);
  }
}

void Scheduler::State::Unlink(WantedHash& wanted, Provider& provider) {
  if (provider.sponsor == &wanted) {
    provider.sponsor = nullptr;
    --wanted.dials;
  }
  for (Request* request : wanted.requests) {
    if (request != nullptr) LeaveMore(*request, provider);
  }
  const bool standing = ProviderMap::FindLink(wanted, provider)->standing;
  BLOBD_CHECK(t.map.Unlink(wanted, provider));
  if (!standing) Emit(ForgetProvider{wanted.hash, provider.id});
}

void Scheduler::State::RemoveFromMap(Provider& provider, Outcome outcome,
                                     const std::string& reason) {
  const std::vector<Request*> waiting = provider.waiting.InOrder();
  provider.waiting.Clear();
  while (!provider.hashes.empty()) {
    WantedHash& wanted = *provider.hashes.back().hash;
    for (Request* request : wanted.requests) {
      if (request == nullptr) continue;
      request->Note(provider.id, outcome, reason);
      request->Unrefuse(provider.number);
    }
    const bool was_full = wanted.dials >= t.limits().dials_per_hash;
    Unlink(wanted, provider);
    if (was_full) RefreshProviders(wanted);
  }
  BecomeUnneeded(provider);
  for (Request* request : waiting) {
    if (--request->usable == 0) Strand(*request);
  }
}

void Scheduler::State::MakeUnreachable(Provider& provider) {
  ++t.stats.unreachable;
  if (!AnyPatience(provider)) {
    RemoveFromMap(provider, Outcome::kRetryLater, provider.last_failure);
    return;
  }
  const std::vector<Request*> waiting = provider.waiting.InOrder();
  provider.waiting.Clear();
  for (Request* request : provider.more.InOrder()) LeaveMore(*request, provider);
  SetPause(provider, Pause::kUnreachable,
           t.now + RetryDelay(provider.Policy(t.options), provider.failures, t.rng));
  for (Request* request : waiting) {
    request->Note(provider.id, Outcome::kRetryLater, provider.last_failure);
    if (--request->usable == 0) Strand(*request);
  }
}

void Scheduler::State::ComeBack(Provider& provider) {
  SetPause(provider, Pause::kNone, t.now);
  for (const HashLink& link : provider.hashes) Offer(*link.hash, provider);
}

bool Scheduler::State::AnyPatience(const Provider& provider) const {
  for (const HashLink& link : provider.hashes) {
    for (const Request* request : link.hash->requests) {
      if (request == nullptr) continue;
      for (const auto& [id, intent] : request->intents) {
        if (intent.paused || t.paused || intent.patience_over > t.now) return true;
      }
    }
  }
  return false;
}

void Scheduler::State::BecomeUnneeded(Provider& provider) {
  BLOBD_CHECK(provider.hashes.empty() && provider.waiting.empty());
  provider.failures = 0;
  provider.verified_since_failure = 0;
  provider.last_failure.clear();
  provider.passed_over = 0;
  SetPause(provider, Pause::kNone, t.now);
  if (provider.link == Link::kDialling) {
    Emit(GiveUpDial{std::get<NodeId>(provider.id)});
    EndDial(provider, Link::kDown);
  }
  MayGo(provider);
}

void Scheduler::State::RefreshProviders(WantedHash& wanted) {
  for (const ProviderLink& link : wanted.providers) t.providers.Refresh(*link.provider);
}

void Scheduler::State::Sweep() {
  for (const uint64_t number : may_go_) {
    Provider* provider = t.providers.FindNumber(number);
    if (provider == nullptr || !provider->hashes.empty()) continue;
    if (provider->link != Link::kDown || !provider->transfers.empty()) continue;
    t.providers.Erase(*provider);
  }
  may_go_.clear();
}

}  // namespace blobd::schedule
