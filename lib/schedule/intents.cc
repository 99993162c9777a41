// Scheduler::State, callers' part: intents come and go, requests end.
#include <algorithm>

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
    request.wanted = &wanted;
    slot = &request;
    ++t.stats.requests;
    Emit(LookInStore{id, event.kind});
  }
  Request& request = *slot;
  AddIntent(request, event);
  AddProviders(wanted, event.providers);
  if (!is_new && request.stage == Stage::kStranded) {
    // What it brought was no help: it waits with the others, or has no patience to.
    Unsettle(request);
    Settle(request);
  }
}

void Scheduler::State::AddIntent(Request& request, const Queue& event) {
  Intent intent;
  intent.id = event.id;
  intent.priority = event.priority;
  intent.deadline = event.deadline.value_or(Instant::Max());
  intent.patience_over = t.now + event.patience;
  const auto at = std::lower_bound(request.intents.begin(), request.intents.end(), event.id,
                                   [](const Intent& a, IntentId b) { return a.id < b; });
  request.intents.insert(at, intent);
  ++request.intents_of_priority[static_cast<size_t>(event.priority)];
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
    request.priority = priority;
  }
}

void Scheduler::State::RemoveIntent(Request& request, IntentId id) {
  Intent* intent = request.Find(id);
  BLOBD_CHECK(intent != nullptr);
  t.timers.Disarm({intent->deadline, TimerKind::kDeadline, id.value});
  if (intent->patience_armed) {
    t.timers.Disarm({intent->patience_over, TimerKind::kPatienceOver, id.value});
  }
  --request.intents_of_priority[static_cast<size_t>(intent->priority)];
  request.intents.erase(request.intents.begin() + (intent - request.intents.data()));
  t.intents.erase(id);
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
    SetPriority(request, request.HighestPriority());
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

void Scheduler::State::OnDeadline(IntentId id) {
  Request& request = *t.intents.at(id);
  EndIntent(request,
            {id, ResultCode::kDeadlineExceeded, "the deadline passed", FailuresOf(request)});
  DropOrReorder(request);
}

void Scheduler::State::OnPatienceOver(IntentId id) {
  Request& request = *t.intents.at(id);
  request.Find(id)->patience_armed = false;
  if (t.stopping) return;
  EndImpatient(request);
  DropOrReorder(request);
}

void Scheduler::State::EndImpatient(Request& request) {
  std::vector<IntentId> impatient;
  for (const Intent& intent : request.intents) {
    if (intent.patience_over <= t.now) impatient.push_back(intent.id);
  }
  if (impatient.empty()) return;
  const std::vector<ProviderFailure> failures = FailuresOf(request);
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
  std::vector<ProviderFailure> failures;
  if (code != ResultCode::kDone) failures = FailuresOf(request);
  while (!request.intents.empty()) {
    EndIntent(request, {request.intents.front().id, code, reason, failures});
  }
  Drop(request);
}

void Scheduler::State::Drop(Request& request) {
  BLOBD_CHECK(request.intents.empty());
  Unsettle(request);
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
