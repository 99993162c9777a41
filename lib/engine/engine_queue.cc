// Queue and NodesHave: checked against keys and quotas, admitted, made durable. See engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/error_reason.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

// What the registry's thread tells by itself, while others wait for it.
constexpr size_t kMostAnsweredAtOnce = 16;

}  // namespace

// A Queue call on its way: its keys are looked up, then it waits for ids, then for its commit.
struct Engine::PendingQueue {
  Caller caller;
  std::vector<QueueItem> items;
  UniqueFunction<void(StatusOr<std::vector<QueuedIntent>>)> done;
  std::vector<std::optional<registry::IntentRow>> stored;  // by key, one per item: the registry's
  std::vector<std::optional<registry::IntentRow>> found;   // the same, and those that live now
  std::vector<QueuedIntent> answer;
  std::vector<IntentId> shared;  // found by key, of a call whose commit was still under way
  // `done` and `answer` are the registry's from the commit on, unless that fails.
  bool is_answered_at_once = false;
};

void Engine::Queue(const Caller& caller, std::vector<QueueItem> items,
                   UniqueFunction<void(StatusOr<std::vector<QueuedIntent>>)> done) {
  if (const Status status = Ready(); !status.ok()) return done(status);
  // Those with a key may exist already, and cost nothing then.
  const auto surely_new = std::count_if(items.begin(), items.end(), [](const QueueItem& item) {
    return item.idempotency_key.empty();
  });
  if (const Status status = CheckQuota(caller, static_cast<size_t>(surely_new)); !status.ok())
    return done(status);
  auto pending = std::make_shared<PendingQueue>();
  pending->caller = caller;
  pending->items = std::move(items);
  pending->done = std::move(done);
  pending->stored.resize(pending->items.size());
  std::vector<std::string> keys;
  for (const QueueItem& item : pending->items) {
    if (!item.idempotency_key.empty()) keys.push_back(item.idempotency_key);
  }
  keys.empty() ? Admit(std::move(pending)) : FindKeys(std::move(pending), std::move(keys));
}

void Engine::FindKeys(std::shared_ptr<PendingQueue> pending, std::vector<std::string> keys) {
  const uint32_t uid = pending->caller.uid;
  const size_t weight = keys.size();
  auto on_found = [this, uid, weight,
                   pending](StatusOr<std::vector<registry::IntentRow>> rows) mutable {
    look_ups_.End(uid, weight);
    if (!rows.ok()) return pending->done(rows.status());
    std::unordered_map<std::string_view, registry::IntentRow*> of_key;
    for (registry::IntentRow& row : *rows) of_key[row.idempotency_key] = &row;
    for (size_t i = 0; i < pending->items.size(); ++i) {
      const std::string& key = pending->items[i].idempotency_key;
      if (key.empty()) continue;
      if (const auto it = of_key.find(key); it != of_key.end()) pending->stored[i] = *it->second;
    }
    Admit(std::move(pending));
  };
  look_ups_.Start(uid, weight,
                  [this, uid, keys = std::move(keys), on_found = std::move(on_found)]() mutable {
                    deps_.registry.FindIntentsByKeys(uid, std::move(keys), std::move(on_found));
                  });
}

std::vector<const Kind*> Engine::NewKinds(const PendingQueue& pending) {
  std::vector<const Kind*> kinds;
  for (size_t i = 0; i < pending.items.size(); ++i) {
    if (!pending.found[i]) kinds.push_back(&pending.items[i].kind);
  }
  return kinds;
}

void Engine::Refuse(PendingQueue& pending, const Status& status) {
  const std::string why = disk_.reason.empty() ? "" : fmt::format(" ({})", disk_.reason);
  const Status error = Annotate(status, "the registry could not be written" + why);
  // What SQLite says of a disk in trouble is often no more than that it failed. That it is full, it
  // says; others may have filled it since the store looked.
  const bool is_full = disk_.condition == store::DiskCondition::kFull ||
                       (status.code() == StatusCode::kResourceExhausted && !GivenReasonOf(status));
  if (disk_.condition == store::DiskCondition::kOk && !is_full) return pending.done(error);
  const Reason reason = is_full ? Reason::kDiskFull : Reason::kDiskReadOnly;
  pending.done(WithReason(reason, MakeStatus(CodeOf(reason), std::string_view(Message(error)))));
}

void Engine::Admit(std::shared_ptr<PendingQueue> pending) {
  if (const Status status = Ready(); !status.ok()) return pending->done(status);
  Status checked = MatchKeys(*pending);
  // The quota again: now it is known how many are new, and others may have been admitted meanwhile.
  const auto found = std::count_if(pending->found.begin(), pending->found.end(),
                                   [](const auto& row) { return row.has_value(); });
  if (checked.ok())
    checked = CheckQuota(pending->caller, pending->items.size() - static_cast<size_t>(found));
  if (checked.ok()) checked = CheckBytes(pending->caller, NewKinds(*pending));
  if (!checked.ok()) return pending->done(checked);
  const auto first = intent_ids_.Take(pending->items.size());
  if (!first) {
    waiting_for_ids_.push_back(std::move(pending));
    return;
  }
  AdmitNow(*pending, *first);
  std::vector<registry::Change> changes;
  std::vector<IntentId> made;
  for (const QueuedIntent& queued : pending->answer) {
    if (queued.existed) continue;
    changes.push_back(registry::PutIntent{live_.at(queued.intent).row});
    made.push_back(queued.intent);
  }
  // The rows of intents go first, then what the same step learnt about providers; all in one
  // transaction.
  std::move(changes_.begin(), changes_.end(), std::back_inserter(changes));
  changes_.clear();
  // The answer is known, and waits for the disk only: no need to come back here for it. Whatever
  // its caller asks next comes here behind the news of the commit. Where many wait, the registry's
  // thread has more to do than this one.
  Task answer;
  const bool is_alone = queues_committing_++ == 0;
  if (is_alone && pending->shared.empty() && pending->answer.size() <= kMostAnsweredAtOnce) {
    pending->is_answered_at_once = true;
    answer = [pending] { pending->done(std::move(pending->answer)); };
  }
  deps_.registry.CommitAndTell(std::move(changes), std::move(answer),
                               [this, pending, made = std::move(made)](const Status& status) {
                                 OnQueueCommitted(*pending, made, status);
                               });
  delivering_ = false;
  std::deque<schedule::Event> events = std::exchange(events_, {});
  for (schedule::Event& event : events) Deliver(std::move(event));
}

// A key used before must name the same content; checked for all items before anything is made. It
// may be called again, when what lived then was withdrawn.
Status Engine::MatchKeys(PendingQueue& pending) const {
  std::unordered_set<std::string_view> seen;
  pending.shared.clear();
  pending.found = pending.stored;
  for (size_t i = 0; i < pending.items.size(); ++i) {
    const QueueItem& item = pending.items[i];
    if (item.idempotency_key.empty()) continue;
    if (!seen.insert(item.idempotency_key).second) {
      return FieldError(Reason::kInvalidField, fmt::format("items[{}].idempotency_key", i),
                        "an earlier item has it too");
    }
    const auto live = keys_.find(KeyOf::Pair(pending.caller.uid, item.idempotency_key));
    if (live != keys_.end()) {
      pending.found[i] = (*live)->row;
      if (!(*live)->durable) pending.shared.push_back((*live)->row.id);
    }
    if (pending.found[i] && pending.found[i]->kind != item.kind) {
      const Status error = ErrorFor(
          Reason::kKeyReused, "idempotency key \"{}\" was used for {} by intent {}",
          item.idempotency_key, pending.found[i]->kind.hash.ToHex(), pending.found[i]->id.value);
      return WithDetail(error, "intent_id", std::to_string(pending.found[i]->id.value));
    }
  }
  return OkStatus();
}

// Makes the intents and steps the scheduler; effects that persist something are left in changes_.
void Engine::AdmitNow(PendingQueue& pending, uint64_t first_id) {
  const Instant now = deps_.timers.Now();
  const WallTime wall_now = deps_.clock.WallNow();
  BLOBD_CHECK(
      !std::exchange(delivering_, true));  // events wait in events_ until the commit is on its way
  uint64_t next_id = first_id;
  for (size_t i = 0; i < pending.items.size(); ++i) {
    QueueItem& item = pending.items[i];
    if (pending.found[i]) {
      pending.answer.push_back({pending.found[i]->id, true, {}});
      continue;
    }
    schedule::Queue event;
    event.id = IntentId{next_id++};
    event.kind = item.kind;
    event.providers = Learn(item.providers);
    event.priority = item.priority;
    event.patience = item.patience;
    if (item.deadline.unix_ms != 0) event.deadline = now + (item.deadline - wall_now);
    pending.answer.push_back({event.id, false, scheduler_->Banned(event.providers, now)});

    registry::IntentRow row;
    row.id = event.id;
    row.kind = item.kind;
    row.priority = static_cast<uint8_t>(item.priority);
    row.owner_uid = pending.caller.uid;
    row.label = std::move(item.label);
    row.idempotency_key = std::move(item.idempotency_key);
    row.created = wall_now;
    row.deadline = item.deadline;
    row.patience_ms = std::chrono::duration_cast<milliseconds>(item.patience).count();
    AddLive(std::move(row), false);
    if (!pending.caller.is_admin()) PutUnderQuota(live_.at(event.id));

    effects_.clear();
    scheduler_->Step(now, event, effects_);
    for (const schedule::Effect& effect : effects_) Execute(effect);
    PutKnownProviders(event);
  }
  timer_.Arm(scheduler_->NextDeadline());
}

// What an intent names is durable with it. That the scheduler knew a provider before proves
// nothing: the call that named it first may be waiting for its commit, which may fail.
void Engine::PutKnownProviders(const schedule::Queue& queued) {
  std::vector<ProviderId> missing = queued.providers;
  for (const schedule::Effect& effect : effects_) {
    const auto* remembered = std::get_if<schedule::RememberProvider>(&effect);
    if (remembered != nullptr && remembered->hash == queued.kind.hash)
      std::erase(missing, remembered->provider);
  }
  if (missing.empty()) return;
  const std::vector<ProviderId> known = scheduler_->ProvidersOf(queued.kind);
  for (const ProviderId& provider : missing) {
    if (std::find(known.begin(), known.end(), provider) != known.end())
      changes_.push_back(registry::PutProvider{{queued.kind.hash, provider}});
  }
}

void Engine::OnQueueCommitted(PendingQueue& pending, const std::vector<IntentId>& made,
                              const Status& status) {
  --queues_committing_;
  for (const IntentId id : made) {
    const auto it = live_.find(id);
    if (it == live_.end()) continue;
    if (status.ok()) {
      it->second.durable = true;
      if (it->second.finished) ends_.push_back(id);
      continue;
    }
    RemoveLive(id);
    Deliver(schedule::Withdraw{id});
  }
  CommitChanges();
  // Only now: beside the commit, for which the caller waits, these take its processor.
  looks_.Run();
  if (!status.ok()) return Refuse(pending, status);
  if (pending.is_answered_at_once) return;
  // The call that made them was answered first; if its commit failed, they are gone.
  for (const IntentId id : pending.shared) {
    if (live_.count(id) != 0) continue;
    return pending.done(
        ErrorFor(Reason::kOtherFailed, "the first use of an idempotency key failed; try again"));
  }
  pending.done(std::move(pending.answer));
}

// Keeps the addresses that came with providers, and says where there is a new way; returns the
// providers alone.
std::vector<ProviderId> Engine::Learn(const std::vector<NamedProvider>& providers) {
  std::vector<ProviderId> ids;
  ids.reserve(providers.size());
  for (const NamedProvider& named : providers) {
    ids.push_back(named.provider);
    const auto* node = std::get_if<NodeId>(&named.provider);
    if (node == nullptr || !scheduler_->Banned({*node}, deps_.timers.Now()).empty()) continue;
    bool is_news = false;
    for (const SocketAddress& address : named.addresses) {
      is_news = LearnAddress(*node, address, named.source) || is_news;
    }
    if (is_news) Deliver(schedule::PathNews{*node});
  }
  return ids;
}

// True if it is new; what follows for the registry is in changes_ then.
bool Engine::LearnAddress(const NodeId& node, const SocketAddress& address,
                          const std::string& source) {
  const path::AddressBook::Added added = addresses_.Add(node, address, source);
  if (added.is_new) {
    changes_.push_back(registry::PutRemoteAddress{{node, address, source, {}, 0}});
  }
  if (added.evicted) changes_.push_back(registry::DropRemoteAddress{node, *added.evicted});
  paths_.Learnt(node, address, source);
  return added.is_new;
}

StatusOr<NodesHaveAnswer> Engine::NodesHave(const Hash& hash,
                                            const std::vector<NamedProvider>& providers) {
  BLOBD_RETURN_IF_ERROR(Ready());
  NodesHaveAnswer answer;
  const auto count = [&] {
    size_t known = 0;
    for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
      if (const auto view = scheduler_->ViewOfKind({hash, format})) {
        answer.wanted = true;
        known = std::max(known, view->providers);
      }
    }
    return known;
  };
  const size_t before = count();
  if (!answer.wanted) return answer;
  const std::vector<ProviderId> ids = Learn(providers);
  answer.refused = scheduler_->Banned(ids, deps_.timers.Now());
  Deliver(schedule::NodesHave{hash, ids});
  const size_t after = count();
  answer.added = static_cast<uint32_t>(after > before ? after - before : 0);
  return answer;
}

}  // namespace blobd::engine
