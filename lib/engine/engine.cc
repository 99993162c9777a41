#include "engine/engine.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/error_reason.h"
#include "base/overloaded.h"
#include "engine/history.h"
#include "engine/journal_text.h"
#include "registry/replaceable_registry.h"

namespace blobd::engine {
namespace {

constexpr uint64_t kIntentIdBlock = 20'000;
constexpr uint64_t kTransferIdBlock = 1'000'000;
// Ids of transfers left when the next block is asked for: far more than can start until it is here.
constexpr uint64_t kTransferIdReserve = kTransferIdBlock / 2;
constexpr Duration kLookAgain = seconds(1);
// Ids and keys that the registry looks up for one uid at once: what one call may name.
constexpr size_t kLookUpsOfUid = 10'000;
// Lists of intents that it makes for one uid at once. Commits wait for them, and where two
// conditions meet it may read much by the index of one to find little.
constexpr size_t kListsOfUid = 2;

// Damage and an impossible kind are answers; everything else may be better in a moment.
bool IsPassing(const Status& status) {
  return status.code() != StatusCode::kDataLoss && status.code() != StatusCode::kFailedPrecondition;
}

}  // namespace

Engine::Engine(Deps deps, EngineOptions options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      remote_watch_(deps_.timers, [this](Instant since) { NoteEndedBans(since); }),
      transfer_watch_(deps_.timers),
      paths_({deps_.timers, deps_.clock, deps_.network, addresses_, deps_.lookup, *this}),
      looks_({deps_.store, deps_.control, [this] { return deps_.make_strand(); }},
             [this](const schedule::LookInStore& look, StatusOr<transfer::Inventory> inventory) {
               OnInventory(look, std::move(inventory));
             }),
      intent_ids_(deps_.registry, registry::IdSpace::kIntent, kIntentIdBlock),
      timer_(deps_.timers, [this] { Deliver(schedule::Tick{}); }),
      look_ups_(kLookUpsOfUid),
      lists_(kListsOfUid),
      request_lists_(1),
      configured_limits_{.schedule = options_.schedule.limits,
                         .intents_per_uid = options_.intents_per_uid,
                         .bytes_per_uid = options_.bytes_per_uid},
      limits_(configured_limits_) {}

Engine::~Engine() {
  for (const TimerId timer :
       {sampling_, drain_timer_, long_wait_timer_, network_timer_, ends_timer_}) {
    if (timer != 0) deps_.timers.CancelTimer(timer);
  }
}

// ---- Starting and draining ----

void Engine::Start(UniqueFunction<void(Status)> done) {
  deps_.network.SetSink(this);
  if (deps_.mirrors != nullptr) deps_.mirrors->SetSink(this);
  if (disk_watch_ == nullptr) {
    disk_watch_ = deps_.store.WatchDisk(deps_.control,
                                        [this](const store::DiskState& state) { OnDisk(state); });
  }
  auto shared_done = std::make_shared<UniqueFunction<void(Status)>>(
      [this, done = std::move(done)](const Status& status) mutable {
        degraded_ = OkStatus();
        if (status.code() == StatusCode::kDataLoss) degraded_ = registry::RegistryDamaged(status);
        done(status);
        if (on_readiness_) on_readiness_();
      });
  intent_ids_.SetOnMore([this](const Status& status) {
    for (auto waiting = std::exchange(waiting_for_ids_, {}); const auto& pending : waiting) {
      status.ok() ? Admit(pending) : Refuse(*pending, status);
    }
    if (!status.ok())
      deps_.log.Write(LogLevel::kError, {}, "no new intent ids: " + Message(status));
  });
  const auto load = [this, shared_done](StatusOr<registry::IdBlock> block) {
    if (!block.ok()) return (*shared_done)(block.status());
    transfer_ids_end_ = block->end;
    StartLoading(TransferId{block->first},
                 [shared_done](const Status& status) { (*shared_done)(status); });
  };
  intent_ids_.Start([this, shared_done, load](const Status& status) {
    if (!status.ok()) return (*shared_done)(status);
    deps_.registry.ReserveIds(registry::IdSpace::kTransfer, kTransferIdBlock, load);
  });
}

Status Engine::Ready() const {
  if (draining_)
    return ErrorFor(
        Reason::kDraining,
        "the daemon is draining: it brings what runs to rest before it stops, and takes "
        "nothing new until it is started again; what is queued goes on then");
  if (scheduler_ != nullptr && !restoring_) return OkStatus();
  return degraded_.ok() ? ErrorFor(Reason::kStarting, "the daemon is starting; try again soon")
                        : degraded_;
}

void Engine::Drain(UniqueFunction<void()> done) {
  drained_.push_back(std::move(done));
  const bool before = std::exchange(draining_, true);
  if (!before && on_readiness_) on_readiness_();
  if (scheduler_ == nullptr) return CheckDrained(true);
  if (!before) Deliver(schedule::Drain{});
  if (drain_timer_ != 0) return;  // it is under way
  drain_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + options_.drain_grace, [this] {
    drain_timer_ = 0;
    for (const auto& [transfer, running] : running_) StopGet(transfer);
    // What does not answer a stop within another second is left: its verified bytes are in the
    // store all the same.
    drain_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + seconds(1), [this] {
      drain_timer_ = 0;
      CheckDrained(true);
    });
  });
  CheckDrained(false);
}

void Engine::CheckDrained(bool out_of_time) {
  if (drained_.empty() || (!out_of_time && !running_.empty())) return;
  GiveUpTransferEnds();
  if (drain_timer_ != 0) deps_.timers.CancelTimer(std::exchange(drain_timer_, 0));
  deps_.store.Flush(
      deps_.control, [this, waiting = std::exchange(drained_, {})](const Status& status) mutable {
        if (!status.ok())
          deps_.log.Write(LogLevel::kError, {}, "flush at shutdown: " + Message(status));
        AfterEnds([this, waiting = std::move(waiting)]() mutable {
          // Behind every commit that is under way: registry answers come in order.
          deps_.registry.Commit({}, [waiting = std::move(waiting)](const Status&) mutable {
            for (auto& done : waiting) done();
          });
        });
      });
}

// ---- Events in, effects out ----

void Engine::Deliver(schedule::Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(delivering_, true)) return;
  while (!events_.empty()) {
    const schedule::Event next = std::move(events_.front());
    events_.pop_front();
    effects_.clear();
    scheduler_->Step(deps_.timers.Now(), next, effects_);
    for (const schedule::Effect& effect : effects_) Execute(effect);
  }
  delivering_ = false;
  timer_.Arm(scheduler_->NextDeadline());
  CommitChanges();
  looks_.Run();
}

void Engine::Execute(const schedule::Effect& effect) {
  std::visit(Overloaded{
                 [&](const schedule::LookInStore& e) {
                   contents_.Forget(e.kind);
                   looks_.Ask(e);
                 },
                 [&](const schedule::Dial& e) { ExecuteDial(e.node); },
                 [&](const schedule::GiveUpDial& e) {
                   remotes_.Closed(e.node);
                   paths_.Close(e.node);
                 },
                 [&](const schedule::Disconnect& e) {
                   deps_.log.Write(LogLevel::kDebug, {.provider = e.node},
                                   "closing the connection: " + e.reason);
                   remotes_.Closed(e.node);
                   paths_.Close(e.node);
                 },
                 [&](const schedule::StartTransfer& e) { ExecuteStart(e); },
                 [&](const schedule::LowerLimit& e) { ExecuteLowerLimit(e); },
                 [&](const schedule::StopTransfer& e) { StopGet(e.transfer); },
                 [&](const schedule::FinishIntent& e) { Finish(e); },
                 [&](const schedule::RememberProvider& e) {
                   late_drops_.Keep(e.hash, e.provider);
                   changes_.push_back(registry::PutProvider{{e.hash, e.provider}});
                 },
                 [&](const schedule::ForgetProvider& e) { late_drops_.Drop(e.hash, e.provider); },
                 [&](const schedule::BanProvider& e) { ExecuteBan(e); },
             },
             effect);
}

// What the journal may name: hashes of private content never leave (design/transfers.md,
// "Serving").
std::optional<Hash> Engine::LoggedHash(const Kind& kind) const {
  const auto it = kinds_.find(kind);
  if (it == kinds_.end() || it->second.is_private) return std::nullopt;
  return kind.hash;
}

void Engine::OnInventory(const schedule::LookInStore& look,
                         StatusOr<transfer::Inventory> inventory) {
  const Kind& kind = look.kind;
  schedule::StoreAnswered answer;
  answer.request = look.request;
  if (GivenReasonOf(inventory.status()) == Reason::kBlobDamaged) {
    // Its list, or its file: what does not fit there is taken back, and comes anew like any other.
    deps_.log.Write(LogLevel::kWarning, {.hash = LoggedHash(kind)},
                    "what is damaged comes anew: " + Message(inventory.status()));
    auto withdrawn = [this, look](const Status& status) {
      if (status.ok() || IsPassing(status)) {
        deps_.timers.AddTimer(deps_.timers.Now() + kLookAgain, [this, look] { LookAgain(look); });
        return;
      }
      Deliver(schedule::StoreAnswered{
          .request = look.request,
          .state = schedule::StoreAnswered::State::kFailed,
          .reason = fmt::format("what is damaged cannot be taken back: {}", Message(status))});
    };
    deps_.store.Withdraw(kind.hash, RangeSet::All(), deps_.control, std::move(withdrawn));
    return;
  }
  if (!inventory.ok() && IsPassing(inventory.status())) {
    // A full disk or no descriptor left: the intents stay, and the look is tried again.
    deps_.log.Write(LogLevel::kWarning, {.hash = LoggedHash(kind)},
                    "the store cannot be asked now: " + Message(inventory.status()));
    deps_.timers.AddTimer(deps_.timers.Now() + kLookAgain, [this, look] { LookAgain(look); });
    return;
  }
  if (!inventory.ok()) {
    answer.state = schedule::StoreAnswered::State::kFailed;
    answer.reason = Message(inventory.status());
  } else {
    answer.state = inventory->complete() ? schedule::StoreAnswered::State::kComplete
                                         : schedule::StoreAnswered::State::kIncomplete;
    answer.verified_bytes = inventory->verified_bytes();
    answer.total_bytes = inventory->total_bytes();
    if (const auto it = kinds_.find(kind); it != kinds_.end()) {
      it->second.verified_bytes = answer.verified_bytes;
      it->second.total_bytes = answer.total_bytes;
      it->second.total_blobs = inventory->total_blobs();
      it->second.is_private = inventory->root.is_private;
      if (inventory->children_known) journal_.Note(kind);
      it->second.complete_blobs = inventory->complete_blobs();
      if (inventory->complete()) {
        SetCounted(it->first, it->second, 0);
      } else {
        CountBytes(it->first, it->second);
      }
    }
  }
  Deliver(std::move(answer));
}

// Unless nobody waits for it any more: the request may have ended, and another for the same kind
// asks for itself.
void Engine::LookAgain(const schedule::LookInStore& look) {
  if (scheduler_->RequestOf(look.kind) == look.request) looks_.Ask(look);
  looks_.Run();
}

void Engine::ExecuteStart(const schedule::StartTransfer& effect) {
  transfers_.Start(effect.transfer, effect.provider, effect.kind, deps_.clock.WallNow());
  running_[effect.transfer] = {effect.kind, effect.request, 0,
                               std::holds_alternative<MirrorUrl>(effect.provider)};
  transfer_watch_.Note(effect.transfer);
  StartGet(effect);
  CountGet(effect.provider, true);
  deps_.log.Write(LogLevel::kDebug,
                  {.hash = LoggedHash(effect.kind),
                   .transfer = effect.transfer,
                   .provider = LoggedProvider(effect.provider, LoggedHash(effect.kind))},
                  "transfer started");
  unflushed_ = true;
  ArmSampling();
}

void Engine::ExecuteBan(const schedule::BanProvider& effect) {
  const WallTime until = deps_.clock.WallNow() + effect.length;
  changes_.push_back(registry::PutBan{{effect.provider, until, effect.times, effect.reason}});
  if (const auto* node = std::get_if<NodeId>(&effect.provider)) {
    remotes_.Banned(*node, until, effect.reason);
    remote_watch_.Note(*node);
  }
  deps_.log.Write(
      LogLevel::kWarning,
      {.provider = LoggedProvider(effect.provider, {}), .event = LogEvent::kProviderBanned},
      fmt::format("provider banned for {} s: {}",
                  std::chrono::duration_cast<seconds>(effect.length).count(), effect.reason));
}

void Engine::CommitChanges() {
  if (!extending_transfer_ids_ &&
      scheduler_->next_transfer_id() + kTransferIdReserve > transfer_ids_end_) {
    extending_transfer_ids_ = true;
    deps_.registry.ReserveIds(registry::IdSpace::kTransfer, kTransferIdBlock,
                              [this](StatusOr<registry::IdBlock> block) {
                                extending_transfer_ids_ = false;
                                if (block.ok()) transfer_ids_end_ = block->end;
                              });
  }
  WriteEnds();
  std::vector<LateDrops::Key> drops = late_drops_.Take(&changes_);
  if (changes_.empty()) return;
  // What is lost with a failed commit here (a provider, an address, a ban) is learnt again; intents
  // never go this way.
  deps_.registry.Commit(std::exchange(changes_, {}),
                        [this, drops = std::move(drops)](const Status& status) {
                          late_drops_.Done(drops, status.ok());
                          if (status.ok() && late_drops_.ready()) CommitChanges();
                          const bool told = std::exchange(changes_refused_, !status.ok());
                          if (!status.ok() && !told)
                            deps_.log.Write(LogLevel::kError, {}, "registry: " + Message(status));
                        });
}

// ---- What the network tells ----

void Engine::ApplyProgress(TransferId id, const transfer::GetProgress& progress) {
  const uint64_t received_before = [&] {
    const auto view = transfers_.View(id);
    return view ? view->received_bytes : 0;
  }();
  const auto [more, moved] = transfers_.Progress(id, progress);
  transfer_watch_.Note(id);
  verified_bytes_ += more;
  const auto transfer = running_.find(id);
  if (transfer == running_.end()) return;
  if (const auto it = kinds_.find(transfer->second.kind); it != kinds_.end())
    it->second.received_bytes += progress.received_bytes - received_before;
  CountProgress(transfer->second, progress, more);
  if (!progress.proof_wanted.empty()) AskForProof(transfer->second, progress.proof_wanted);
  if (more == 0 && moved == 0 && !progress.on_line) return;
  schedule::TransferProgress event{id, more, progress.total_bytes, progress.position, moved};
  // What it says of itself, where the line is known, says nothing of the whole.
  if (progress.on_line) event.total_bytes.reset();
  Deliver(event);
}

void Engine::OnGetProgress(TransferId id, const transfer::GetProgress& progress) {
  ApplyProgress(id, progress);
}

void Engine::OnGetHeldBack(TransferId id, bool held_back) {
  Deliver(schedule::TransferHeld{id, held_back});
}

void Engine::OnGetEnded(TransferId id, const transfer::GetProgress& progress,
                        const transfer::GetEnd& reported) {
  using schedule::Outcome;
  ApplyProgress(id, progress);
  const transfer::GetEnd end = JudgeMirror(id, reported);
  const std::string name(OutcomeName(end.outcome));
  const auto running = running_.find(id);
  const bool by_caller = running != running_.end() && running->second.cancelled_by;
  const std::string reason =
      by_caller && end.outcome == Outcome::kStopped
          ? fmt::format("{}: cancelled by uid {}", name, *running->second.cancelled_by)
      : end.reason.empty() || end.reason.starts_with(name)
          ? end.reason
          : fmt::format("{}: {}", name, end.reason);
  const TransferState state = end.outcome == Outcome::kDone      ? TransferState::kDone
                              : end.outcome == Outcome::kStopped ? TransferState::kCancelled
                                                                 : TransferState::kFailed;
  if (const auto view = transfers_.View(id)) {
    const std::optional<Hash> logged = LoggedHash(view->kind);
    const LogFields fields{
        .hash = logged, .transfer = id, .provider = LoggedProvider(view->provider, logged)};
    const auto text = [&](const std::string& why) {
      return ReasonForJournal(view->kind.hash, logged, why);
    };
    deps_.log.Write(
        state == TransferState::kFailed ? LogLevel::kWarning : LogLevel::kInfo, fields,
        state == TransferState::kDone ? "transfer done" : "transfer ended: " + text(reason));
    if (!end.note.empty()) {
      deps_.log.Write(LogLevel::kWarning, fields,
                      "the provider misbehaved without harm: " + text(end.note));
    }
  }
  const auto forgotten =
      transfers_.End(id, state, state == TransferState::kDone ? "" : reason, deps_.clock.WallNow());
  if (forgotten) transfer_watch_.Note(*forgotten);
  if (const auto ended = transfers_.View(id)) {
    if (running != running_.end()) CountGet(ended->provider, false);
    changes_.push_back(registry::PutTransfer{ToRow(*ended, end.outcome)});
    ++counters_.transfers_ended[name];
    if (state == TransferState::kDone)
      counters_.transfer_time.Add(ended->finished - ended->started);
  }
  if (running != running_.end()) running_.erase(running);
  schedule::TransferEnded event{id, end.outcome, reason, end.wait};
  event.own_fault = end.own_fault;
  event.holds = end.holds;
  event.lacks = end.lacks;
  event.content_void = end.line_is_void;
  Deliver(std::move(event));
  TellTransferEnd(id);
  CheckDrained(false);
}

}  // namespace blobd::engine
