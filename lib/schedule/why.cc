// WhyOf: what a request waits for, as values. The sentences are view.cc's.
#include <algorithm>

#include "schedule/next_step.h"
#include "schedule/view.h"

namespace blobd::schedule {
namespace {

std::vector<Wait> Describe(const Tables& tables, const NextStep::Waits& waits) {
  if (waits.shutdown) return {{WaitFact::kNextStart}};
  if (waits.resumption) return {{WaitFact::kResumption}};
  std::vector<Wait> facts;
  if (waits.request_slot && !waits.parked()) {
    return {{WaitFact::kRequestSlot, tables.running_requests + tables.ending_requests}};
  }
  if (waits.busy > 0) facts.push_back({WaitFact::kProviderSlot, waits.busy});
  if (waits.dialling > 0) facts.push_back({WaitFact::kDial, waits.dialling});
  if (waits.dials) facts.push_back({WaitFact::kDialLimit});
  if (waits.connection) facts.push_back({WaitFact::kConnection, tables.providers.connections()});
  if (waits.paused > 0) facts.push_back({WaitFact::kRetry, waits.paused, waits.until});
  return facts;
}

const Refusal* FindRefusal(const Request& request, uint64_t number) {
  if (request.trouble == nullptr) return nullptr;
  for (const Refusal& refusal : request.trouble->refused) {
    if (refusal.provider == number && refusal.active) return &refusal;
  }
  return nullptr;
}

void DescribeStanding(const Tables& tables, const Request& request, const Provider& provider,
                      ProviderWhy& why) {
  const bool used =
      std::any_of(request.transfers.begin(), request.transfers.end(),
                  [&](TransferId id) { return tables.transfers.at(id).provider == &provider; });
  if (used) {
    why.standing = ProviderStanding::kUsed;
    return;
  }
  if (request.SetsAside(provider.number)) {
    why.standing = ProviderStanding::kSetAside;
    why.until = request.trouble->set_aside_until;
    return;
  }
  if (const Refusal* refusal = FindRefusal(request, provider.number)) {
    why.standing = ProviderStanding::kWithoutContent;
    why.until = refusal->until;
    return;
  }
  if (provider.usable() && !request.CouldUse(provider)) {
    why.standing = ProviderStanding::kWithoutContent;  // of what it holds nothing is missing
    return;
  }
  if (provider.pause != Pause::kNone) why.until = provider.pause_until;
  switch (provider.pause) {
    case Pause::kRetry:
      why.standing = ProviderStanding::kFailed;
      return;
    case Pause::kBusy:
      why.standing = ProviderStanding::kAskedToWait;
      return;
    case Pause::kLocalFault:
      why.standing = ProviderStanding::kOwnFault;
      return;
    case Pause::kUnreachable:
      why.standing = ProviderStanding::kUnreachable;
      return;
    case Pause::kNone:
      break;
  }
  if (provider.link == Link::kDialling) {
    why.standing = ProviderStanding::kDialling;
  } else if (!provider.CanBeDialled() && !provider.CanTake(tables.options)) {
    why.standing = ProviderStanding::kBusy;
  }
}

}  // namespace

Why WhyOf(const Tables& tables, const Request& request) {
  Why why;
  why.request = request.id;
  why.kind = request.kind;
  why.state = StateOf(tables, request);
  why.since = request.since;
  switch (request.stage) {
    case Stage::kUnsettled:
    case Stage::kInStore:
      why.waits = {{WaitFact::kStore}};
      break;
    case Stage::kRunning:
      break;
    case Stage::kHeld: {
      const Trouble& trouble = *request.trouble;
      const bool disk = trouble.own_fault == OwnFault::kDisk;
      why.waits = {{disk ? WaitFact::kDisk : WaitFact::kNetwork, 0, trouble.held_until}};
      break;
    }
    case Stage::kPaused:
      why.waits = {{WaitFact::kItsCallers}};
      break;
    case Stage::kStranded: {
      const Instant again =
          request.trouble == nullptr ? Instant::Max() : request.trouble->ask_again;
      if (!request.SetsAside()) why.waits = {{WaitFact::kProvider, 0, again}};
      break;
    }
    case Stage::kQueued:
      why.waits = Describe(tables, DecideNextStep(tables, request).waits);
      break;
  }
  const bool looks_for_one =
      request.stage == Stage::kStranded || (request.stage == Stage::kQueued && !why.waits.empty());
  if (request.SetsAside() && looks_for_one) {
    const Trouble& trouble = *request.trouble;
    why.waits.push_back({WaitFact::kRetry, static_cast<uint32_t>(trouble.set_aside.size()),
                         trouble.set_aside_until});
  }
  const Failures failures = FailuresOf(request);
  const FailureIndex index(failures.begin(), failures.end());
  std::vector<bool> said(failures.size());
  for (const ProviderLink& link : request.wanted->providers) {
    ProviderWhy& one = why.providers.emplace_back();
    one.provider = link.provider->id;
    one.failures = link.provider->failures;
    if (const ProviderFailure* last = index.Find(one.provider)) {
      one.last_error = last->reason;
      said[static_cast<size_t>(last - failures.begin())] = true;
    }
    DescribeStanding(tables, request, *link.provider, one);
    if (why.waits.size() == 1 && one.standing == ProviderStanding::kUnreachable) {
      Wait& wait = why.waits.front();
      if (wait.fact == WaitFact::kProvider) wait.until = std::min(wait.until, one.until);
    }
  }
  for (size_t i = 0; i < failures.size(); ++i) {
    if (said[i]) continue;
    ProviderWhy& gone = why.providers.emplace_back();
    gone.provider = failures[i].provider;
    gone.standing = ProviderStanding::kWithoutContent;
    gone.last_error = failures[i].reason;
    if (!tables.bans.Banned(gone.provider, tables.now)) continue;
    gone.standing = ProviderStanding::kBanned;
    gone.until = tables.bans.Find(gone.provider)->until;
  }
  return why;
}

}  // namespace blobd::schedule
