#include "schedule/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "schedule/invariants.h"
#include "schedule/state.h"
#include "schedule/view.h"

namespace blobd::schedule {

Scheduler::Scheduler(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Scheduler::~Scheduler() = default;

void Stats::Add(const Stats& more) {
  events += more.events;
  decisions += more.decisions;
  touched += more.touched;
  requests += more.requests;
  intents_finished += more.intents_finished;
  transfers_started += more.transfers_started;
  dials += more.dials;
  splits += more.splits;
  races += more.races;
  failures += more.failures;
  unreachable += more.unreachable;
  bans += more.bans;
  late_events += more.late_events;
}

void Scheduler::State::Apply(const Event& event) {
  std::visit(Overloaded{[&](const Queue& e) { OnQueue(e); },
                        [&](const Cancel& e) { OnLeave(e.id, false); },
                        [&](const Withdraw& e) { OnLeave(e.id, true); },
                        [&](const NodesHave& e) { OnNodesHave(e); },
                        [&](const StoreAnswered& e) { OnStoreAnswered(e); },
                        [&](const SetPaused& e) { OnSetPaused(e); },
                        [&](const Connected& e) { OnConnected(e); },
                        [&](const DialFailed& e) { OnDialFailed(e); },
                        [&](const Disconnected& e) { OnDisconnected(e); },
                        [&](const PathNews& e) { OnPathNews(e); },
                        [&](const NetworkBack&) { OnNetworkBack(); },
                        [&](const DiskRoom&) { ReleaseHeld(OwnFault::kDisk); },
                        [&](const BanWanted& e) { OnBanWanted(e); },
                        [&](const DisconnectWanted& e) { OnDisconnectWanted(e); },
                        [&](const Unban& e) { OnUnban(e.provider); },
                        [&](const ContentKnown& e) { OnContentKnown(e); },
                        [&](const ProviderHolds& e) { OnProviderHolds(e); },
                        [&](const Arrived& e) { OnArrived(e); },
                        [&](const BoundaryAccepted& e) { OnBoundaryAccepted(e); },
                        [&](const TransferProgress& e) { OnProgress(e); },
                        [&](const TransferHeld& e) { OnHeld(e); },
                        [&](const TransferEnded& e) { OnEnded(e); },
                        [&](const CancelTransfer& e) { OnCancelTransfer(e); },
                        [&](const SetLimits& e) { OnSetLimits(e); },
                        [&](const Drain&) { t.stopping = true; },
                        [&](const Tick&) {}},
             event);
}

void Scheduler::State::FireTimers() {
  while (const auto timer = t.timers.PopDue(t.now)) {
    Provider* provider = t.providers.FindNumber(timer->id);
    switch (timer->kind) {
      case TimerKind::kPauseOver:
        OnPauseOver(*provider);
        break;
      case TimerKind::kIdle:
        OnIdle(*provider);
        break;
      case TimerKind::kHoldOver:
        OnHoldOver(RequestId{timer->id});
        break;
      case TimerKind::kDeadline:
        OnDeadline(IntentId{timer->id});
        break;
      case TimerKind::kPatienceOver:
        OnPatienceOver(IntentId{timer->id});
        break;
      case TimerKind::kSlow:
        OnWindowOver(t.transfers.at(TransferId{timer->id}));
        break;
      case TimerKind::kAskAgain:
        OnAskAgain(t.requests.at(RequestId{timer->id}));
        break;
      case TimerKind::kSetAsideOver:
        OnSetAsideOver(t.requests.at(RequestId{timer->id}));
        break;
    }
  }
  while (const auto over = t.bans.PopOver(t.now)) Return(over->first, over->second);
}

void Scheduler::Step(Instant now, const Event& event, std::vector<Effect>& effects) {
  BLOBD_CHECK(now >= state_->t.now);
  state_->t.now = now;
  state_->out = &effects;
  ++state_->t.stats.events;
  // The event first: what ended in time is not undone by a deadline that passed while the news was
  // on its way.
  state_->Apply(event);
  state_->FireTimers();
  state_->Plan();
  state_->Sweep();
  state_->out = nullptr;
  state_->told.reset();
}

std::optional<Instant> Scheduler::NextDeadline() const {
  const std::optional<Instant> timer = state_->t.timers.next();
  const std::optional<Instant> ban = state_->t.bans.next();
  if (!timer || !ban) return timer ? timer : ban;
  return std::min(*timer, *ban);
}

void Scheduler::RestoreBan(const ProviderId& provider, Instant until, uint32_t times,
                           std::string reason) {
  state_->t.bans.Restore(provider, Ban{until, times, std::move(reason)});
}

std::optional<RequestView> Scheduler::ViewOfIntent(IntentId intent) const {
  const Request* request = state_->t.FindIntent(intent);
  if (request == nullptr) return std::nullopt;
  return ViewOf(state_->t, *request);
}

std::optional<RequestView> Scheduler::ViewOfKind(const Kind& kind) const {
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return std::nullopt;
  return ViewOf(state_->t, *request);
}

std::optional<RequestState> Scheduler::StateOfKind(const Kind& kind) const {
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return std::nullopt;
  return StateOf(state_->t, *request);
}

std::optional<RequestId> Scheduler::RequestOf(IntentId intent) const {
  const Request* request = state_->t.FindIntent(intent);
  if (request == nullptr) return std::nullopt;
  return request->id;
}

std::optional<RequestId> Scheduler::RequestOf(const Kind& kind) const {
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return std::nullopt;
  return request->id;
}

std::vector<IntentId> Scheduler::IntentsOf(const Kind& kind, size_t limit) const {
  std::vector<IntentId> intents;
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return intents;
  for (const auto& [id, intent] : request->intents) {
    if (intents.size() == limit) break;
    intents.push_back(id);
  }
  return intents;
}

std::vector<ProviderId> Scheduler::ProvidersOf(const Kind& kind) const {
  std::vector<ProviderId> providers;
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return providers;
  for (const ProviderLink& link : request->wanted->providers) {
    providers.push_back(link.provider->id);
  }
  return providers;
}

std::optional<Why> Scheduler::WhyOfIntent(IntentId intent) const {
  const Request* request = state_->t.FindIntent(intent);
  if (request == nullptr) return std::nullopt;
  return WhyOf(state_->t, *request);
}

std::optional<Why> Scheduler::WhyOfKind(const Kind& kind) const {
  const Request* request = state_->t.FindKind(kind);
  if (request == nullptr) return std::nullopt;
  return WhyOf(state_->t, *request);
}

std::vector<ProviderId> Scheduler::Banned(const std::vector<ProviderId>& providers,
                                          Instant now) const {
  std::vector<ProviderId> banned;
  for (const ProviderId& provider : providers) {
    if (state_->t.bans.Banned(provider, now)) banned.push_back(provider);
  }
  return banned;
}

std::vector<BanView> Scheduler::ListBans(const std::optional<ProviderId>& after, size_t limit,
                                         Instant now) const {
  return state_->t.bans.List(after, limit, now);
}

std::vector<ProviderId> Scheduler::BansEnded(Instant after, Instant now) const {
  return state_->t.bans.Ended(after, now);
}

std::optional<BanView> Scheduler::FindBan(const ProviderId& provider, Instant now) const {
  if (!state_->t.bans.Banned(provider, now)) return std::nullopt;
  const Ban& ban = *state_->t.bans.Find(provider);
  return BanView{provider, ban.until, ban.times, ban.reason};
}

size_t Scheduler::unfinished_requests() const { return state_->t.requests.size(); }
size_t Scheduler::requests_held_by_disk() const { return state_->t.held_by_disk; }
size_t Scheduler::running_transfers() const { return state_->t.transfers.size(); }
const Limits& Scheduler::limits() const { return state_->t.options.limits; }
const Stats& Scheduler::stats() const { return state_->t.stats; }
uint64_t Scheduler::next_transfer_id() const { return state_->t.next_transfer; }
uint64_t Scheduler::next_request_id() const { return state_->t.next_request; }
void Scheduler::CheckInvariants() const { schedule::CheckInvariants(state_->t); }

}  // namespace blobd::schedule
