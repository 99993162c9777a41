// Scheduler::State, the plan: after every event, start what can be started; and what a changed
// limit brings.
#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "schedule/limits.h"
#include "schedule/state.h"

namespace blobd::schedule {
namespace {
// Of so many freed slots in a row one goes by place alone, so that no priority starves another for
// ever.
constexpr uint32_t kFairSlot = 16;
}  // namespace

void Scheduler::State::Plan() {
  do {
    while (MoveOne()) {
    }
  } while (ChooseDraining());
}

// Whoever is first in order: for a first transfer, a dial or a further part. A running request has
// nobody dialled while another waits for a connection.
bool Scheduler::State::MoveOne() {
  if (t.stopping || t.paused) return false;
  Request* first = FirstThatCanMove();
  const auto& more = t.providers.ready_more();
  if (!more.empty()) {
    Provider& provider = *more.First().provider;
    if (first == nullptr || more.First().key < first->order()) {
      TakeMore(*provider.more.First(), provider);
      return true;
    }
  }
  if (first != nullptr) {
    Carry(*first);
    return true;
  }
  const auto& dialable = t.providers.dialable_more();
  if (dialable.empty() || !t.HasConnectionSlot() || !t.providers.dialable().empty()) return false;
  Provider& provider = *dialable.First().provider;
  Request& request = *provider.more.First();
  if (request.wanted->dials + request.transfers.size() < t.options.parts_per_request &&
      request.wanted->dials < t.limits().dials_per_hash && WouldTake(request, provider)) {
    StartDial(request, provider);
  } else {
    LeaveMore(request, provider);
  }
  return true;
}

// The first in order among those that can start and those that can dial. Nobody else is looked at:
// who must wait hangs in the queues of its providers.
Request* Scheduler::State::FirstThatCanMove() {
  if (!t.HasRequestSlot()) return nullptr;
  Request* start = nullptr;
  if (!t.providers.ready().empty()) {
    if (t.passed_over + 1 >= kFairSlot) {
      return t.providers.ready_by_place().First().provider->waiting.FirstByPlace();
    }
    start = t.providers.ready().First().provider->waiting.First();
  }
  Request* dial = nullptr;
  if (!t.providers.dialable().empty() && (t.HasConnectionSlot() || !t.providers.idle().empty())) {
    dial = t.providers.FirstToDial(*t.providers.dialable().First().provider);
  }
  if (start == nullptr || dial == nullptr) return start != nullptr ? start : dial;
  return dial->order() < start->order() ? dial : start;
}

void Scheduler::State::Carry(Request& request) {
  ++t.stats.decisions;
  const NextStep step = DecideNextStep(t, request);
  switch (step.what) {
    case NextStep::What::kStart: {
      Request& next = NextFor(*step.provider, request);
      CountPassedOver(next);
      StartOn(next, *step.provider);
      return;
    }
    case NextStep::What::kDropIdleAndDial:
      CloseConnection(*step.idle, "makes room for another");
      StartDial(request, *step.provider);
      return;
    case NextStep::What::kDial:
      StartDial(request, *step.provider);
      return;
    case NextStep::What::kWait:
    case NextStep::What::kPark:
    case NextStep::What::kOutOfProviders:
      break;
  }
  CheckFailed("the indexes named a request that can do nothing", __FILE__, __LINE__);
}

Request& Scheduler::State::NextFor(Provider& provider, Request& first) {
  Request* by_place = provider.waiting.FirstByPlace();
  if (first.place <= by_place->place) {
    provider.passed_over = 0;
    return first;
  }
  if (++provider.passed_over < kFairSlot) return first;
  provider.passed_over = 0;
  return *by_place;
}

void Scheduler::State::CountPassedOver(const Request& started) {
  const bool passed = t.providers.ready_by_place().First().key < started.place;
  t.passed_over = passed ? t.passed_over + 1 : 0;
}

bool Scheduler::State::ChooseDraining() {
  Provider* before = t.draining;
  const bool needed = !t.stopping && !t.paused && !t.providers.dialable().empty() &&
                      !t.HasConnectionSlot() && t.providers.idle().empty();
  if (needed) {
    const Order order = t.providers.dialable().First().key;
    if (before != nullptr && *before->keys.connected > order) return false;
    SetDraining(EndsSoonestAfter(order));
  } else {
    SetDraining(nullptr);
  }
  return before != nullptr;
}

// Among the connected nodes for which nobody waits that comes before `order`, the one whose work
// ends soonest as far as is known: by what remains at the speed so far, then by the number of its
// transfers, then by number.
Provider* Scheduler::State::EndsSoonestAfter(const Order& order) const {
  Provider* soonest = nullptr;
  double soonest_seconds = 0;
  const auto& connected = t.providers.connected().entries();
  for (auto it = connected.rbegin(); it != connected.rend() && it->key > order; ++it) {
    double seconds = 0;
    t.stats.touched += 1 + it->provider->transfers.size();
    for (const TransferId id : it->provider->transfers) {
      const Transfer& transfer = t.transfers.at(id);
      if (transfer.ending) continue;
      const Request& request = t.requests.at(transfer.request);
      double remaining = 1e18;  // not known: after everything that is
      if (request.total_bytes > request.verified_bytes && transfer.moved_bytes > 0) {
        const double took = std::chrono::duration<double>(t.now - transfer.started).count();
        remaining = static_cast<double>(request.total_bytes - request.verified_bytes) * took /
                    static_cast<double>(transfer.moved_bytes);
      }
      seconds = std::max(seconds, remaining);
    }
    const auto sooner = [&] {
      if (seconds != soonest_seconds) return seconds < soonest_seconds;
      if (it->provider->running != soonest->running)
        return it->provider->running < soonest->running;
      return it->provider->number < soonest->number;
    };
    if (soonest == nullptr || sooner()) {
      soonest = it->provider;
      soonest_seconds = seconds;
    }
  }
  return soonest;
}

void Scheduler::State::SetDraining(Provider* provider) {
  if (t.draining == provider) return;
  Provider* before = t.draining;
  t.draining = provider;
  if (before != nullptr) {
    before->draining = false;
    Touch(*before);
  }
  if (provider != nullptr) {
    provider->draining = true;
    Touch(*provider);
  }
}

void Scheduler::State::StopSurplus(const std::vector<TransferId>& surplus,
                                   std::vector<Request*>& detached) {
  for (const TransferId id : surplus) {
    Transfer& transfer = t.transfers.at(id);
    detached.push_back(&t.requests.at(transfer.request));
    Stop(transfer);
  }
}

void Scheduler::State::OnSetLimits(const SetLimits& event) {
  if (!IsValid(event.limits)) return;
  t.options.limits = event.limits;
  t.providers.RefreshAll();
  std::vector<Request*> detached;
  for (Provider* provider : SurplusConnections(t)) {
    if (provider->link == Link::kDialling) {
      Emit(GiveUpDial{std::get<NodeId>(provider->id)});
      EndDial(*provider, Link::kDown);
      continue;
    }
    const std::vector<Request*> stopped = DetachAll(*provider, /*stop=*/true);
    detached.insert(detached.end(), stopped.begin(), stopped.end());
    // A condemned connection has closed itself when its last transfer was stopped.
    if (provider->link == Link::kUp)
      CloseConnection(*provider, "the limit of connections was lowered");
  }
  StopSurplus(SurplusOfRequests(t), detached);
  std::set<std::pair<uint64_t, Provider*>> working;
  for (const auto& [id, transfer] : t.transfers) {
    if (!transfer.ending) working.insert({transfer.provider->number, transfer.provider});
  }
  for (const auto& [number, provider] : working) StopSurplus(SurplusOf(t, *provider), detached);
  SettleAll(detached);
}

}  // namespace blobd::schedule
