// Scheduler::State, transfers' part: they start, move, and end exactly once.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "schedule/retry.h"
#include "schedule/state.h"

namespace blobd::schedule {

void Scheduler::State::StartOn(Request& request, Provider& provider) {
  BLOBD_CHECK(t.HasRequestSlot() && request.transfers.empty());
  Unsettle(request);
  request.stage = Stage::kRunning;
  ++t.running_requests;
  Transfer& transfer = Launch(request, provider);
  Content* content = request.content.get();
  if (content != nullptr && content->length > 0) {
    // One that cannot take parts gets it all.
    const auto& pending = content->pending.ranges();
    const bool parts = provider.Ability(t.options).parts;
    Range part = parts ? content->FirstFor(provider.number) : Range{};
    if (part.empty()) part = Range{pending.front().begin, pending.back().end};
    content->pending.Remove(part);
    transfer.part = part;
    transfer.position = part.begin;
  }
  EmitStart(request, transfer);
  Reconsider(request);
}

Transfer& Scheduler::State::Launch(Request& request, Provider& provider) {
  BLOBD_CHECK(provider.CanTake(t.options));
  const TransferId id{t.next_transfer++};
  Transfer& transfer = t.transfers[id];
  transfer.id = id;
  transfer.request = request.id;
  transfer.provider = &provider;
  transfer.started = transfer.moved = t.now;
  OpenWindow(transfer);
  request.transfers.push_back(id);
  ++t.holding[request.id];
  CountEnding();
  provider.transfers.push_back(id);
  ++provider.running;
  ++t.stats.transfers_started;
  Touch(provider);
  return transfer;
}

void Scheduler::State::EmitStart(const Request& request, const Transfer& transfer) {
  const Provider& provider = *transfer.provider;
  const bool question = ProviderMap::FindLink(*request.wanted, provider)->standing;
  const bool parts = provider.Ability(t.options).parts;
  Emit(StartTransfer{transfer.id, request.id, request.kind, provider.id, question,
                     parts ? transfer.part : std::nullopt});
}

// A running transfer leaves its request, which is unsettled when it was the last.
void Scheduler::State::TakeFrom(Request& request, Transfer& transfer) {
  CloseWindow(transfer);
  std::erase(request.transfers, transfer.id);
  // First, lest a connection is taken for idle before it is judged how the transfer ended.
  if (request.transfers.empty()) LeaveAllMore(request);
  --transfer.provider->running;
  if (!request.transfers.empty()) return;
  request.stage = Stage::kUnsettled;
  request.since = t.now;
  --t.running_requests;
  CountEnding();
}

// A request holds its slot until its last transfer has ended, also when it is gone.
void Scheduler::State::CountEnding() {
  t.ending_requests = static_cast<uint32_t>(t.holding.size()) - t.running_requests;
}

void Scheduler::State::Detach(Transfer& transfer) {
  BLOBD_CHECK(!transfer.ending);
  Request& request = t.requests.at(transfer.request);
  GiveBack(request, transfer);
  TakeFrom(request, transfer);
  transfer.ending = true;
  Touch(*transfer.provider);
}

void Scheduler::State::Stop(Transfer& transfer) {
  Emit(StopTransfer{transfer.id});
  Detach(transfer);
}

std::vector<Request*> Scheduler::State::DetachAll(Provider& provider, bool stop) {
  std::vector<Request*> detached;
  const std::vector<TransferId> transfers = provider.transfers;
  for (const TransferId id : transfers) {
    Transfer& transfer = t.transfers.at(id);
    if (transfer.ending) continue;
    detached.push_back(&t.requests.at(transfer.request));
    if (stop) {
      Stop(transfer);
    } else {
      Detach(transfer);
    }
  }
  return detached;
}

void Scheduler::State::SettleAll(const std::vector<Request*>& requests) {
  // By id: the first of two mentions may end it.
  std::vector<RequestId> ids;
  for (const Request* request : requests) ids.push_back(request->id);
  for (const RequestId id : ids) {
    Request* request = t.FindRequest(id);
    if (request == nullptr) continue;
    if (request->stage == Stage::kUnsettled) {
      SettleOrFinish(*request);
    } else if (request->stage == Stage::kRunning) {
      Reconsider(*request);
    }
  }
}

void Scheduler::State::SettleOrFinish(Request& request) {
  HasAllParts(request) ? AskStore(request) : Settle(request);
}

// Nothing is left to be given to a transfer, and none has any of it: all of it should be held.
bool Scheduler::State::HasAllParts(const Request& request) {
  return request.content != nullptr && request.content->length > 0 &&
         request.content->pending.empty();
}

// The store has the last word: what was verified may have been taken back since.
void Scheduler::State::AskStore(Request& request) {
  request.content.reset();
  request.stage = Stage::kInStore;
  Emit(LookInStore{request.id, request.kind});
}

void Scheduler::State::OnProgress(const TransferProgress& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end()) {
    ++t.stats.late_events;
    return;
  }
  Transfer& transfer = it->second;
  const uint64_t moved = event.moved_bytes.value_or(event.verified_bytes);
  transfer.moved_bytes += moved;
  if (moved > 0) transfer.moved = t.now;
  // What was verified stays in the store, also when the transfer is being stopped.
  if (Request* request = t.FindRequest(transfer.request)) {
    request->verified_bytes += event.verified_bytes;
    if (event.total_bytes) request->total_bytes = *event.total_bytes;
  }
  if (transfer.ending) return;
  transfer.window_bytes += moved;
  Provider& provider = *transfer.provider;
  Request& request = t.requests.at(transfer.request);
  if (request.trouble != nullptr && event.verified_bytes > 0) {
    // Less may have been what it took to find out that the rest does not fit.
    request.trouble->verified_since_fault += event.verified_bytes;
    if (request.trouble->verified_since_fault >= kBytesThatClear) request.trouble->own_faults = 0;
    for (const uint64_t number : request.Forgive(t.now)) {
      // It may have got more since.
      if (request.content != nullptr) request.content->holds.erase(number);
    }
  }
  if (transfer.part) {
    transfer.position = std::clamp(event.position, transfer.position, transfer.part->end);
    Reconsider(request);
  }
  provider.verified_since_failure += event.verified_bytes;
  if (provider.failures > 0 && provider.verified_since_failure >= kBytesThatClear) {
    ClearFailures(provider);
  }
}

// A stall is judged over windows of time in which we let the transfer read.
void Scheduler::State::OpenWindow(Transfer& transfer) {
  transfer.window_started = t.now;
  transfer.window_bytes = 0;
  t.timers.Arm({t.now + t.options.stall_window, TimerKind::kSlow, transfer.id.value});
}

void Scheduler::State::CloseWindow(Transfer& transfer) {
  if (transfer.held) return;
  t.timers.Disarm(
      {transfer.window_started + t.options.stall_window, TimerKind::kSlow, transfer.id.value});
}

void Scheduler::State::OnHeld(const TransferHeld& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end() || it->second.ending) {
    ++t.stats.late_events;
    return;
  }
  Transfer& transfer = it->second;
  if (transfer.held == event.held) return;
  if (event.held) {
    CloseWindow(transfer);
    transfer.held_since = t.now;
  } else {
    // The window goes on: whoever is held now and then is judged all the same.
    transfer.window_started = transfer.window_started + (t.now - transfer.held_since);
    t.timers.Arm(
        {transfer.window_started + t.options.stall_window, TimerKind::kSlow, transfer.id.value});
  }
  transfer.held = event.held;
}

void Scheduler::State::OnWindowOver(Transfer& transfer) {
  Request& request = t.requests.at(transfer.request);
  Provider& provider = *transfer.provider;
  const auto window = std::chrono::duration_cast<seconds>(t.options.stall_window).count();
  const uint64_t least = t.options.stall_bytes_per_second * static_cast<uint64_t>(window);
  if (transfer.window_bytes >= least || t.stopping || !AnotherIsFree(request, provider)) {
    OpenWindow(transfer);
    return;
  }
  const std::string reason =
      fmt::format("stalled: {} bytes in {} s", transfer.window_bytes, window);
  Stop(transfer);
  request.Note(provider.id, Outcome::kRetryLater, reason);
  Fail(provider, reason);
  SettleAll({&request});
}

// Somebody else could take over at once, or could be dialled into a free connection slot.
bool Scheduler::State::AnotherIsFree(const Request& request, const Provider& than) const {
  for (const ProviderLink& link : request.wanted->providers) {
    const Provider& provider = *link.provider;
    if (&provider == &than || !request.CouldUse(provider)) continue;
    if (provider.CanTake(t.options)) return true;
    if (provider.CanBeDialled() && t.HasConnectionSlot()) return true;
  }
  return false;
}

// Others get its part. Only if there is nobody else the provider itself does, when it is no longer
// set aside; for other requests it never was.
void Scheduler::State::OnCancelTransfer(const CancelTransfer& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end() || it->second.ending) {
    ++t.stats.late_events;
    return;
  }
  Transfer& transfer = it->second;
  Request& request = t.requests.at(transfer.request);
  const uint64_t number = transfer.provider->number;
  EndSetAside(request);
  Trouble& trouble = request.MakeTrouble();
  if (!request.SetsAside(number)) trouble.set_aside.push_back(number);
  trouble.set_aside_until = t.now + kSetAside;
  t.timers.Arm({trouble.set_aside_until, TimerKind::kSetAsideOver, request.id.value});
  Stop(transfer);
  SettleAll({&request});
}

// Its timer does not run any more; the providers are set aside until the caller clears them.
void Scheduler::State::EndSetAside(Request& request) {
  if (request.trouble == nullptr || request.trouble->set_aside_until == Instant::Max()) return;
  t.timers.Disarm({request.trouble->set_aside_until, TimerKind::kSetAsideOver, request.id.value});
  request.trouble->set_aside_until = Instant::Max();
}

void Scheduler::State::OnSetAsideOver(Request& request) {
  request.trouble->set_aside.clear();
  request.trouble->set_aside_until = Instant::Max();
  request.stage == Stage::kRunning ? Reconsider(request) : LookAgain(request);
}

void Scheduler::State::OnEnded(const TransferEnded& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end()) {
    ++t.stats.late_events;
    return;
  }
  Transfer transfer = it->second;
  t.transfers.erase(it);
  const auto holding = t.holding.find(transfer.request);
  if (--holding->second == 0) t.holding.erase(holding);
  Provider& provider = *transfer.provider;
  std::erase(provider.transfers, transfer.id);
  const Duration took = t.now - transfer.started;
  if (transfer.moved_bytes > 0 && took > Duration(0)) {
    provider.bytes_per_second =
        static_cast<double>(transfer.moved_bytes) / std::chrono::duration<double>(took).count();
  }
  Request* request = t.FindRequest(transfer.request);
  if (transfer.ending) {
    CountEnding();
    OnEndedEnding(request, provider, transfer, event);
  } else {
    BLOBD_CHECK(request != nullptr);
    event.outcome == Outcome::kDone ? EndPart(transfer) : GiveBack(*request, transfer);
    TakeFrom(*request, transfer);
    OnEndedRunning(*request, provider, transfer, event);
  }
  Touch(provider);
  if (provider.hashes.empty()) MayGo(provider);
}

void Scheduler::State::OnEndedRunning(Request& request, Provider& provider,
                                      const Transfer& transfer, const TransferEnded& event) {
  const RequestId id = request.id;
  switch (event.outcome) {
    case Outcome::kDone:
      ClearFailures(provider);
      if (!transfer.part) return Finish(request, ResultCode::kDone, "");
      break;
    case Outcome::kImpossible:
      Finish(request, ResultCode::kFailed, CutReason(event.reason));
      return;
    case Outcome::kLocalFault:
      // What stopped this one will stop the others.
      Unsettle(request);
      Hold(request, event.own_fault, event.reason);
      return;
    case Outcome::kStopped:
      break;
    case Outcome::kNotHere:
      request.Note(provider.id, event.outcome, event.reason);
      if (!HasMore(request, provider, event)) Refuse(request, provider, event.outcome);
      break;
    case Outcome::kAbortRequest:
    case Outcome::kWrongContent:
      request.Note(provider.id, event.outcome, event.reason);
      Refuse(request, provider, event.outcome);
      break;
    case Outcome::kDropProvider:
      // It may end with its other transfers on the provider.
      BanNow(provider, CutReason(event.reason));
      if (t.FindRequest(id) == nullptr) return;
      break;
    case Outcome::kRetryLater:
      request.Note(provider.id, event.outcome, event.reason);
      Fail(provider, event.reason);
      break;
    case Outcome::kBusy:
      request.Note(provider.id, event.outcome, event.reason);
      PutOff(provider, event.wait);
      break;
  }
  if (event.content_void && request.content != nullptr) return VoidContent(request);
  SettleAll({&request});
}

// It lacks some ranges only, and may be used for others that are missing.
bool Scheduler::State::HasMore(Request& request, const Provider& provider,
                               const TransferEnded& event) {
  Content* content = request.content.get();
  if (content == nullptr || content->length == 0 || event.lacks.empty()) return false;
  content->Learn(provider.number, event.holds, event.lacks);
  RangeSet missing = content->pending;
  for (const TransferId id : request.transfers) missing.Insert(t.transfers.at(id).rest());
  return !content->holds.at(provider.number).Intersection(missing).empty();
}

// The provider does not have it: a node that may get it later is asked again while others deliver,
// one that refuses it is not.
void Scheduler::State::Refuse(Request& request, Provider& provider, Outcome outcome) {
  const ProviderLink* link = ProviderMap::FindLink(*request.wanted, provider);
  if (link == nullptr) return;
  if (link->standing) return LeaveStanding(*request.wanted, provider);
  const uint32_t times = request.Refuse(provider.number);
  if (outcome != Outcome::kNotHere) return;
  request.RefuseUntil(provider.number, t.now + NotHereDelay(times));
}

void Scheduler::State::OnEndedEnding(Request* origin, Provider& provider, const Transfer& transfer,
                                     const TransferEnded& event) {
  switch (event.outcome) {
    case Outcome::kDone:
      // It was done before our stop reached it. Another request for the same kind is none of its
      // business, nor are failures of the provider that came after.
      if (origin != nullptr && transfer.part) {
        OnArrived({origin->id, transfer.rest()});
      } else if (origin != nullptr) {
        Finish(*origin, ResultCode::kDone, "");
      }
      break;
    case Outcome::kDropProvider:
      BanNow(provider, CutReason(event.reason));
      break;
    case Outcome::kBusy:
      PutOff(provider, event.wait);
      break;
    case Outcome::kStopped:
    case Outcome::kNotHere:
    case Outcome::kAbortRequest:
    case Outcome::kWrongContent:
    case Outcome::kImpossible:
    case Outcome::kRetryLater:
    case Outcome::kLocalFault:
      break;  // stopped by us, or by a failure that was counted: nothing more
  }
  // The request may have ended meanwhile.
  origin = event.content_void ? t.FindRequest(transfer.request) : nullptr;
  if (origin != nullptr) VoidContent(*origin);
}

}  // namespace blobd::schedule
