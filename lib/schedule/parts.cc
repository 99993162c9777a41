// Scheduler::State, parts' part: one request from several providers at once.
//
// Every byte that a request lacks is with exactly one running transfer or pending; only a race has
// one range twice. A running request that could use more providers stands in their `more` queues,
// beside those that wait for a first transfer.
#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "schedule/state.h"

namespace blobd::schedule {
namespace {

// One that brought nothing for so long is taken for dead as far as others may help, long before it
// has stalled.
constexpr Duration kSilence = seconds(1);
// A part is cut when it would take longer than this and four round trips of the taker: the taker's
// first byte needs two, and the boundary is asked for before. The last part may hold all providers
// but one idle for so long; with a second, a download of four would lose a tenth.
constexpr Duration kWorthCutting = milliseconds(200);

bool IsSilent(const Transfer& transfer, Instant now) { return now - transfer.moved > kSilence; }

// A measured speed, or what it is taken for; 0: not known.
double SpeedOf(const Transfer& transfer, Instant now) {
  if (IsSilent(transfer, now)) return 1;
  const double took = std::chrono::duration<double>(now - transfer.started).count();
  return took > 0 ? static_cast<double>(transfer.moved_bytes) / took : 0;
}

}  // namespace

Content& Scheduler::State::MakeContent(Request& request) {
  if (request.content == nullptr) request.content = std::make_unique<Content>();
  return *request.content;
}

void Scheduler::State::OnContentKnown(const ContentKnown& event) {
  Request* request = t.FindRequest(event.request);
  if (request == nullptr || request->stage == Stage::kInStore || event.length == 0 ||
      (request->content && request->content->length > 0)) {
    ++t.stats.late_events;
    return;
  }
  const RangeSet missing = event.missing.Intersection(Range{0, event.length});
  if (missing.empty()) return;
  Content& content = MakeContent(*request);
  content.length = event.length;
  content.cuts = event.cuts;
  content.pending = missing;
  request->total_bytes = event.length;
  // Who lacked something may have a part of it.
  request->ForgiveEarly();
  if (request->transfers.empty()) return LookAgain(*request);
  // The probe goes on with all of it, and skips what is held.
  Transfer& probe = t.transfers.at(request->transfers.front());
  probe.part = Range{missing.ranges().front().begin, missing.ranges().back().end};
  probe.position = probe.part->begin;
  content.pending = RangeSet();
  Reconsider(*request);
}

// Its parts were cut from something that does not exist. The store has what was verified all the
// same; who was put off because it said otherwise may have been right.
void Scheduler::State::VoidContent(Request& request) {
  if (request.stage == Stage::kInStore || request.content == nullptr) return;
  request.ForgiveEarly();
  if (request.stage == Stage::kHeld || request.stage == Stage::kPaused) {
    request.content.reset();
    return;
  }
  Unsettle(request);
  AskStore(request);
}

void Scheduler::State::OnProviderHolds(const ProviderHolds& event) {
  WantedHash* wanted = t.map.Find(event.hash);
  Provider* provider = t.providers.Find(event.provider);
  if (wanted == nullptr || provider == nullptr || !ProviderMap::Linked(*wanted, *provider)) {
    ++t.stats.late_events;
    return;
  }
  const std::array<Request*, 2> requests =
      wanted->requests;  // the last one may take the hash along
  for (Request* request : requests) {
    if (request == nullptr) continue;
    MakeContent(*request).holds[provider->number] = event.ranges;
    // New ranges: what it did not have before it may have now.
    request->Unrefuse(provider->number);
    request->stage == Stage::kRunning ? Reconsider(*request) : LookAgain(*request);
  }
}

void Scheduler::State::OnArrived(const Arrived& event) {
  Request* request = t.FindRequest(event.request);
  if (request == nullptr || request->content == nullptr || request->content->length == 0) return;
  request->content->pending.Remove(event.range);
  const std::vector<TransferId> running = request->transfers;
  for (const TransferId id : running) {
    Transfer& transfer = t.transfers.at(id);
    if (!transfer.part || event.range.begin > transfer.position) continue;
    transfer.position = std::max(transfer.position, std::min(event.range.end, transfer.part->end));
    if (transfer.rest().empty()) Stop(transfer);
  }
  if (request->stage == Stage::kUnsettled) {
    SettleOrFinish(*request);
  } else if (request->stage == Stage::kRunning) {
    Reconsider(*request);
  } else if (request->content->pending.empty() && request->stage != Stage::kInStore) {
    Unsettle(*request);
    SettleOrFinish(*request);
  } else {
    LookAgain(*request);
  }
}

// What it could use its providers for has changed.
void Scheduler::State::LookAgain(Request& request) {
  if (request.stage == Stage::kQueued || request.stage == Stage::kStranded) Resettle(request);
}

void Scheduler::State::OnBoundaryAccepted(const BoundaryAccepted& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it != t.transfers.end() && it->second.ending && it->second.part) {
    // Should it be done before our stop reaches it, then only so far.
    Range& part = *it->second.part;
    part.end = std::clamp(event.boundary, it->second.position, part.end);
    return;
  }
  if (it == t.transfers.end() || !it->second.part) {
    ++t.stats.late_events;
    return;
  }
  // Asked for or not, it says where the transfer will end: of two answers to one question, the
  // second may be taken for the answer to the next.
  Transfer& transfer = it->second;
  Request& request = t.requests.at(transfer.request);
  if (transfer.lowering) request.content->lowering = false;
  transfer.lowering = false;
  const uint64_t boundary = std::max(event.boundary, transfer.position);
  if (boundary < transfer.part->end) {
    // Who is raced answered an older question: the other has what is given away already.
    if (!transfer.rival) request.content->pending.Insert(Range{boundary, transfer.part->end});
    transfer.part->end = boundary;
  } else {
    transfer.fixed = true;  // not asked again
  }
  Reconsider(request);
}

// What a transfer that goes had still to get is pending again, but for what another one races for.
void Scheduler::State::GiveBack(Request& request, Transfer& transfer) {
  if (transfer.lowering) request.content->lowering = false;
  transfer.lowering = false;
  if (!transfer.part) return;
  request.content->pending.Insert(transfer.rest());
  if (!transfer.rival) return;
  Transfer& rival = t.transfers.at(transfer.rival);
  // Also what the rival has already.
  request.content->pending.Remove(*rival.part);
  rival.rival = TransferId{};
  transfer.rival = TransferId{};
}

// Its part is done: whoever raced it is too late.
void Scheduler::State::EndPart(Transfer& transfer) {
  if (!transfer.part) return;
  transfer.position = transfer.part->end;
  if (transfer.lowering) t.requests.at(transfer.request).content->lowering = false;
  transfer.lowering = false;
  if (!transfer.rival) return;
  Transfer& rival = t.transfers.at(transfer.rival);
  rival.rival = TransferId{};
  transfer.rival = TransferId{};
  // What this one gave away meanwhile is the other's alone.
  rival.position = std::max(rival.position, std::min(transfer.part->end, rival.part->end));
  if (rival.rest().empty()) Stop(rival);
}

bool Scheduler::State::MayUseMore(const Request& request) const {
  if (request.stage != Stage::kRunning || request.content == nullptr) return false;
  const Content& content = *request.content;
  // While one is asked to end earlier nobody else is; what is pending need not wait for that.
  const bool busy = content.lowering && content.pending.empty();
  return content.length > 0 && !busy && request.transfers.size() < t.options.parts_per_request;
}

uint32_t Scheduler::State::TransfersOn(const Request& request, const Provider& provider) const {
  uint32_t count = 0;
  for (const TransferId id : request.transfers) {
    count += t.transfers.at(id).provider == &provider ? 1 : 0;
  }
  return count;
}

// While another waits for the provider, one request has at most half of its slots.
uint32_t Scheduler::State::ShareOf(const Provider& provider) const {
  const uint32_t streams = provider.Ability(t.options).streams_per_request;
  const uint32_t half = std::max(1u, provider.Capacity(t.options) / 2);
  return provider.waiting.empty() ? streams : std::min(streams, half);
}

// After anything about a running request's parts or providers changed: it stands in the `more`
// queue of every provider that may take one.
void Scheduler::State::Reconsider(Request& request) {
  if (request.content == nullptr) return;
  const bool may = MayUseMore(request);
  if (!may && request.more == 0) return;
  for (const ProviderLink& link : request.wanted->providers) {
    Provider& provider = *link.provider;
    ++t.stats.touched;
    const bool fits =
        may && provider.usable() && !request.Refuses(provider.number) &&
        provider.Ability(t.options).parts &&
        TransfersOn(request, provider) < provider.Ability(t.options).streams_per_request;
    if (fits ? provider.more.Insert(request) : provider.more.Erase(request)) {
      request.more += fits ? 1u : -1u;
      Touch(provider);
    }
  }
}

// A node is connected, perhaps for another's sake: a running request that was not worth its dial,
// or that was at the limit of dials, has left its queue, and may give it a part.
void Scheduler::State::OfferMore(const Provider& provider) {
  for (const auto& [id, transfers] : t.holding) {  // no more than may run
    Request* request = t.FindRequest(id);
    if (request == nullptr || !ProviderMap::Linked(*request->wanted, provider)) continue;
    Reconsider(*request);
  }
}

void Scheduler::State::LeaveMore(Request& request, Provider& provider) {
  if (!provider.more.Erase(request)) return;
  --request.more;
  Touch(provider);
}

void Scheduler::State::LeaveAllMore(Request& request) {
  if (request.more == 0) return;
  for (const ProviderLink& link : request.wanted->providers) LeaveMore(request, *link.provider);
}

// A provider is free, and this running request is the first that could use it: pending parts come
// first, then a half of the part that would end last, then a race for the tail.
void Scheduler::State::TakeMore(Request& request, Provider& provider) {
  ++t.stats.decisions;
  const Content& content = *request.content;
  if (TransfersOn(request, provider) >= ShareOf(provider)) {
    return LeaveMore(request, provider);
  }
  if (const Range part = content.FirstFor(provider.number); !part.empty()) {
    StartPart(request, provider, part, nullptr);
    return;
  }
  if (Split(request, provider)) return;
  if (Transfer* slow = WorthRacing(request, provider)) {
    StartPart(request, provider, slow->rest(), slow);
    return;
  }
  LeaveMore(request, provider);
}

// Worth a dial: there is a part for it, or one that is long enough to be cut.
bool Scheduler::State::WouldTake(const Request& request, const Provider& provider) {
  if (!request.content->FirstFor(provider.number).empty()) return true;
  const Transfer* last = EndsLast(request, true);
  if (last == nullptr) return false;
  const double speed = SpeedOf(*last, t.now);
  return speed <= 0 || static_cast<double>(last->rest().size()) > speed;
}

// The running part that would end last, as far as is known; nullptr if there is none.
Transfer* Scheduler::State::EndsLast(const Request& request, bool can_be_cut) {
  Transfer* last = nullptr;
  double last_seconds = 0;
  for (const TransferId id : request.transfers) {
    Transfer& transfer = t.transfers.at(id);
    ++t.stats.touched;
    if (!transfer.part) continue;
    const bool cuttable = !transfer.fixed && !transfer.rival &&
                          transfer.rest().size() >= 2 * kLeastHalf &&
                          transfer.provider->Ability(t.options).parts;
    if (can_be_cut && !cuttable) continue;
    const double speed = SpeedOf(transfer, t.now);
    const auto size = static_cast<double>(transfer.rest().size());
    const double seconds = speed > 0 ? size / speed : 1e9 + size;
    if (last == nullptr || seconds > last_seconds) {
      last = &transfer;
      last_seconds = seconds;
    }
  }
  return last;
}

bool Scheduler::State::Split(Request& request, const Provider& taker) {
  Transfer* last = EndsLast(request, true);
  if (last == nullptr || request.content->lowering) return false;
  const double speed = SpeedOf(*last, t.now);
  const double takers = taker.bytes_per_second > 0 ? taker.bytes_per_second : speed;
  const double keep = speed > 0 ? std::clamp(speed / (speed + takers), 0.05, 0.95) : 0.5;
  if (speed > 0) {
    const double seconds = static_cast<double>(last->rest().size()) / speed;
    const Duration least = kWorthCutting + 4 * taker.rtt;
    if (seconds <= std::chrono::duration<double>(least).count()) return false;
  }
  const uint64_t boundary = request.content->Split(last->rest(), keep);
  if (boundary == 0) return false;
  if (!request.content->Holds(taker.number, Range{boundary, last->part->end})) return false;
  last->lowering = true;
  request.content->lowering = true;
  ++t.stats.splits;
  Emit(LowerLimit{last->id, boundary});
  Reconsider(request);
  return true;
}

// Only the tail is left, and its transfer needs more than twice as long as the taker would.
Transfer* Scheduler::State::WorthRacing(const Request& request, const Provider& taker) {
  if (taker.running > 0 || taker.bytes_per_second <= 0 || request.content->lowering) {
    return nullptr;
  }
  Transfer* last = EndsLast(request, false);
  if (last == nullptr || last->rival || last->rest().size() > kMostRaced || last->rest().empty() ||
      last->provider == &taker) {
    return nullptr;
  }
  if (!request.content->Holds(taker.number, last->rest())) return nullptr;
  const double speed = SpeedOf(*last, t.now);
  return speed * 2 < taker.bytes_per_second ? last : nullptr;
}

void Scheduler::State::StartPart(Request& request, Provider& provider, Range part,
                                 Transfer* rival) {
  request.content->pending.Remove(part);
  Transfer& transfer = Launch(request, provider);
  transfer.part = part;
  transfer.position = part.begin;
  if (rival != nullptr) {
    transfer.rival = rival->id;
    rival->rival = transfer.id;
    ++t.stats.races;
  }
  EmitStart(request, transfer);
  Reconsider(request);
}

}  // namespace blobd::schedule
