#include "schedule/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "schedule/next_step.h"

namespace blobd::schedule {
namespace {

std::string Count(uint32_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string In(const Tables& tables, Instant at) {
  return at > tables.now ? "in " + FormatDuration(at - tables.now) : "now";
}

// "a", "a or b", "a, b or c".
std::string Or(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " or " : ", ";
    text += items[i];
  }
  return text;
}

std::string Describe(const Tables& tables, const NextStep::Waits& waits) {
  if (waits.resumption) return "waits until everything is resumed";
  if (waits.shutdown) return "waits for the next start: blobd is shutting down";
  if (waits.request_slot && !waits.parked()) {
    return fmt::format("waits for its turn: {} of {} requests are running",
                       tables.running_requests + tables.ending_requests, tables.limits().requests);
  }
  std::vector<std::string> on;
  if (waits.busy > 0) on.push_back("a free slot on " + Count(waits.busy, "connected provider"));
  if (waits.dialling > 0) on.push_back(Count(waits.dialling, "running dial"));
  if (waits.dials) on.push_back("another dial (the limit per hash is reached)");
  if (waits.connection) {
    on.push_back(fmt::format("a connection ({} of {} are in use)", tables.providers.connections(),
                             tables.limits().connections));
  }
  if (waits.paused > 0) {
    on.push_back(fmt::format("{} to be tried again {}", Count(waits.paused, "provider"),
                             In(tables, waits.until)));
  }
  return "waits for " + Or(on);
}

std::string DescribeStranded(const Tables& tables, const Request& request) {
  if (request.SetsAside()) {
    return fmt::format(
        "waits for its provider, of which a transfer was cancelled, to be used again {}",
        In(tables, request.trouble->set_aside_until));
  }
  if (request.wanted->providers.empty()) return "waits for a provider: none is known";
  Instant next = Instant::Max();
  uint32_t unreachable = 0;
  for (const ProviderLink& link : request.wanted->providers) {
    if (link.provider->usable() || request.Refuses(link.provider->number)) continue;
    ++unreachable;
    next = std::min(next, link.provider->pause_until);
  }
  const auto others = static_cast<uint32_t>(request.wanted->providers.size()) - unreachable;
  std::vector<std::string> why;
  if (unreachable > 0) {
    why.push_back(fmt::format("{} unreachable, tried again {}", unreachable, In(tables, next)));
  }
  if (others > 0) why.push_back(fmt::format("{} without the content", others));
  return "waits for a provider: " + fmt::format("{}", fmt::join(why, "; "));
}

// Parked is a fact about its providers, whatever else keeps it; a request that waits for its turn
// only is queued.
RequestState StateOf(const NextStep& step) {
  if (step.waits.parked()) return RequestState::kParked;
  if (step.waits.request_slot) return RequestState::kQueued;
  const bool waits =
      step.what == NextStep::What::kWait || step.what == NextStep::What::kOutOfProviders;
  return waits ? RequestState::kWaiting : RequestState::kQueued;
}

void DescribeState(const Tables& tables, const Request& request, RequestView& view) {
  switch (request.stage) {
    case Stage::kUnsettled:
    case Stage::kInStore:
      view.state = RequestState::kInStore;
      view.waits_for = "waits for the store to say what it has";
      return;
    case Stage::kRunning:
      view.state = RequestState::kRunning;
      return;
    case Stage::kHeld:
      view.state = RequestState::kWaiting;
      view.waits_for =
          fmt::format("waits for {}, tried again {}: {}",
                      request.trouble->own_fault == OwnFault::kDisk ? "the disk" : "the network",
                      In(tables, request.trouble->held_until), request.trouble->held_reason);
      return;
    case Stage::kPaused:
      view.state = RequestState::kPaused;
      view.waits_for = "is paused by its callers";
      return;
    case Stage::kStranded:
      view.state = RequestState::kWaiting;
      view.waits_for = DescribeStranded(tables, request);
      return;
    case Stage::kQueued:
      break;
  }
  const NextStep step = DecideNextStep(tables, request);
  view.state = StateOf(step);
  const bool can_go = view.state == RequestState::kQueued && !step.waits.request_slot;
  view.waits_for = can_go ? "is about to start" : Describe(tables, step.waits);
}

}  // namespace

FailureIndex::FailureIndex(const ProviderFailure* begin, const ProviderFailure* end) {
  for (const ProviderFailure* each = begin; each != end; ++each) sorted_.push_back(each);
  std::sort(sorted_.begin(), sorted_.end(),
            [](const auto* a, const auto* b) { return a->provider < b->provider; });
}

const ProviderFailure* FailureIndex::Find(const ProviderId& provider) const {
  const auto at = std::lower_bound(
      sorted_.begin(), sorted_.end(), provider,
      [](const ProviderFailure* each, const ProviderId& id) { return each->provider < id; });
  return at == sorted_.end() || (*at)->provider != provider ? nullptr : *at;
}

Failures FailuresOf(const Request& request) {
  std::vector<ProviderFailure> failures;
  if (request.trouble != nullptr) failures = request.trouble->failures;
  const Failures of_it(failures);
  const FailureIndex told(of_it.begin(), of_it.end());
  for (const ProviderLink& link : request.wanted->providers) {
    const Provider& provider = *link.provider;
    if (provider.last_failure.empty()) continue;
    // What it said of this very request tells more than its last failure with any.
    if (told.Find(provider.id) != nullptr) continue;
    failures.push_back({provider.id, Outcome::kRetryLater, provider.last_failure});
  }
  return Failures(std::move(failures));
}

RequestState StateOf(const Tables& tables, const Request& request) {
  RequestView view;
  DescribeState(tables, request, view);
  return view.state;
}

RequestView ViewOf(const Tables& tables, const Request& request) {
  RequestView view;
  view.id = request.id;
  view.kind = request.kind;
  view.verified_bytes = request.verified_bytes;
  view.total_bytes = request.total_bytes;
  view.intents = request.intents.size();
  if (!request.intents.empty()) view.first_intent = request.intents.begin()->first;
  view.priority = request.priority;
  view.since = request.since;
  view.providers = request.wanted->providers.size();
  view.transfers = request.transfers;
  view.failures = FailuresOf(request);
  DescribeState(tables, request, view);
  return view;
}

}  // namespace blobd::schedule
