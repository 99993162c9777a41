#include "schedule/next_step.h"

#include <algorithm>

namespace blobd::schedule {
namespace {

// Step 2: the preferred kind, least active transfers, then measured throughput (unmeasured ones
// first), then RTT, then id.
bool BetterToUse(const Provider& a, const Provider& b, Preference preference) {
  if (a.is_mirror != b.is_mirror && preference != Preference::kThroughput) {
    return a.is_mirror == (preference == Preference::kMirrors);
  }
  if (a.transfers.size() != b.transfers.size()) return a.transfers.size() < b.transfers.size();
  const bool a_measured = a.bytes_per_second > 0;
  const bool b_measured = b.bytes_per_second > 0;
  if (a_measured != b_measured) return b_measured;
  if (a.bytes_per_second != b.bytes_per_second) return a.bytes_per_second > b.bytes_per_second;
  if (a.rtt != b.rtt) return a.rtt < b.rtt;
  return a.id < b.id;
}

// Step 3: a working path, then fewest failures, then latest success; the caller goes through them
// in the order given.
bool BetterToDial(const Provider& a, const Provider& b) {
  if (a.path_works != b.path_works) return a.path_works;
  if (a.failures != b.failures) return a.failures < b.failures;
  return a.last_success > b.last_success;
}

}  // namespace

NextStep DecideNextStep(const Tables& tables, const Request& request) {
  NextStep step;
  Provider* to_use = nullptr;
  Provider* to_dial = nullptr;
  for (const ProviderLink& link : request.wanted->providers) {
    Provider& provider = *link.provider;
    ++tables.stats.touched;
    if (!request.CouldUse(provider)) continue;
    if (provider.CanTake(tables.options)) {
      ++step.waits.open;
      if (to_use == nullptr || BetterToUse(provider, *to_use, tables.options.preference))
        to_use = &provider;
    } else if (provider.CanBeDialled()) {
      ++step.waits.open;
      if (to_dial == nullptr || BetterToDial(provider, *to_dial)) to_dial = &provider;
    } else if (provider.pause != Pause::kNone) {
      ++step.waits.paused;
      step.waits.until = std::min(step.waits.until, provider.pause_until);
    } else if (provider.link == Link::kDialling) {
      ++step.waits.dialling;
    } else {
      ++step.waits.busy;
    }
  }
  const auto wait = [&](bool NextStep::Waits::*on) {
    step.what = NextStep::What::kWait;
    step.waits.*on = true;
    return step;
  };

  const NextStep::Waits& waits = step.waits;
  if (waits.open + waits.busy + waits.dialling + waits.paused == 0) return step;
  if (tables.stopping) return wait(&NextStep::Waits::shutdown);
  if (tables.paused) return wait(&NextStep::Waits::resumption);
  if (!tables.HasRequestSlot()) return wait(&NextStep::Waits::request_slot);
  if (to_use != nullptr) {
    step.what = NextStep::What::kStart;
    step.provider = to_use;
    return step;
  }
  if (to_dial != nullptr) {
    if (request.wanted->dials >= tables.limits().dials_per_hash)
      return wait(&NextStep::Waits::dials);
    if (!tables.HasConnectionSlot() && tables.providers.idle().empty()) {
      return wait(&NextStep::Waits::connection);
    }
    step.provider = to_dial;
    if (tables.HasConnectionSlot()) {
      step.what = NextStep::What::kDial;
    } else {
      step.what = NextStep::What::kDropIdleAndDial;
      step.idle = tables.providers.idle().First().provider;
    }
    return step;
  }
  step.what = waits.parked() ? NextStep::What::kPark : NextStep::What::kWait;
  return step;
}

}  // namespace blobd::schedule
