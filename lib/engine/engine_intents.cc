// Intents: admitted, made durable, ended, asked for. See engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

constexpr Duration kCommitRetry = seconds(1);
constexpr size_t kKeptFailures = 1000;

registry::ResultCode StoredCode(schedule::ResultCode code) {
  switch (code) {
    case schedule::ResultCode::kDone:
      return registry::ResultCode::kDone;
    case schedule::ResultCode::kCancelled:
      return registry::ResultCode::kCancelled;
    case schedule::ResultCode::kNoProviders:
      return registry::ResultCode::kNoProviders;
    case schedule::ResultCode::kFailed:
      return registry::ResultCode::kFailed;
    case schedule::ResultCode::kDeadlineExceeded:
      return registry::ResultCode::kDeadlineExceeded;
  }
  return registry::ResultCode::kFailed;
}

IntentState StateOf(schedule::RequestState state) {
  switch (state) {
    case schedule::RequestState::kInStore:
    case schedule::RequestState::kQueued:
      return IntentState::kQueued;
    case schedule::RequestState::kWaiting:
      return IntentState::kWaiting;
    case schedule::RequestState::kParked:
      return IntentState::kParked;
    case schedule::RequestState::kRunning:
      return IntentState::kRunning;
  }
  return IntentState::kQueued;
}

IntentView ViewOfEnded(registry::IntentRow row) {
  IntentView view;
  view.state = IntentState::kEnded;
  if (row.result == registry::ResultCode::kDone) {
    view.verified_bytes = view.total_bytes = row.total_bytes;
  }
  view.row = std::move(row);
  return view;
}

}  // namespace

// A Queue call on its way: its keys are looked up, then it waits for ids, then for its commit.
struct Engine::PendingQueue {
  Caller caller;
  std::vector<QueueItem> items;
  UniqueFunction<void(StatusOr<std::vector<QueuedIntent>>)> done;
  std::vector<std::optional<registry::IntentRow>> found;  // by key, one per item
  size_t lookups = 0;
  Status failure;
  std::vector<QueuedIntent> answer;
};

void Engine::Restore(registry::Snapshot snapshot) {
  const Instant now = deps_.timers.Now();
  const WallTime wall_now = deps_.clock.WallNow();
  for (const registry::RemoteAddressRow& row : snapshot.addresses) {
    addresses_.Restore(row.node,
                       {row.address, row.source, row.last_worked, microseconds(row.rtt_us), 0});
  }
  for (const registry::BanRow& ban : snapshot.bans) {
    if (ban.until <= wall_now) continue;
    scheduler_->RestoreBan(ban.provider, now + (ban.until - wall_now), ban.times, ban.reason);
  }
  std::unordered_map<Hash, std::vector<ProviderId>> providers;
  for (registry::ProviderRow& row : snapshot.providers)
    providers[row.hash].push_back(std::move(row.provider));
  for (registry::IntentRow& row : snapshot.unfinished) {
    schedule::Queue event;
    event.id = row.id;
    event.kind = row.kind;
    event.priority = static_cast<schedule::Priority>(row.priority);
    event.patience = milliseconds(row.patience_ms);
    if (row.deadline.unix_ms != 0) event.deadline = now + (row.deadline - wall_now);
    // The providers of a hash come with the first intent that wants it.
    if (auto node = providers.extract(row.kind.hash); !node.empty())
      event.providers = std::move(node.mapped());
    AddLive(std::move(row), true);
    Deliver(std::move(event));
  }
}

// ---- Queue ----

void Engine::Queue(const Caller& caller, std::vector<QueueItem> items,
                   UniqueFunction<void(StatusOr<std::vector<QueuedIntent>>)> done) {
  if (draining_ || scheduler_ == nullptr) {
    return done(
        Unavailable("the daemon is {}; try again soon", draining_ ? "shutting down" : "starting"));
  }
  if (intents_of_uid_[caller.uid] + items.size() > options_.intents_per_uid && !caller.is_admin()) {
    return done(ResourceExhausted("uid {} has {} unfinished intents; the limit is {}", caller.uid,
                                  intents_of_uid_[caller.uid], options_.intents_per_uid));
  }
  auto pending = std::make_shared<PendingQueue>();
  pending->caller = caller;
  pending->items = std::move(items);
  pending->done = std::move(done);
  pending->found.resize(pending->items.size());
  pending->lookups = 1;
  for (size_t i = 0; i < pending->items.size(); ++i) {
    const std::string& key = pending->items[i].idempotency_key;
    if (key.empty() || keys_.count({caller.uid, key}) != 0) continue;
    ++pending->lookups;
    deps_.registry.FindIntentByKey(
        caller.uid, key, [this, pending, i](StatusOr<std::optional<registry::IntentRow>> row) {
          if (row.ok()) {
            pending->found[i] = *std::move(row);
          } else {
            pending->failure = row.status();
          }
          if (--pending->lookups == 0) Admit(pending);
        });
  }
  if (--pending->lookups == 0) Admit(pending);
}

void Engine::Admit(std::shared_ptr<PendingQueue> pending) {
  if (!pending->failure.ok()) return pending->done(pending->failure);
  if (draining_) return pending->done(Unavailable("the daemon is shutting down; try again soon"));
  // A key used before must name the same content; checked for all items before anything is made.
  for (size_t i = 0; i < pending->items.size(); ++i) {
    const QueueItem& item = pending->items[i];
    if (item.idempotency_key.empty()) continue;
    const auto key = std::make_pair(pending->caller.uid, item.idempotency_key);
    if (const auto it = keys_.find(key); it != keys_.end())
      pending->found[i] = live_.at(it->second).row;
    for (size_t j = 0; j < i; ++j) {
      if (pending->items[j].idempotency_key == item.idempotency_key) {
        return pending->done(
            InvalidArgument("items {} and {} have the same idempotency key", j, i));
      }
    }
    if (pending->found[i] && pending->found[i]->kind != item.kind) {
      return pending->done(AlreadyExists("idempotency key \"{}\" was used for {} by intent {}",
                                         item.idempotency_key, pending->found[i]->kind.hash.ToHex(),
                                         pending->found[i]->id.value));
    }
  }
  const auto first = intent_ids_.Take(pending->items.size());
  if (!first) {
    waiting_for_ids_.push_back(std::move(pending));
    return;
  }
  AdmitNow(*pending, *first);
  std::vector<registry::Change> changes;
  for (const QueuedIntent& queued : pending->answer) {
    if (!queued.existed) changes.push_back(registry::PutIntent{live_.at(queued.intent).row});
  }
  // The rows of intents go first, then what the same step learnt about providers; all in one
  // transaction.
  std::move(changes_.begin(), changes_.end(), std::back_inserter(changes));
  changes_.clear();
  deps_.registry.Commit(std::move(changes), [this, pending](const Status& status) {
    OnQueueCommitted(*pending, status);
  });
  delivering_ = false;
  std::deque<schedule::Event> events = std::exchange(events_, {});
  for (schedule::Event& event : events) Deliver(std::move(event));
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

    effects_.clear();
    scheduler_->Step(now, event, effects_);
    for (const schedule::Effect& effect : effects_) Execute(effect);
  }
  ArmTimer();
}

void Engine::OnQueueCommitted(PendingQueue& pending, const Status& status) {
  for (const QueuedIntent& queued : pending.answer) {
    const auto it = live_.find(queued.intent);
    if (queued.existed || it == live_.end()) continue;
    if (status.ok()) {
      it->second.durable = true;
      if (it->second.finished) CommitFinish(queued.intent);
      continue;
    }
    RemoveLive(queued.intent);
    Deliver(schedule::Withdraw{queued.intent});
  }
  if (!status.ok()) return pending.done(Annotate(status, "the registry could not be written"));
  pending.done(std::move(pending.answer));
}

// Keeps the addresses that came with providers; returns the providers alone.
std::vector<ProviderId> Engine::Learn(const std::vector<NamedProvider>& providers) {
  std::vector<ProviderId> ids;
  ids.reserve(providers.size());
  for (const NamedProvider& named : providers) {
    ids.push_back(named.provider);
    const auto* node = std::get_if<NodeId>(&named.provider);
    if (node == nullptr) continue;
    for (const SocketAddress& address : named.addresses) {
      if (!addresses_.Add(*node, address, named.source)) continue;
      changes_.push_back(registry::PutRemoteAddress{{*node, address, named.source, {}, 0}});
    }
  }
  return ids;
}

StatusOr<NodesHaveAnswer> Engine::NodesHave(const Hash& hash,
                                            const std::vector<NamedProvider>& providers) {
  if (draining_ || scheduler_ == nullptr)
    return Unavailable("the daemon is not running; try again soon");
  NodesHaveAnswer answer;
  const auto count = [&] {
    std::vector<ProviderId> known;
    for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
      if (const auto view = scheduler_->ViewOfKind({hash, format})) {
        answer.wanted = true;
        if (view->providers.size() > known.size()) known = view->providers;
      }
    }
    return known.size();
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

// ---- Ending ----

void Engine::Cancel(const Caller& caller, const std::vector<IntentId>& intents,
                    UniqueFunction<void(StatusOr<CancelAnswer>)> done) {
  if (scheduler_ == nullptr) return done(Unavailable("the daemon is starting; try again soon"));
  // Unknown ids may be ended ones: those the registry knows. Nothing is cancelled before all ids
  // are checked.
  struct State {
    CancelAnswer answer;
    Status failure;
    size_t lookups = 1;
    UniqueFunction<void(StatusOr<CancelAnswer>)> done;
  };
  auto state = std::make_shared<State>();
  state->done = std::move(done);
  const auto finish = [this, state] {
    if (--state->lookups > 0) return;
    if (!state->failure.ok()) return state->done(state->failure);
    std::vector<IntentId> cancelled;
    for (const IntentId id : state->answer.cancelled) {
      const auto it = live_.find(id);
      if (it == live_.end() || it->second.finished) {
        state->answer.already_ended.push_back(id);
      } else {
        cancelled.push_back(id);
        Deliver(schedule::Cancel{id});
      }
    }
    state->answer.cancelled = std::move(cancelled);
    // Answered when the ends are durable: commits answer in order.
    deps_.registry.Commit({}, [state](const Status& status) {
      if (status.ok()) return state->done(std::move(state->answer));
      state->done(status);
    });
  };
  for (const IntentId id : intents) {
    const auto it = live_.find(id);
    if (it != live_.end()) {
      if (!caller.is_admin() && it->second.row.owner_uid != caller.uid) {
        state->failure =
            PermissionDenied("intent {} belongs to uid {}", id.value, it->second.row.owner_uid);
      }
      state->answer.cancelled.push_back(id);
      continue;
    }
    ++state->lookups;
    deps_.registry.GetIntent(id,
                             [state, finish, id](StatusOr<std::optional<registry::IntentRow>> row) {
                               if (!row.ok()) {
                                 state->failure = row.status();
                               } else if (!row->has_value()) {
                                 state->failure = NotFound("there is no intent {}", id.value);
                               } else {
                                 state->answer.already_ended.push_back(id);
                               }
                               finish();
                             });
  }
  finish();
}

void Engine::Finish(const schedule::FinishIntent& effect) {
  const auto it = live_.find(effect.intent);
  if (it == live_.end()) return;  // withdrawn
  LiveIntent& intent = it->second;
  intent.finished = effect;
  registry::IntentRow& row = intent.row;
  row.result = StoredCode(effect.code);
  row.reason = effect.reason;
  row.finished = deps_.clock.WallNow();
  if (const auto kind = kinds_.find(row.kind); kind != kinds_.end()) {
    row.downloaded_bytes = kind->second.received_bytes;
    if (effect.code == schedule::ResultCode::kDone) row.total_bytes = kind->second.total_bytes;
  }
  if (intent.durable) CommitFinish(effect.intent);
}

void Engine::CommitFinish(IntentId id) {
  const auto it = live_.find(id);
  if (it == live_.end()) return;
  deps_.registry.Commit({registry::PutIntent{it->second.row}}, [this, id](const Status& status) {
    const auto live = live_.find(id);
    if (live == live_.end()) return;
    if (!status.ok()) {
      // Not told before it is durable; the disk may have room again soon.
      deps_.log.Write(
          LogLevel::kError, {.intent = id},
          "the end of an intent could not be written, trying again: " + Message(status));
      deps_.timers.AddTimer(deps_.timers.Now() + kCommitRetry, [this, id] { CommitFinish(id); });
      return;
    }
    IntentView view = ViewOfEnded(live->second.row);
    view.failures = live->second.finished->failures;
    if (!view.failures.empty()) failures_of_ended_[id] = view.failures;
    if (failures_of_ended_.size() > kKeptFailures) {
      failures_of_ended_.erase(failures_of_ended_.begin());
    }
    const bool good = view.row.result == registry::ResultCode::kDone;
    deps_.log.Write(good ? LogLevel::kInfo : LogLevel::kNotice,
                    {.hash = view.row.kind.hash, .intent = id},
                    good ? "intent done" : "intent ended: " + view.row.reason);
    RemoveLive(id);
    TellWatchers(id, view, true);
  });
}

// ---- The table of live intents ----

void Engine::AddLive(registry::IntentRow row, bool durable) {
  const IntentId id = row.id;
  ++kinds_[row.kind].intents;
  ++intents_of_uid_[row.owner_uid];
  if (!row.idempotency_key.empty()) keys_[{row.owner_uid, row.idempotency_key}] = id;
  live_[id] = LiveIntent{std::move(row), durable, std::nullopt};
}

void Engine::RemoveLive(IntentId id) {
  auto node = live_.extract(id);
  if (node.empty()) return;
  const registry::IntentRow& row = node.mapped().row;
  if (!row.idempotency_key.empty()) keys_.erase({row.owner_uid, row.idempotency_key});
  if (--intents_of_uid_[row.owner_uid] == 0) intents_of_uid_.erase(row.owner_uid);
  if (const auto kind = kinds_.find(row.kind); --kind->second.intents == 0) kinds_.erase(kind);
}

IntentView Engine::ViewOf(const LiveIntent& intent) const {
  IntentView view;
  view.row = intent.row;
  if (intent.finished) {
    // Ended, but not durably: for callers it still runs.
    view.row.result = registry::ResultCode::kNone;
    view.row.reason.clear();
    view.row.finished = {};
    view.state = IntentState::kRunning;
  }
  if (const auto request = scheduler_->ViewOfIntent(intent.row.id)) {
    view.state = StateOf(request->state);
    view.waits_for = request->waits_for;
    view.transfers = request->transfers;
    view.failures = request->failures;
  }
  if (const auto it = kinds_.find(intent.row.kind); it != kinds_.end()) {
    view.verified_bytes = it->second.verified_bytes;
    view.total_bytes = it->second.total_bytes;
    view.claimed_bytes = it->second.claimed_bytes;
    view.total_blobs = it->second.total_blobs;
    view.complete_blobs = it->second.complete_blobs;
  }
  view.rate = transfers_.RateOf(intent.row.kind);
  return view;
}

void Engine::GetIntent(IntentId id, UniqueFunction<void(StatusOr<IntentView>)> done) {
  if (const auto it = live_.find(id); it != live_.end()) return done(ViewOf(it->second));
  deps_.registry.GetIntent(id, [this, id, done = std::move(done)](auto row) mutable {
    if (!row.ok()) return done(row.status());
    if (!row->has_value()) return done(NotFound("there is no intent {}", id.value));
    IntentView view = ViewOfEnded(**std::move(row));
    if (const auto it = failures_of_ended_.find(id); it != failures_of_ended_.end()) {
      view.failures = it->second;
    }
    done(std::move(view));
  });
}

void Engine::ListIntents(const registry::IntentFilter& filter, IntentId after, size_t limit,
                         UniqueFunction<void(StatusOr<std::vector<IntentView>>)> done) {
  deps_.registry.ListIntents(
      filter, after, limit,
      [this, done = std::move(done)](StatusOr<std::vector<registry::IntentRow>> rows) mutable {
        if (!rows.ok()) return done(rows.status());
        std::vector<IntentView> views;
        views.reserve(rows->size());
        for (registry::IntentRow& row : *rows) {
          const auto it = live_.find(row.id);
          views.push_back(it != live_.end() ? ViewOf(it->second) : ViewOfEnded(std::move(row)));
        }
        done(std::move(views));
      });
}

}  // namespace blobd::engine
