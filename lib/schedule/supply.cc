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
    if (id == ProviderId(t.options.self) || t.bans.Banned(id, t.now)) continue;
    Provider& provider = t.providers.FindOrAdd(id);
    const ProviderMap::Added added = t.map.Link(wanted, provider);
    if (added == ProviderMap::Added::kFull) {
      MayGo(provider);
      continue;
    }
    if (added == ProviderMap::Added::kNew) Emit(RememberProvider{wanted.hash, id});
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
  request.stage = Stage::kQueued;
  for (const ProviderLink& link : request.wanted->providers) {
    Provider& provider = *link.provider;
    if (!provider.usable() || request.Refuses(provider.number)) continue;
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
  EndImpatient(request);
  if (request.intents.empty()) {
    Drop(request);
    return;
  }
  request.priority = request.HighestPriority();
  for (Intent& intent : request.intents) {
    if (intent.patience_over == Instant::Max()) continue;
    t.timers.Arm({intent.patience_over, TimerKind::kPatienceOver, intent.id.value});
    intent.patience_armed = true;
  }
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
      for (Intent& intent : request.intents) {
        if (!intent.patience_armed) continue;
        t.timers.Disarm({intent.patience_over, TimerKind::kPatienceOver, intent.id.value});
        intent.patience_armed = false;
      }
      break;
    case Stage::kHeld:
      t.timers.Disarm({request.held_until, TimerKind::kHoldOver, request.id.value});
      break;
    case Stage::kRunning:
      while (!request.transfers.empty()) Stop(t.transfers.at(request.transfers.back()));
      break;
  }
  request.stage = Stage::kUnsettled;
}

void Scheduler::State::Leave(Request& request, Provider& provider) {
  if (!provider.waiting.Erase(request)) return;
  --request.usable;
  Touch(provider);
}

void Scheduler::State::Offer(WantedHash& wanted, Provider& provider) {
  if (!provider.usable()) return;
  for (Request* request : wanted.requests) {
    if (request == nullptr || request->Refuses(provider.number)) continue;
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
  BLOBD_CHECK(t.map.Unlink(wanted, provider));
  Emit(ForgetProvider{wanted.hash, provider.id});
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
  SetPause(provider, Pause::kUnreachable,
           t.now + RetryDelay(t.options.node_retry, provider.failures, t.rng));
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
      for (const Intent& intent : request->intents) {
        if (intent.patience_over > t.now) return true;
      }
    }
  }
  return false;
}

void Scheduler::State::BanNow(Provider& provider, const std::string& reason) {
  const Bans::Verdict verdict = t.bans.Add(provider.id, t.now, reason);
  ++t.stats.bans;
  Emit(BanProvider{provider.id, verdict.length, verdict.times, reason});
  const std::vector<Request*> detached = DetachAll(provider, /*stop=*/true);
  if (provider.link == Link::kUp) CloseConnection(provider, "banned: " + reason);
  RemoveFromMap(provider, Outcome::kDropProvider, reason);
  SettleAll(detached);
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

void Scheduler::State::Hold(Request& request, const std::string& reason) {
  request.stage = Stage::kHeld;
  request.held_until = t.now + kLocalFaultDelay;
  request.held_reason = CutReason(reason);
  t.timers.Arm({request.held_until, TimerKind::kHoldOver, request.id.value});
}

void Scheduler::State::OnHoldOver(RequestId id) {
  Request& request = t.requests.at(id);
  Unsettle(request);
  Settle(request);
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
