// Scheduler::State, transfers' part: they start, move, and end exactly once.
#include <algorithm>

#include "base/check.h"
#include "schedule/retry.h"
#include "schedule/state.h"

namespace blobd::schedule {

void Scheduler::State::StartOn(Request& request, Provider& provider) {
  BLOBD_CHECK(provider.CanTake(t.options) && t.HasRequestSlot() && request.transfers.empty());
  Unsettle(request);
  const TransferId id{t.next_transfer++};
  t.transfers.emplace(id, Transfer{id, request.id, &provider, false, t.now, 0});
  request.stage = Stage::kRunning;
  request.transfers.push_back(id);
  ++t.running_requests;
  provider.transfers.push_back(id);
  ++provider.running;
  ++t.stats.transfers_started;
  Touch(provider);
  Emit(StartTransfer{id, request.id, request.kind, provider.id});
}

void Scheduler::State::Detach(Transfer& transfer) {
  BLOBD_CHECK(!transfer.ending);
  Request& request = t.requests.at(transfer.request);
  std::erase(request.transfers, transfer.id);
  if (request.transfers.empty()) {
    request.stage = Stage::kUnsettled;
    --t.running_requests;
  }
  transfer.ending = true;
  ++t.ending_transfers;
  --transfer.provider->running;
  Touch(*transfer.provider);
}

void Scheduler::State::Stop(Transfer& transfer) {
  Emit(StopTransfer{transfer.id});
  Detach(transfer);
}

std::vector<Request*> Scheduler::State::DetachAll(Provider& provider, bool stop) {
  std::vector<Request*> detached;
  for (const TransferId id : provider.transfers) {
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
  for (Request* request : requests) Settle(*request);
}

void Scheduler::State::OnProgress(const TransferProgress& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end()) {
    ++t.stats.late_events;
    return;
  }
  Transfer& transfer = it->second;
  transfer.verified_bytes += event.verified_bytes;
  // What was verified stays in the store, also when the transfer is being stopped.
  if (Request* request = t.FindRequest(transfer.request)) {
    request->verified_bytes += event.verified_bytes;
    if (event.total_bytes) request->total_bytes = *event.total_bytes;
  }
  if (transfer.ending) return;
  Provider& provider = *transfer.provider;
  provider.verified_since_failure += event.verified_bytes;
  if (provider.failures > 0 && provider.verified_since_failure >= kBytesThatClear) {
    ClearFailures(provider);
  }
}

void Scheduler::State::OnEnded(const TransferEnded& event) {
  const auto it = t.transfers.find(event.transfer);
  if (it == t.transfers.end()) {
    ++t.stats.late_events;
    return;
  }
  const Transfer transfer = it->second;
  t.transfers.erase(it);
  Provider& provider = *transfer.provider;
  std::erase(provider.transfers, transfer.id);
  const Duration took = t.now - transfer.started;
  if (transfer.verified_bytes > 0 && took > Duration(0)) {
    provider.bytes_per_second =
        static_cast<double>(transfer.verified_bytes) / std::chrono::duration<double>(took).count();
  }
  Request* request = t.FindRequest(transfer.request);
  if (transfer.ending) {
    --t.ending_transfers;
    OnEndedEnding(request, provider, event);
  } else {
    BLOBD_CHECK(request != nullptr);
    --provider.running;
    std::erase(request->transfers, transfer.id);
    --t.running_requests;
    request->stage = Stage::kUnsettled;
    OnEndedRunning(*request, provider, event);
  }
  Touch(provider);
  if (provider.hashes.empty()) MayGo(provider);
}

void Scheduler::State::OnEndedRunning(Request& request, Provider& provider,
                                      const TransferEnded& event) {
  switch (event.outcome) {
    case Outcome::kDone:
      ClearFailures(provider);
      Finish(request, ResultCode::kDone, "");
      return;
    case Outcome::kImpossible:
      Finish(request, ResultCode::kFailed, CutReason(event.reason));
      return;
    case Outcome::kLocalFault:
      Hold(request, event.reason);
      return;
    case Outcome::kStopped:
      break;
    case Outcome::kNotHere:
    case Outcome::kAbortRequest:
      request.Note(provider.id, event.outcome, event.reason);
      if (ProviderMap::Linked(*request.wanted, provider)) request.Refuse(provider.number);
      break;
    case Outcome::kDropProvider:
      BanNow(provider, CutReason(event.reason));
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
  Settle(request);
}

void Scheduler::State::OnEndedEnding(Request* origin, Provider& provider,
                                     const TransferEnded& event) {
  switch (event.outcome) {
    case Outcome::kDone:
      // It was done before our stop reached it. Another request for the same kind is none of its
      // business, nor are failures of the provider that came after.
      if (origin != nullptr) Finish(*origin, ResultCode::kDone, "");
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
    case Outcome::kImpossible:
    case Outcome::kRetryLater:
    case Outcome::kLocalFault:
      break;  // stopped by us, or by a failure that was counted: nothing more
  }
}

}  // namespace blobd::schedule
