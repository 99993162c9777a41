#include "schedule/invariants.h"

#include <absl/container/btree_set.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/check.h"
#include "schedule/limits.h"
#include "schedule/next_step.h"

namespace blobd::schedule {
namespace {

// Only a race has a range twice; what is pending is with nobody; further parts need a proven size.
void CheckParts(const Tables& tables, const Request& request) {
  BLOBD_CHECK(request.transfers.size() <= 1 || request.content != nullptr);
  BLOBD_CHECK(request.transfers.size() <= tables.options.parts_per_request);
  uint32_t more = 0;
  for (const ProviderLink& link : request.wanted->providers) {
    more += link.provider->more.Contains(request) ? 1 : 0;
  }
  BLOBD_CHECK(more == request.more);
  BLOBD_CHECK(more == 0 || (request.stage == Stage::kRunning && request.content->length > 0));
  if (request.content == nullptr) return;
  const Content& content = *request.content;
  RangeSet taken = content.pending;
  bool lowering = false;
  for (const TransferId id : request.transfers) {
    const Transfer& transfer = tables.transfers.at(id);
    lowering |= transfer.lowering;
    BLOBD_CHECK(transfer.part || content.length == 0);
    if (!transfer.part) continue;
    BLOBD_CHECK(transfer.position >= transfer.part->begin);
    BLOBD_CHECK(transfer.position <= transfer.part->end && transfer.part->end <= content.length);
    if (transfer.rival) {
      BLOBD_CHECK(tables.transfers.at(transfer.rival).rival == id);
      if (id < transfer.rival) continue;
    }
    BLOBD_CHECK(!taken.Intersects(transfer.rest()));
    taken.Insert(transfer.rest());
  }
  BLOBD_CHECK(lowering == content.lowering);
}

// Every request has an intent, one state, and stands exactly where its state says.
void CheckRequest(const Tables& tables, const Request& request) {
  BLOBD_CHECK(!request.intents.empty());
  BLOBD_CHECK(request.stage != Stage::kUnsettled);
  BLOBD_CHECK(request.priority == request.HighestPriority());
  BLOBD_CHECK(request.wanted == tables.map.Find(request.kind.hash));
  BLOBD_CHECK(request.wanted->requests[static_cast<size_t>(request.kind.format)] == &request);
  BLOBD_CHECK((request.stage == Stage::kRunning) == !request.transfers.empty());
  CheckParts(tables, request);

  std::array<uint32_t, 3> of_priority{};
  for (const auto& [id, intent] : request.intents) {
    BLOBD_CHECK(intent.id == id);
    BLOBD_CHECK(tables.intents.at(intent.id) == &request);
    BLOBD_CHECK(!intent.patience_armed || request.stage == Stage::kStranded);
    // Out of patience and no provider: it has ended.
    BLOBD_CHECK(request.stage != Stage::kStranded || tables.stopping || tables.paused ||
                intent.paused || request.SetsAside() || intent.patience_over > tables.now);
    if (!intent.paused) ++of_priority[static_cast<size_t>(intent.priority)];
  }
  BLOBD_CHECK(of_priority == request.intents_of_priority);

  BLOBD_CHECK(request.paused() == (request.stage == Stage::kPaused) ||
              request.stage == Stage::kInStore);
  BLOBD_CHECK(tables.held.contains(request.id) == (request.stage == Stage::kHeld));

  // It stands in the queue of every provider it could use, and of no other.
  uint32_t usable = 0;
  for (const ProviderLink& link : request.wanted->providers) {
    const bool could_use = request.CouldUse(*link.provider);
    const bool queued = link.provider->waiting.Contains(request);
    BLOBD_CHECK(queued == (could_use && request.stage == Stage::kQueued));
    BLOBD_CHECK(!could_use || request.stage != Stage::kStranded);
    usable += queued ? 1 : 0;
  }
  BLOBD_CHECK(usable == request.usable);
  BLOBD_CHECK((usable > 0) == (request.stage == Stage::kQueued));
  if (request.trouble == nullptr) return;
  for (const Refusal& refusal : request.trouble->refused) {
    const auto& links = request.wanted->providers;
    BLOBD_CHECK(std::any_of(links.begin(), links.end(), [&](const ProviderLink& link) {
      return link.provider->number == refusal.provider && !link.standing;
    }));
  }
}

// Nothing that could be done is left undone: at rest the decision for a queued request is to wait
// or to park.
void CheckNothingToDo(const Tables& tables, const Request& request) {
  if (request.stage != Stage::kQueued) return;
  const NextStep step = DecideNextStep(tables, request);
  BLOBD_CHECK(step.what == NextStep::What::kWait || step.what == NextStep::What::kPark);
}

// The provider map is consistent in both directions.
void CheckMap(const Tables& tables) {
  tables.map.ForEach([&](const WantedHash& wanted) {
    BLOBD_CHECK(tables.map.Find(wanted.hash) == &wanted && wanted.wanted());
    BLOBD_CHECK(wanted.providers.size() <= tables.options.providers_per_hash);
    std::set<const Provider*> seen;
    uint32_t dials = 0;
    for (size_t i = 0; i < wanted.providers.size(); ++i) {
      const ProviderLink& link = wanted.providers[i];
      BLOBD_CHECK(seen.insert(link.provider).second);
      const HashLink& back = link.provider->hashes.at(link.at);
      BLOBD_CHECK(back.hash == &wanted && back.at == i);
      BLOBD_CHECK(tables.providers.Find(link.provider->id) == link.provider);
      BLOBD_CHECK(link.provider->id != ProviderId(tables.options.self));
      BLOBD_CHECK(!tables.bans.Banned(link.provider->id, tables.now));
      dials += link.provider->sponsor == &wanted ? 1 : 0;
    }
    BLOBD_CHECK(dials == wanted.dials);
  });
}

void CheckIndexKeys(const Tables& tables, const Provider& provider) {
  const Request* first = provider.waiting.First();
  const IndexKeys& keys = provider.keys;
  BLOBD_CHECK(keys.ready.has_value() == (first != nullptr && provider.CanTake(tables.options)));
  const Request* more = provider.more.First();
  BLOBD_CHECK(keys.ready_more.has_value() == (more != nullptr && provider.CanTake(tables.options)));
  BLOBD_CHECK(keys.dialable_more.has_value() == (more != nullptr && provider.CanBeDialled()));
  BLOBD_CHECK(more == nullptr || provider.usable());
  BLOBD_CHECK(keys.ready.has_value() == keys.ready_by_place.has_value());
  if (keys.ready) {
    BLOBD_CHECK(*keys.ready == first->order());
    BLOBD_CHECK(*keys.ready_by_place == provider.waiting.FirstByPlace()->place);
  }
  const Request* dialler =
      provider.CanBeDialled() ? tables.providers.FirstToDial(provider) : nullptr;
  BLOBD_CHECK(keys.dialable.has_value() == (dialler != nullptr));
  if (dialler != nullptr) BLOBD_CHECK(*keys.dialable == dialler->order());
  BLOBD_CHECK(keys.connected.has_value() == (provider.link == Link::kUp));
  if (keys.connected) {
    BLOBD_CHECK(*keys.connected == (first != nullptr ? first->order() : Order::Last()));
  }
  // A provider is idle exactly when it has no running transfer.
  BLOBD_CHECK(keys.idle.has_value() == provider.idle());
}

void CheckProvider(const Tables& tables, const Provider& provider) {
  BLOBD_CHECK(provider.is_mirror == std::holds_alternative<MirrorUrl>(provider.id));
  BLOBD_CHECK(!provider.is_mirror || provider.link == Link::kDown);
  BLOBD_CHECK(!provider.condemned || (provider.link == Link::kUp && provider.running > 0));
  BLOBD_CHECK(!provider.draining || (&provider == tables.draining && provider.link == Link::kUp));
  BLOBD_CHECK(provider.sponsor == nullptr || provider.link == Link::kDialling);
  BLOBD_CHECK(provider.usable() || provider.waiting.empty());
  BLOBD_CHECK(provider.pause == Pause::kNone || provider.pause_until > tables.now);
  // A provider nobody needs is only kept for its connection or for transfers that end, and holds no
  // grudge.
  if (provider.hashes.empty()) {
    BLOBD_CHECK(provider.link == Link::kUp || !provider.transfers.empty());
    BLOBD_CHECK(provider.link != Link::kDialling);
    BLOBD_CHECK(provider.waiting.empty() && provider.pause == Pause::kNone &&
                provider.failures == 0);
  }
  uint32_t running = 0;
  for (const TransferId id : provider.transfers) {
    const Transfer& transfer = tables.transfers.at(id);
    BLOBD_CHECK(transfer.provider == &provider);
    running += transfer.ending ? 0 : 1;
  }
  BLOBD_CHECK(running == provider.running);
  BLOBD_CHECK(running <= provider.Capacity(tables.options));
  provider.waiting.ForEach([&](const Request& request) {
    BLOBD_CHECK(request.stage == Stage::kQueued);
    BLOBD_CHECK(ProviderMap::Linked(*request.wanted, provider));
  });
  CheckIndexKeys(tables, provider);
}

// Every transfer has a connected provider or a mirror, and a request, unless it is ending.
void CheckTransfers(const Tables& tables) {
  std::set<RequestId> ending;
  for (const auto& [id, transfer] : tables.transfers) {
    BLOBD_CHECK(id == transfer.id && id.value < tables.next_transfer);
    const auto& held = transfer.provider->transfers;
    BLOBD_CHECK(std::count(held.begin(), held.end(), id) == 1);
    if (transfer.ending) {
      ending.insert(transfer.request);
      continue;
    }
    BLOBD_CHECK(transfer.provider->is_mirror || transfer.provider->link == Link::kUp);
    const auto& owned = tables.requests.at(transfer.request).transfers;
    BLOBD_CHECK(std::count(owned.begin(), owned.end(), id) == 1);
  }
  for (const auto& [id, request] : tables.requests) {
    if (request.stage == Stage::kRunning) ending.erase(id);
  }
  BLOBD_CHECK(ending.size() == tables.ending_requests);
}

// Every limit is kept by what runs; counters agree with what they count.
void CheckLimits(const Tables& tables) {
  BLOBD_CHECK(IsValid(tables.limits()));
  uint32_t running = 0;
  for (const auto& [id, request] : tables.requests)
    running += request.stage == Stage::kRunning ? 1 : 0;
  BLOBD_CHECK(running == tables.running_requests);
  BLOBD_CHECK(running <= tables.limits().requests);
  BLOBD_CHECK(running == 0 || !tables.paused);
  uint32_t connections = 0;
  uint32_t connected = 0;
  uint32_t idle = 0;
  uint32_t ready = 0;
  uint32_t dialable = 0;
  for (const auto& [id, provider] : tables.providers.providers()) {
    connections += provider.link != Link::kDown ? 1 : 0;
    connected += provider.keys.connected ? 1 : 0;
    idle += provider.keys.idle ? 1 : 0;
    ready += provider.keys.ready ? 1 : 0;
    dialable += provider.keys.dialable ? 1 : 0;
  }
  BLOBD_CHECK(connections == tables.providers.connections());
  BLOBD_CHECK(connections <= tables.limits().connections);
  BLOBD_CHECK(connected == tables.providers.connected().size());
  BLOBD_CHECK(idle == tables.providers.idle().size());
  BLOBD_CHECK(ready == tables.providers.ready().size());
  BLOBD_CHECK(ready == tables.providers.ready_by_place().size());
  BLOBD_CHECK(dialable == tables.providers.dialable().size());
  BLOBD_CHECK(tables.draining == nullptr || tables.draining->draining);
}

// A timer is armed exactly for what needs it: nothing is forgotten, nothing fires for what is gone.
void CheckTimers(const Tables& tables) {
  absl::btree_set<Timer> due;
  const auto expect = [&](const Timer& timer) {
    if (timer.at != Instant::Max()) due.insert(timer);
  };
  for (const auto& [id, provider] : tables.providers.providers()) {
    if (provider.pause != Pause::kNone) {
      expect({provider.pause_until, TimerKind::kPauseOver, provider.number});
    }
    if (provider.keys.idle) {
      expect(
          {*provider.keys.idle + tables.options.idle_timeout, TimerKind::kIdle, provider.number});
    }
  }
  for (const auto& [id, request] : tables.requests) {
    if (request.stage == Stage::kHeld) {
      expect({request.trouble->held_until, TimerKind::kHoldOver, request.id.value});
    }
    if (request.trouble != nullptr) {
      const Instant over = request.trouble->set_aside_until;
      BLOBD_CHECK(request.SetsAside() == (over != Instant::Max()));
      expect({over, TimerKind::kSetAsideOver, request.id.value});
    }
    if (request.stage == Stage::kStranded && request.trouble != nullptr) {
      expect({request.trouble->ask_again, TimerKind::kAskAgain, request.id.value});
    }
    for (const auto& [intent_id, intent] : request.intents) {
      expect({intent.deadline, TimerKind::kDeadline, intent.id.value});
      const bool armed = intent.patience_armed;
      if (armed) expect({intent.patience_over, TimerKind::kPatienceOver, intent.id.value});
      const bool needs_none = tables.stopping || intent.paused || request.SetsAside() ||
                              (tables.paused && intent.patience_over <= tables.now);
      BLOBD_CHECK(armed || request.stage != Stage::kStranded || needs_none ||
                  intent.patience_over == Instant::Max());
    }
  }
  for (const auto& [id, transfer] : tables.transfers) {
    if (transfer.ending || transfer.held) continue;
    expect({transfer.window_started + tables.options.stall_window, TimerKind::kSlow, id.value});
  }
  BLOBD_CHECK(due == tables.timers.timers());
  BLOBD_CHECK(due.empty() || due.begin()->at > tables.now);
}

}  // namespace

void CheckInvariants(const Tables& tables) {
  size_t intents = 0;
  size_t held_by_disk = 0;
  for (const auto& [id, request] : tables.requests) {
    BLOBD_CHECK(id == request.id && id.value < tables.next_request);
    CheckRequest(tables, request);
    CheckNothingToDo(tables, request);
    intents += request.intents.size();
    if (request.stage == Stage::kHeld && request.trouble->own_fault == OwnFault::kDisk)
      ++held_by_disk;
  }
  BLOBD_CHECK(intents == tables.intents.size());
  BLOBD_CHECK(held_by_disk == tables.held_by_disk);
  CheckMap(tables);
  for (const auto& [id, provider] : tables.providers.providers()) {
    BLOBD_CHECK(id == provider.id);
    CheckProvider(tables, provider);
  }
  CheckTransfers(tables);
  CheckLimits(tables);
  CheckTimers(tables);
}

}  // namespace blobd::schedule
