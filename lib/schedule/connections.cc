// Scheduler::State, connections' part: dials, connections, failures and pauses of providers.
#include <algorithm>

#include "base/check.h"
#include "schedule/retry.h"
#include "schedule/state.h"

namespace blobd::schedule {

void Scheduler::State::OnConnected(const Connected& event) {
  Provider* provider = t.providers.Find(event.node);
  if (provider == nullptr || provider->link != Link::kDialling) {
    ++t.stats.late_events;
    // The dial was given up while its answer was on the way: nobody would ever use or close this
    // connection.
    if (provider == nullptr || provider->link == Link::kDown) {
      Emit(Disconnect{event.node, "no longer wanted"});
    }
    return;
  }
  provider->rtt = event.rtt;
  provider->own_faults = 0;
  provider->path_works = true;
  provider->last_success = t.now;
  EndDial(*provider, Link::kUp);
  OfferMore(*provider);
}

void Scheduler::State::OnDialFailed(const DialFailed& event) {
  Provider* provider = t.providers.Find(event.node);
  if (provider == nullptr || provider->link != Link::kDialling) {
    ++t.stats.late_events;
    return;
  }
  EndDial(*provider, Link::kDown);
  if (event.local_fault) {
    SetPause(*provider, Pause::kLocalFault, t.now + OwnFaultDelay(++provider->own_faults));
  } else {
    provider->path_works = false;
    Fail(*provider, event.reason);
  }
}

void Scheduler::State::OnDisconnected(const Disconnected& event) {
  Provider* provider = t.providers.Find(event.node);
  if (provider == nullptr || provider->link != Link::kUp) {
    ++t.stats.late_events;
    return;
  }
  // A connection that failed a transfer before is the same failure.
  const bool counts = !provider->condemned && (provider->running > 0 || !event.in_order);
  LinkDown(*provider);
  const std::vector<Request*> detached = DetachAll(*provider, /*stop=*/false);
  for (Request* request : detached) request->Note(provider->id, Outcome::kRetryLater, event.reason);
  if (counts) Fail(*provider, event.reason);
  SettleAll(detached);
}

void Scheduler::State::OnDisconnectWanted(const DisconnectWanted& event) {
  Provider* provider = t.providers.Find(event.node);
  if (provider == nullptr) return;
  switch (provider->link) {
    case Link::kDown:
      return;
    case Link::kDialling:
      Emit(GiveUpDial{event.node});
      return EndDial(*provider, Link::kDown);
    case Link::kUp: {
      const std::vector<Request*> detached = DetachAll(*provider, /*stop=*/true);
      // A condemned connection has closed itself when its last transfer was stopped.
      if (provider->link == Link::kUp) CloseConnection(*provider, "somebody asked for that");
      return SettleAll(detached);
    }
  }
}

void Scheduler::State::StartDial(Request& request, Provider& provider) {
  BLOBD_CHECK(provider.CanBeDialled() && t.HasConnectionSlot());
  ++t.stats.dials;
  WantedHash& wanted = *request.wanted;
  provider.sponsor = &wanted;
  ++wanted.dials;
  t.providers.SetLink(provider, Link::kDialling);
  Touch(provider);
  if (wanted.dials >= t.limits().dials_per_hash) RefreshProviders(wanted);
  Emit(Dial{std::get<NodeId>(provider.id)});
}

void Scheduler::State::EndDial(Provider& provider, Link link) {
  WantedHash* sponsor = provider.sponsor;
  provider.sponsor = nullptr;
  t.providers.SetLink(provider, link);
  Touch(provider);
  if (sponsor == nullptr) return;
  const bool was_full = sponsor->dials >= t.limits().dials_per_hash;
  --sponsor->dials;
  if (was_full) RefreshProviders(*sponsor);
}

void Scheduler::State::CloseConnection(Provider& provider, const std::string& reason) {
  BLOBD_CHECK(provider.link == Link::kUp && provider.running == 0);
  Emit(Disconnect{std::get<NodeId>(provider.id), reason});
  LinkDown(provider);
}

void Scheduler::State::LinkDown(Provider& provider) {
  t.providers.SetLink(provider, Link::kDown);
  provider.condemned = false;
  if (t.draining == &provider) SetDraining(nullptr);
  Touch(provider);
  if (provider.hashes.empty()) MayGo(provider);
}

void Scheduler::State::Fail(Provider& provider, const std::string& reason) {
  // What breaks during a shutdown is our doing.
  if (t.stopping) return;
  provider.last_failure = reason.empty() ? "failed without a reason" : CutReason(reason);
  const bool counted = provider.condemned || provider.pause == Pause::kRetry ||
                       provider.pause == Pause::kUnreachable;
  if (provider.link == Link::kUp) provider.condemned = true;
  if (!counted && !provider.hashes.empty()) {
    ++t.stats.failures;
    ++provider.failures;
    provider.verified_since_failure = 0;
    const RetryPolicy& policy = provider.Policy(t.options);
    if (IsUnreachable(policy, provider.failures)) {
      MakeUnreachable(provider);
    } else {
      SetPause(provider, Pause::kRetry, t.now + RetryDelay(policy, provider.failures, t.rng));
    }
  }
  Touch(provider);
}

void Scheduler::State::ClearFailures(Provider& provider) {
  provider.failures = 0;
  provider.verified_since_failure = 0;
  provider.last_failure.clear();
  provider.condemned = false;
  if (provider.pause == Pause::kRetry) SetPause(provider, Pause::kNone, t.now);
  if (provider.pause == Pause::kUnreachable) ComeBack(provider);
  Touch(provider);
}

void Scheduler::State::PutOff(Provider& provider, std::optional<Duration> asked) {
  if (provider.hashes.empty()) return;
  // A pause for a failure is the stronger one; of two busy answers the later end counts.
  if (provider.pause == Pause::kRetry || provider.pause == Pause::kUnreachable) return;
  Instant until = t.now + BusyDelay(provider.Policy(t.options), asked);
  if (provider.pause != Pause::kNone) until = std::max(until, provider.pause_until);
  SetPause(provider, Pause::kBusy, until);
}

void Scheduler::State::SetPause(Provider& provider, Pause pause, Instant until) {
  if (provider.pause != Pause::kNone) {
    t.timers.Disarm({provider.pause_until, TimerKind::kPauseOver, provider.number});
  }
  provider.pause = pause;
  provider.pause_until = until;
  if (pause != Pause::kNone) t.timers.Arm({until, TimerKind::kPauseOver, provider.number});
  Touch(provider);
}

void Scheduler::State::OnPauseOver(Provider& provider) {
  if (provider.pause != Pause::kUnreachable) {
    SetPause(provider, Pause::kNone, t.now);
  } else if (AnyPatience(provider)) {
    // Usable again, with its count: the next failure makes it unreachable for longer.
    ComeBack(provider);
  } else {
    RemoveFromMap(provider, Outcome::kRetryLater, provider.last_failure);
  }
}

void Scheduler::State::OnIdle(Provider& provider) {
  if (provider.idle()) CloseConnection(provider, "idle");
}

void Scheduler::State::Touch(Provider& provider) {
  ++t.stats.touched;
  if (provider.idle() && provider.condemned) {
    CloseConnection(provider, provider.last_failure);
    return;
  }
  if (provider.idle() != provider.keys.idle.has_value()) {
    if (provider.keys.idle) {
      t.timers.Disarm(
          {*provider.keys.idle + t.options.idle_timeout, TimerKind::kIdle, provider.number});
      t.providers.SetIdleSince(provider, std::nullopt);
    } else {
      t.timers.Arm({t.now + t.options.idle_timeout, TimerKind::kIdle, provider.number});
      t.providers.SetIdleSince(provider, t.now);
    }
  }
  t.providers.Refresh(provider);
}

}  // namespace blobd::schedule
