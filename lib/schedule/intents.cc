// Scheduler::State, callers' part: intents come and go, requests end.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "schedule/state.h"
#include "schedule/view.h"

namespace blobd::schedule {

void Scheduler::State::OnQueue(const Queue& event) {
  BLOBD_CHECK(event.id && !t.intents.contains(event.id));
  WantedHash& wanted = t.map.FindOrAdd(event.kind.hash);
  Request*& slot = wanted.requests[static_cast<size_t>(event.kind.format)];
  const bool is_new = slot == nullptr;
  if (is_new) {
    const RequestId id{t.next_request++};
    Request& request = t.requests[id];
    request.id = id;
    request.kind = event.kind;
    request.place = event.id;
    request.priority = event.priority;
    request.stage = Stage::kInStore;
    request.since = t.now;
    request.wanted = &wanted;
    slot = &request;
    ++t.stats.requests;
    Emit(LookInStore{id, event.kind});
  }
  Request& request = *slot;
  AddIntent(request, event);
  AddProviders(wanted, event.providers);
  // What it brought was no help: it waits with the others, or has no patience to. Or it wakes a
  // request that its callers had paused.
  if (!is_new && (request.stage == Stage::kStranded || request.stage == Stage::kPaused)) {
    Resettle(request);
  }
}

void Scheduler::State::Resettle(Request& request) {
  Unsettle(request);
  request.priority = request.HighestPriority();
  Settle(request);
}

void Scheduler::State::OnSetPaused(const SetPaused& event) {
  if (!event.intent) {
    if (event.paused != t.paused) event.paused ? PauseEverything() : ResumeEverything();
    return;
  }
  const auto it = t.intents.find(*event.intent);
  if (it == t.intents.end()) {
    ++t.stats.late_events;
    return;
  }
  Request& request = *it->second;
  Intent& intent = *request.Find(*event.intent);
  if (intent.paused == event.paused) return;
  if (intent.patience_armed) DisarmPatience(intent);
  intent.paused = event.paused;
  request.intents_of_priority[static_cast<size_t>(intent.priority)] += event.paused ? -1u : 1u;
  if (request.stage == Stage::kStranded || (request.stage == Stage::kPaused && !event.paused)) {
    Resettle(request);
  } else {
    Reorder(request);
  }
}

// After its intents changed: their highest priority counts, and when all are paused it rests.
void Scheduler::State::Reorder(Request& request) {
  if (request.paused() && request.stage != Stage::kInStore && request.stage != Stage::kPaused) {
    Resettle(request);
  } else {
    SetPriority(request, request.HighestPriority());
  }
}

void Scheduler::State::PauseEverything() {
  t.paused = true;
  std::vector<Request*> detached;
  for (auto& [id, transfer] : t.transfers) {
    if (transfer.ending) continue;
    detached.push_back(&t.requests.at(transfer.request));
    Stop(transfer);
  }
  SettleAll(detached);
}

void Scheduler::State::ResumeEverything() {
  t.paused = false;
  for (const IntentId id : std::exchange(t.impatient, {})) {
    const auto it = t.intents.find(id);
    if (it != t.intents.end() && it->second->stage == Stage::kStranded) Resettle(*it->second);
  }
}

void Scheduler::State::AddIntent(Request& request, const Queue& event) {
  Intent intent;
  intent.id = event.id;
  intent.priority = event.priority;
  intent.deadline = event.deadline.value_or(Instant::Max());
  intent.patience_over = t.now + event.patience;
  intent.paused = event.paused;
  request.intents.emplace(event.id, intent);
  if (!event.paused) ++request.intents_of_priority[static_cast<size_t>(event.priority)];
  t.intents.emplace(event.id, &request);
  t.timers.Arm({intent.deadline, TimerKind::kDeadline, event.id.value});
  SetPriority(request, request.HighestPriority());
}

void Scheduler::State::SetPriority(Request& request, Priority priority) {
  if (request.priority == priority) return;
  // The queues are ordered by it: out, change, in again.
  if (request.stage == Stage::kQueued) {
    Unsettle(request);
    request.priority = priority;
    Settle(request);
  } else {
    LeaveAllMore(request);
    request.priority = priority;
    Reconsider(request);
  }
}

void Scheduler::State::RemoveIntent(Request& request, IntentId id) {
  Intent* intent = request.Find(id);
  BLOBD_CHECK(intent != nullptr);
  t.timers.Disarm({intent->deadline, TimerKind::kDeadline, id.value});
  if (intent->patience_armed) DisarmPatience(*intent);
  if (!intent->paused) --request.intents_of_priority[static_cast<size_t>(intent->priority)];
  request.intents.erase(id);
  t.intents.erase(id);
  ++t.stats.touched;
}

void Scheduler::State::DisarmPatience(Intent& intent) {
  t.timers.Disarm({intent.patience_over, TimerKind::kPatienceOver, intent.id.value});
  intent.patience_armed = false;
}

void Scheduler::State::EndIntent(Request& request, FinishIntent finish) {
  RemoveIntent(request, finish.intent);
  ++t.stats.intents_finished;
  Emit(std::move(finish));
}

void Scheduler::State::DropOrReorder(Request& request) {
  if (request.intents.empty()) {
    Drop(request);
  } else {
    Reorder(request);
  }
}

void Scheduler::State::OnLeave(IntentId id, bool withdrawn) {
  const auto it = t.intents.find(id);
  if (it == t.intents.end()) {
    ++t.stats.late_events;
    return;
  }
  Request& request = *it->second;
  if (withdrawn) {
    RemoveIntent(request, id);
  } else {
    EndIntent(request, {id, ResultCode::kCancelled, "", {}});
  }
  DropOrReorder(request);
}

const Failures& Scheduler::State::FailuresToTell(const Request& request) {
  if (!told || told->first != request.id) told.emplace(request.id, FailuresOf(request));
  return told->second;
}

void Scheduler::State::OnDeadline(IntentId id) {
  Request& request = *t.intents.at(id);
  EndIntent(request,
            {id, ResultCode::kDeadlineExceeded, "the deadline passed", FailuresToTell(request)});
  DropOrReorder(request);
}

void Scheduler::State::OnPatienceOver(IntentId id) {
  Request& request = *t.intents.at(id);
  request.Find(id)->patience_armed = false;
  if (t.stopping) return;
  if (t.paused) {
    t.impatient.insert(id);
    return;
  }
  EndImpatient(request);
  DropOrReorder(request);
}

void Scheduler::State::EndImpatient(Request& request) {
  std::vector<IntentId> impatient;
  for (const auto& [id, intent] : request.intents) {
    if (!intent.paused && intent.patience_over <= t.now) impatient.push_back(id);
  }
  if (impatient.empty()) return;
  const Failures& failures = FailuresToTell(request);
  for (const IntentId id : impatient) {
    if (failures.empty()) {
      EndIntent(request, {id, ResultCode::kNoProviders, "no provider is known", {}});
    } else {
      EndIntent(request, {id, ResultCode::kFailed, "no usable provider is left", failures});
    }
  }
}

void Scheduler::State::OnStoreAnswered(const StoreAnswered& event) {
  Request* request = t.FindRequest(event.request);
  if (request == nullptr || request->stage != Stage::kInStore) {
    ++t.stats.late_events;
    return;
  }
  request->verified_bytes = event.verified_bytes;
  request->total_bytes = event.total_bytes;
  switch (event.state) {
    case StoreAnswered::State::kComplete:
      Finish(*request, ResultCode::kDone, "");
      break;
    case StoreAnswered::State::kFailed:
      Finish(*request, ResultCode::kFailed, CutReason("store: " + event.reason));
      break;
    case StoreAnswered::State::kIncomplete:
      Unsettle(*request);
      Settle(*request);
      break;
  }
}

void Scheduler::State::Finish(Request& request, ResultCode code, const std::string& reason) {
  const Failures failures = code == ResultCode::kDone ? Failures() : FailuresOf(request);
  while (!request.intents.empty()) {
    EndIntent(request, {request.intents.begin()->first, code, reason, failures});
  }
  Drop(request);
}

void Scheduler::State::Drop(Request& request) {
  BLOBD_CHECK(request.intents.empty());
  Unsettle(request);
  EndSetAside(request);
  WantedHash& wanted = *request.wanted;
  wanted.requests[static_cast<size_t>(request.kind.format)] = nullptr;
  if (!wanted.wanted()) {
    // From the end, where nothing has to move up.
    while (!wanted.providers.empty()) {
      Provider& provider = *wanted.providers.back().provider;
      Unlink(wanted, provider);
      if (provider.hashes.empty()) BecomeUnneeded(provider);
    }
    t.map.Erase(wanted);
  }
  const RequestId id = request.id;
  t.requests.erase(id);
}

}  // namespace blobd::schedule
